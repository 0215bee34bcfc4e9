"""The targets a network is evaluated on, and the scales of their errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.series import rows_by_series
from fastlstm.data.time_grid import label_end, microseconds
from fastlstm.errors import StoreError
from fastlstm.evaluation.baselines import seasonal_scale


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


def mase_scales(
    table: TargetTable, rows: np.ndarray, cut: int, season: int, lookahead: int
) -> np.ndarray:
    """Denominators of MASE for some windows, each from its own series before a cut.

    Args:
        table: targets of every row.
        rows: first target row of each window, ``(n,)``.
        cut: microseconds since 1970 (UTC); a row counts where its target depends on earlier rows only.
        season: rows in one season.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        ``(n, n_targets)``.
    """
    before = label_end(table.times, table.block, lookahead) < cut
    scales = np.empty((len(rows), table.targets.shape[1]))
    for label, windows in rows_by_series(table.series(rows)).items():
        of_series = table.series_rows(label)
        scales[windows] = seasonal_scale(
            table.targets[of_series], table.block[of_series], before[of_series], season
        )
    return scales
