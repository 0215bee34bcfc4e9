"""Quantiles of a column whose rows lie in several shards.

Each shard gives up to 4,096 of its values at evenly spaced ranks, each for as many rows. Quantiles of
their union have a rank that is off by at most 1/4,096 of all rows: of one shard, n rows lie between two
neighbouring values at most, n / 4,096 of them, and the shards' errors add up to no more than the same
share of all rows. A column of up to 4,096 values in each shard is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VALUES = 4096


@dataclass(frozen=True)
class QuantileSummary:
    """Values with the number of rows that each stands for.

    Attributes:
        values: rising, ``(k,)``.
        rows: same shape.
    """

    values: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> QuantileSummary:
        """Of one shard's values, ``(n,)`` in any order; NaN does not count."""
        ordered = np.sort(values[~np.isnan(values)])
        if len(ordered) <= VALUES:
            return cls(ordered, np.ones(len(ordered)))
        # Value number k stands for the rows between two multiples of n / VALUES, at whose middle it is.
        bounds = np.arange(VALUES + 1) * len(ordered) / VALUES
        middle = ((bounds[1:] + bounds[:-1]) / 2).astype(np.int64)
        return cls(ordered[middle], np.diff(bounds))

    @classmethod
    def merged(cls, parts: list[QuantileSummary]) -> QuantileSummary:
        """Of the rows of all parts; their order does not matter."""
        values = np.concatenate([part.values for part in parts])
        rows = np.concatenate([part.rows for part in parts])
        order = np.lexsort((rows, values))
        return cls(values[order], rows[order])

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """The quantiles at some shares of the rows, ``(len(shares),)``; NaN without a value.

        Between values they are interpolated as by ``numpy.quantile``, which they equal where every
        value stands for one row.
        """
        if not len(self.values):
            return np.full(len(shares), np.nan)
        # Rank of each value's middle row, from 0.
        rank = np.cumsum(self.rows) - (self.rows + 1) / 2
        total = float(self.rows.sum())
        found: np.ndarray = np.interp(np.asarray(shares) * (total - 1), rank, self.values)
        return found
