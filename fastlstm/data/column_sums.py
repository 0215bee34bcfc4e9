"""Moments and quantiles of columns whose rows lie in several shards, and scalers made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.scalers import new_scaler
from fastlstm.data.quantile_summary import QuantileSummary
from fastlstm.errors import DataError


@dataclass(frozen=True)
class ColumnSums:
    """Sums of one column that those of its shards add up to; NaN does not count.

    Moments are merged as by Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm
    for computing sample variances", and equal those of the whole column but for rounding.

    Attributes:
        count: number of values.
        mean: of them; 0 without any.
        squares: sum of their squared distances from the mean.
        least: NaN without any.
        greatest: NaN without any.
        negative: number of values below 0.
        quantiles: their summary; empty where it is not needed.
    """

    count: float
    mean: float
    squares: float
    least: float
    greatest: float
    negative: float
    quantiles: QuantileSummary

    @classmethod
    def of(cls, values: np.ndarray, *, ranked: bool = True) -> ColumnSums:
        """Of one shard, ``(n,)``; without the quantiles, which take the most time, if not ``ranked``."""
        known = values[~np.isnan(values)]
        quantiles = QuantileSummary.of(known if ranked else known[:0])
        if not len(known):
            return cls(0, 0.0, 0.0, np.nan, np.nan, 0, quantiles)
        mean = float(known.mean())
        return cls(
            len(known), mean, float(((known - mean) ** 2).sum()), float(known.min()),
            float(known.max()), int((known < 0).sum()), quantiles,
        )  # fmt: skip

    @classmethod
    def merged(cls, parts: list[ColumnSums]) -> ColumnSums:
        """Of all shards, in their order."""
        count, mean, squares = 0.0, 0.0, 0.0
        for part in parts:
            if not part.count:
                continue
            total = count + part.count
            distance = part.mean - mean
            squares += part.squares + distance**2 * count * part.count / total
            mean += distance * part.count / total
            count = total
        return cls(
            count,
            mean,
            squares,
            float(np.fmin.reduce([part.least for part in parts])),
            float(np.fmax.reduce([part.greatest for part in parts])),
            sum(part.negative for part in parts),
            QuantileSummary.merged([part.quantiles for part in parts]),
        )

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else np.nan

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The sums as arrays by name."""
        numbers = [self.count, self.mean, self.squares, self.least, self.greatest, self.negative]
        return {
            "numbers": np.array(numbers), "values": self.quantiles.values,
            "rows": self.quantiles.rows,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ColumnSums:
        """What ``to_arrays`` gave."""
        count, mean, squares, least, greatest, negative = map(float, arrays["numbers"])
        quantiles = QuantileSummary(arrays["values"], arrays["rows"])
        return cls(count, mean, squares, least, greatest, negative, quantiles)


def sums_of(columns: Iterable[tuple[str, np.ndarray]], *, ranked: bool) -> dict[str, ColumnSums]:
    """The sums of columns by name, with their quantiles where ``ranked``."""
    return {name: ColumnSums.of(values, ranked=ranked) for name, values in columns}


def fitted_scaler(kind: str, sums: Mapping[str, ColumnSums]) -> Any:
    """A scikit-learn scaler as fitted on the rows of all shards.

    It is fitted on a few rows that have the same mean and deviation, least and greatest value, or
    quartiles, so that scikit-learn's own rules apply, e.g. of columns that do not change.

    Args:
        kind: its name; see ``fastlstm.config.scalers``.
        sums: of each column.

    Raises:
        DataError: a column has no value.
    """
    empty = [name for name, of_column in sums.items() if not of_column.count]
    if empty:
        raise DataError(
            f"column {empty[0]!r} has no value before the validation cut; raise "
            "hyperparameters.train_size_rate, or remove the column"
        )
    rows = pd.DataFrame({name: _ROWS[kind](of_column) for name, of_column in sums.items()})
    scaler = new_scaler(kind).fit(rows)
    if hasattr(scaler, "n_samples_seen_"):
        scaler.n_samples_seen_ = int(max(of_column.count for of_column in sums.values()))
    return scaler


# Rows with the statistics that each scaler is fitted to.
_ROWS: dict[str, Callable[[ColumnSums], Any]] = {
    "StandardScaler": lambda s: [s.mean - s.deviation, s.mean + s.deviation],
    "MinMaxScaler": lambda s: [s.least, s.greatest],
    "RobustScaler": lambda s: s.quantiles.quantiles(np.array([0.25, 0.25, 0.5, 0.75, 0.75])),
}
