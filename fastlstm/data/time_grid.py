"""Positions of rows on a time grid, and the contiguous blocks they form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Tick


def grid_positions(times: pd.Series, frequency: str, time_zone: str = "UTC") -> np.ndarray:
    """The position of each time on the grid of ``frequency``, -1 where it is off the grid.

    Clock-length frequencies (hours, minutes, …) count in UTC from the most common phase. Calendar
    frequencies (days, months, …) count in ``time_zone``, where a day may have 23 or 25 hours.

    Args:
        times: UTC time stamps, shape ``(n,)``.
        frequency: a pandas offset.
        time_zone: IANA zone of calendar frequencies.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        step = pd.Timedelta(offset).value // 1_000
        stamps = pd.DatetimeIndex(times).tz_convert(None).as_unit("us").asi8
        values, counts = np.unique(stamps % step, return_counts=True)
        phase = values[np.argmax(counts)]
        return np.where(stamps % step == phase, (stamps - phase) // step, -1)
    local = pd.DatetimeIndex(times).tz_convert(time_zone)
    grid = pd.date_range(local.min(), local.max(), freq=offset)
    return np.asarray(grid.get_indexer(local))


def contiguous_blocks(series: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Number the contiguous blocks: one begins with each series and after each missing position.

    Args:
        series: series label or code of each row, rows sorted by series and time, shape ``(n,)``.
        positions: position on the grid, or row number within the source without a frequency.

    Returns:
        int64 numbers from 0, never falling, shape ``(n,)``.
    """
    if len(series) == 0:
        return np.zeros(0, np.int64)
    breaks = (series[1:] != series[:-1]) | (np.diff(positions) != 1)
    return np.concatenate([[0], np.cumsum(breaks)]).astype(np.int64)


def step_times(
    origin: pd.Timestamp, steps: int, frequency: str, time_zone: str
) -> pd.DatetimeIndex:
    """The times (UTC) of ``steps`` grid rows, ``origin`` the first."""
    local = origin.tz_convert(time_zone)
    return pd.DatetimeIndex([local + k * to_offset(frequency) for k in range(steps)]).tz_convert(
        "UTC"
    )


def microseconds(times: pd.Series) -> np.ndarray:
    """UTC time stamps as int64 microseconds since 1970."""
    return pd.DatetimeIndex(times).tz_convert(None).as_unit("us").asi8


def label_end(times: np.ndarray, block: np.ndarray, lookahead: int) -> np.ndarray:
    """Time of the last row each row's target depends on, ``(n,)``; its own time without lookahead."""
    end = times.copy()
    if lookahead and len(times) > lookahead:
        same = block[:-lookahead] == block[lookahead:]
        end[:-lookahead] = np.where(same, times[lookahead:], times[:-lookahead])
    return end


def later_times(
    times: np.ndarray, block: np.ndarray, ahead: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Time of the row whose value each feature of ``ahead`` holds, ``(n,)`` each."""
    return {name: label_end(times, block, rows) for name, rows in ahead.items()}
