"""The targets a network is evaluated on, and the scales of their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.series import rows_by_series
from fastlstm.data.split import cuts_of
from fastlstm.data.time_grid import label_end, microseconds
from fastlstm.errors import StoreError
from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.metrics import ErrorScales

# Differences up to this share of the values are rounding errors of a constant.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class TargetTable:
    """The rows a network is evaluated on, as arrays, sorted by series and time.

    Attributes:
        code: number of each row's series in ``labels``, ``(n,)``.
        labels: the series.
        times: microseconds since 1970 (UTC), ``(n,)``.
        block: number of each row's contiguous block, ``(n,)``.
        targets: unscaled targets, float64 ``(n, n_targets)``.
    """

    code: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    block: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, targets: pd.DataFrame) -> TargetTable:
        """From a table's ``__series``, ``__time`` and ``__segment`` and the targets of its rows."""
        code, labels = pd.factorize(frame[SERIES])
        return cls(
            code,
            np.asarray(labels, dtype=object),
            microseconds(frame[TIME]),
            frame[SEGMENT].to_numpy(),
            targets.to_numpy(np.float64),
        )

    def series(self, rows: np.ndarray) -> np.ndarray:
        """Labels of the rows' series."""
        labels: np.ndarray = self.labels[self.code[rows]]
        return labels

    def series_rows(self, label: str) -> slice:
        """The rows of a series, which are consecutive; empty where there is no such series."""
        number = self._numbers.get(label)
        if number is None:
            return slice(0, 0)
        return slice(*np.searchsorted(self.code, [number, number + 1]).tolist())

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def validation_cut(
        self, hyperparameters: Hyperparameters, cuts: Mapping[str, int]
    ) -> int | np.ndarray:
        """Where the train rows end: one time, or for each row that of its series, ``(n,)``.

        Args:
            hyperparameters: how the splits were made.
            cuts: of the manifest of windows or of a run.
        """
        if hyperparameters.split == "by_series":
            return cuts_of(self.times, self.code, hyperparameters).validation
        return cuts["validation"]

    def rows_of(self, series: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Row numbers ``(n,)`` of windows' first target rows.

        Args:
            series: series of each window, ``(n,)``.
            origin: time of its first target row, ``datetime64`` in UTC, ``(n,)``.

        Raises:
            StoreError: a window is not of this table.
        """
        origin_times = origin.astype("datetime64[us]").astype(np.int64)
        rows = np.empty(len(series), np.int64)
        for label, windows in rows_by_series(series).items():
            of_series = self.series_rows(label)
            times, wanted = self.times[of_series], origin_times[windows]
            position = np.searchsorted(times, wanted)
            if not len(times) or (times[np.minimum(position, len(times) - 1)] != wanted).any():
                raise StoreError(
                    "a window's first target row is not in the clean table; delete the work folder"
                )
            rows[windows] = of_series.start + position
        return rows


@dataclass(frozen=True)
class DifferenceSums:
    """Sums over train rows by series that the scales of errors come from; those of parts add up.

    Attributes:
        absolute: of the absolute differences of rows one season apart, ``(n_series, n_targets)``.
        squared: of their squares, same shape.
        values: of the absolute values of the later rows, same shape.
        count: number of differences, ``(n_series,)``.
    """

    absolute: np.ndarray
    squared: np.ndarray
    values: np.ndarray
    count: np.ndarray

    @property
    def scales(self) -> ErrorScales:
        """A row for each series; undefined where a series has no difference, or none above rounding."""
        with np.errstate(invalid="ignore", divide="ignore"):
            defined = self.absolute > _ROUNDING * self.values
            absolute, squared = (
                np.where(defined, total / self.count[:, None], np.nan)
                for total in (self.absolute, self.squared)
            )
        return ErrorScales(absolute, squared)


def difference_sums(
    table: TargetTable, cut: int | np.ndarray, season: int, lookahead: int
) -> DifferenceSums:
    """Sums of the differences of every series' train rows one season apart, in one pass over all.

    A difference is the error of the (seasonal) naive forecast of a row. Its mean is the denominator of
    MASE (Hyndman and Koehler 2006, "Another look at measures of forecast accuracy").

    Args:
        table: targets of every row.
        cut: end of the train rows in microseconds since 1970 (UTC), one or for each row ``(n,)``; a row
            counts where its target depends on earlier rows only.
        season: rows in one season; 1 for the naive forecast.
        lookahead: rows after its own that a target's value depends on.
    """
    train = label_end(table.times, table.block, lookahead) < cut
    same_block = table.block[season:] == table.block[:-season]
    later = np.flatnonzero(same_block & train[season:]) + season
    values = table.targets[later]
    difference = values - table.targets[later - season]
    series = Groups(table.code[later], len(table.labels))
    return DifferenceSums(
        series.sums(np.abs(difference)),
        series.sums(difference**2),
        series.sums(np.abs(values)),
        series.sizes,
    )
