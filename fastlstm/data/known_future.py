"""Known future covariates: a promotion, a planned price, another forecast.

Every such column adds a feature whose value at row ``t`` is the column's value a number of rows later.
If that number is the horizon, the last rows of a window hold the values at the rows it forecasts; see
``fastlstm.config.known_future``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.time_grid import rows_as_given, step_times, usual_time_of_day


def is_ahead(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> np.ndarray:
    """Rows at the end of a series that hold nothing but what is known ahead, ``(n,)``.

    Whether a row has happened is known from the columns that cannot be known before: the targets, and
    the features that are neither known future covariates nor static.

    Args:
        frame: a table sorted by series and time.
        data: known future covariates and static columns.
        values: the value columns present.
    """
    known = data.known_columns
    observed = [name for name in values if name not in known]
    has_known = data.known_future or data.known_ahead or data.has_only_known_features
    if not has_known or not observed:
        return np.zeros(len(frame), bool)
    seen = frame[observed].notna().any(axis=1)
    later = ~seen[::-1].groupby(frame[SERIES][::-1], sort=False).cummax()[::-1]
    # A series without any observed value is faulty; its rows are not future rows.
    return np.asarray(later & seen.groupby(frame[SERIES], sort=False).transform("any"))


def later_values(values: np.ndarray, block: np.ndarray, rows: int) -> np.ndarray:
    """The value ``rows`` later, ``(n,)``; NaN where the contiguous block ends before."""
    found = np.full(len(values), np.nan)
    if len(values) > rows:
        same = block[:-rows] == block[rows:]
        found[:-rows][same] = values[rows:][same]
    return found


def ahead_values(
    clean: pd.DataFrame, block: np.ndarray, ahead: pd.DataFrame, column: str, rows: int,
    data: DataConfig,
) -> np.ndarray:  # fmt: skip
    """The column's value ``rows`` later, ``(n,)``; NaN where it is not known.

    Args:
        clean: a table sorted by series and time.
        block: number of each row's contiguous block, ``(n,)``.
        ahead: the rows after it; see ``is_ahead``.
        column: the column.
        rows: how many rows later.
        data: the frequency; rows of ``ahead`` after a gap in time do not count.
    """
    found = later_values(clean[column].to_numpy(np.float64), block, rows)
    if not len(ahead):
        return found
    of_day = usual_time_of_day(clean[TIME], data.time_zone) if data.frequency else None
    as_given = rows_as_given(data.frequency)
    ends = pd.Series(np.arange(len(clean))).groupby(clean[SERIES].to_numpy()).max()
    for series, later in ahead.groupby(SERIES, sort=False):
        if series not in ends:
            continue
        end = int(ends[series])
        times = pd.DatetimeIndex(later[TIME].iloc[:rows])
        known = later[column].to_numpy(np.float64)[:rows]
        if data.frequency and not as_given:
            last = clean[TIME].iloc[end]
            offset = row_offset(data.frequency, data.closed_days)
            grid = step_times(last, len(times) + 1, offset, data.time_zone, of_day)[1:]
            next_ones = np.logical_and.accumulate(np.asarray(times == grid))
            known = known[next_ones]
        first = end + 1 - rows
        into = np.arange(max(first, 0), first + len(known))
        into = into[block[into] == block[end]]
        found[into] = known[into - first]
    return found
