"""Means over the windows of every series at once, without a loop over series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Groups:
    """Windows in groups, which may be empty.

    Time and memory are linear in the windows. Sums and counts of parts of a table add up.

    Attributes:
        code: number of each window's group, ``(n,)``.
        count: number of groups.
    """

    code: np.ndarray
    count: int

    @classmethod
    def one(cls, windows: int) -> Groups:
        """All windows as one group."""
        return cls(np.zeros(windows, np.int64), 1)

    @classmethod
    def of(cls, labels: Any) -> tuple[Groups, list[str]]:
        """A group for each label, in order of their first windows, and the labels.

        Args:
            labels: of each window, ``(n,)``.
        """
        code, names = pd.factorize(labels)
        return cls(code, len(names)), [str(name) for name in names]

    def some(self, windows: Any) -> Groups:
        """The same groups with some of the windows."""
        return Groups(self.code[windows], self.count)

    @property
    def sizes(self) -> np.ndarray:
        """Windows in each group, ``(count,)``."""
        return np.bincount(self.code, minlength=self.count)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the windows of each group, ``(count, n_columns)`` from ``(n, n_columns)``."""
        columns = [np.bincount(self.code, column, self.count) for column in values.T]
        return np.stack(columns, axis=1) if columns else np.zeros((self.count, 0))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over windows and all further axes, ``(count,)`` from ``(n, ...)``; NaN without any."""
        by_window = values.mean(axis=tuple(range(1, values.ndim)))
        return _ratio(np.bincount(self.code, by_window, self.count), self.sizes)

    def mean_by_target(self, values: np.ndarray) -> np.ndarray:
        """Mean over windows and steps, ``(count, n_targets)`` from ``(n, steps, n_targets)``."""
        return _ratio(self.sums(values.mean(axis=1)), self.sizes[:, None])

    def mean_where(self, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Mean of the values that count, ``(count,)`` from ``(n, n_columns)``; NaN without any.

        Args:
            values: ``(n, n_columns)``.
            counted: which of them count, same shape.
        """
        total = np.bincount(self.code, np.where(counted, values, 0.0).sum(axis=1), self.count)
        return _ratio(total, np.bincount(self.code, counted.sum(axis=1), self.count))

    def first(self, values: np.ndarray) -> np.ndarray:
        """The values of each group's first window, ``(count, ...)``; any value for an empty group."""
        if not len(values):
            return np.zeros((self.count, *values.shape[1:]))
        position = np.zeros(self.count, np.int64)
        # Of several positions of one group the last that is assigned stays, here the first window's.
        position[self.code[::-1]] = np.arange(len(self.code))[::-1]
        first: np.ndarray = values[position]
        return first


def _ratio(total: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Totals over sizes; NaN where the size is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, total / size, np.nan)
