"""Features whose values are known before they happen: a holiday, a planned price, another's forecast.

Each gives one more feature, whose value at row ``t`` is the column's so many rows later. With as many
rows as are forecast, the last rows of a window then hold the values at the very rows forecast.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.time_grid import step_times


def is_ahead(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> np.ndarray:
    """Rows at the end of a series that only tell what is known ahead, ``(n,)``.

    Args:
        frame: a table sorted by series and time.
        data: ``known_ahead``.
        values: the value columns present.
    """
    happened = [name for name in values if name not in data.known_ahead]
    if not data.known_ahead or not happened:
        return np.zeros(len(frame), bool)
    seen = frame[happened].notna().any(axis=1)
    later = ~seen[::-1].groupby(frame[SERIES][::-1], sort=False).cummax()[::-1]
    # A series of which nothing was seen at all is in disorder, not ahead.
    return np.asarray(later & seen.groupby(frame[SERIES], sort=False).transform("any"))


def later_values(values: np.ndarray, segment: np.ndarray, rows: int) -> np.ndarray:
    """Each row's value so many rows later, ``(n,)``; NaN where its stretch ends before."""
    found = np.full(len(values), np.nan)
    if len(values) > rows:
        same = segment[:-rows] == segment[rows:]
        found[:-rows][same] = values[rows:][same]
    return found


def ahead_values(
    clean: pd.DataFrame, segment: np.ndarray, ahead: pd.DataFrame, column: str, rows: int,
    data: DataConfig,
) -> np.ndarray:  # fmt: skip
    """The column's value so many rows later, ``(n,)``; NaN where that row is beyond what is known.

    Args:
        clean: a table sorted by series and time.
        segment: number of each row's unbroken stretch, ``(n,)``.
        ahead: the rows after it; see ``is_ahead``.
        column: the column.
        rows: how many rows later.
        data: the frequency, by which a row after a hole is none of the next rows.
    """
    found = later_values(clean[column].to_numpy(np.float64), segment, rows)
    if not len(ahead):
        return found
    ends = pd.Series(np.arange(len(clean))).groupby(clean[SERIES].to_numpy()).max()
    for series, later in ahead.groupby(SERIES, sort=False):
        if series not in ends:
            continue
        end = int(ends[series])
        times = pd.DatetimeIndex(later[TIME].iloc[:rows])
        known = later[column].to_numpy(np.float64)[:rows]
        if data.frequency:
            last = clean[TIME].iloc[end]
            grid = step_times(last, len(times) + 1, data.frequency, data.time_zone)[1:]
            next_ones = np.logical_and.accumulate(np.asarray(times == grid))
            known = known[next_ones]
        first = end + 1 - rows
        into = np.arange(max(first, 0), first + len(known))
        into = into[segment[into] == segment[end]]
        found[into] = known[into - first]
    return found
