"""Positions of rows on a time grid, and the contiguous blocks they form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, BusinessDay, BusinessHour, CustomBusinessDay, Tick

from fastlstm.data.clock_changes import day_instants, wall_times

# Frequencies that a table off its grid may be on, by what they are called.
_OTHER_FREQUENCIES = (
    *(f"W-{day}" for day in ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")),
    "MS", "ME", "BMS", "BME", "SMS", "SME",
    *(f"{kind}-{month}" for kind in ("QS", "QE") for month in ("JAN", "FEB", "MAR")),
    *(f"{kind}-{month}" for kind in ("YS", "YE") for month in (
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    )),
    "B",
)  # fmt: skip


def rows_as_given(frequency: str | BaseOffset | None) -> bool:
    """Whether every day without a row counts as closed: frequency 'C' without a calendar."""
    return isinstance(frequency, str) and isinstance(to_offset(frequency), CustomBusinessDay)


@dataclass(frozen=True)
class Grid:
    """Where the grid of a table's frequency lies, for rows that are a part of the table.

    Attributes:
        first: first time of the table, microseconds since 1970 (UTC).
        last: last time.
        phase: microseconds of its times after a whole step since 1970 (UTC) with a clock-length
            frequency, after midnight in its time zone with a calendar frequency.
    """

    first: int
    last: int
    phase: int


def phases_of(times: Any, frequency: str | BaseOffset, time_zone: str) -> list[list[int]]:
    """How many times lie at each phase of a grid, see ``Grid``: ``[[phase, times], …]``, rising.

    Args:
        times: see ``grid_positions``.
        frequency: a pandas offset.
        time_zone: IANA zone of calendar frequencies.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        found = microseconds(times) % _microseconds_of(offset)
    else:
        wall = wall_times(pd.DatetimeIndex(times), time_zone)
        found = (wall - wall.normalize()).as_unit("us").asi8
    phases, counts = np.unique(found, return_counts=True)
    return [[int(phase), int(count)] for phase, count in zip(phases, counts, strict=True)]


def _microseconds_of(offset: Tick) -> int:
    return int(pd.Timedelta(offset).value // 1_000)


def grid_positions(
    times: Any, frequency: str | BaseOffset, time_zone: str = "UTC", grid: Grid | None = None
) -> np.ndarray:
    """The position of each time on the grid of ``frequency``, -1 where it is off the grid.

    Clock-length frequencies (hours, minutes, …) count in UTC from the most common phase. Calendar
    frequencies (days, months, …) count in ``time_zone`` from the most common time of day; a day may
    have 23 or 25 hours there, and no midnight or two (see ``fastlstm.data.clock_changes``). With 'C'
    rows follow each other as given: a position is the row's number.

    Args:
        times: UTC time stamps, shape ``(n,)``; sorted within their series for 'C'.
        frequency: a pandas offset.
        time_zone: IANA zone of calendar frequencies.
        grid: where the grid lies, if the times are a part of a table's; None: as all of them show.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        step = _microseconds_of(offset)
        stamps = microseconds(times)
        if grid is None:
            values, counts = np.unique(stamps % step, return_counts=True)
            phase = values[np.argmax(counts)]
        else:
            phase = grid.phase
        return np.where(stamps % step == phase, (stamps - phase) // step, -1)
    if not len(times):
        return np.zeros(0, np.int64)
    index = pd.DatetimeIndex(times)
    wall = wall_times(index, time_zone)
    days = _calendar_grid(*_ends_and_time_of_day(wall, time_zone, grid), offset)
    days, instants = _existing(days, time_zone)
    positions = np.asarray(instants.get_indexer(index.tz_convert("UTC")))
    others = np.flatnonzero(positions < 0)
    if len(others):  # the second of two midnights
        positions[others] = days.get_indexer(wall[others])
    if rows_as_given(frequency):
        return np.where(positions < 0, -1, np.arange(len(positions)))
    return positions


def position_times(
    positions: np.ndarray, times: Any, frequency: str | BaseOffset, time_zone: str
) -> pd.DatetimeIndex:
    """The times (UTC) at some positions on the grid of a table, ``(m,)``; see ``grid_positions``.

    Args:
        positions: ``(m,)``, within the grid.
        times: those of the table's rows, by which the grid lies, ``(n,)``.
        frequency: a pandas offset.
        time_zone: IANA zone of calendar frequencies.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        step = _microseconds_of(offset)
        values, counts = np.unique(microseconds(times) % step, return_counts=True)
        stamps = positions * step + values[np.argmax(counts)]
        return pd.DatetimeIndex(stamps.view("datetime64[us]")).tz_localize("UTC")
    wall = wall_times(pd.DatetimeIndex(times), time_zone)
    days = _calendar_grid(*_ends_and_time_of_day(wall, time_zone, None), offset)
    return _existing(days, time_zone)[1][positions].as_unit("us")


def _ends_and_time_of_day(
    wall: pd.DatetimeIndex, time_zone: str, grid: Grid | None
) -> tuple[pd.Timestamp, pd.Timestamp, pd.Timedelta]:
    """First and last local time of a table, and the most common local time of day.

    Args:
        wall: local times of its rows, or of some of them.
        time_zone: IANA zone.
        grid: where the grid of the whole table lies; None: as all rows show.
    """
    if grid is None:
        return wall.min(), wall.max(), _usual_time_of_day(wall)
    ends = pd.DatetimeIndex(np.array([grid.first, grid.last], "datetime64[us]"), tz="UTC")
    first, last = wall_times(ends, time_zone)
    return first, last, pd.Timedelta(grid.phase, unit="us")


def _calendar_grid(
    first: pd.Timestamp, last: pd.Timestamp, of_day: pd.Timedelta, offset: BaseOffset
) -> pd.DatetimeIndex:
    """Every local time of a calendar frequency from a first to a last local time."""
    if isinstance(offset, BusinessHour):
        return pd.date_range(first, last, freq=offset, unit="us")
    if isinstance(offset, BusinessDay) and offset.n == 1:
        calendar: Any = getattr(offset, "calendar", None)
        if not isinstance(calendar, np.busdaycalendar):
            calendar = np.busdaycalendar()
        begin, end = (day.to_datetime64().astype("datetime64[D]") for day in (first, last))
        days = np.arange(begin, end + 1)
        return pd.DatetimeIndex(days[np.is_busday(days, busdaycal=calendar)]).as_unit("us") + of_day
    return pd.date_range(first.normalize() + of_day, last, freq=offset, unit="us")


def _existing(grid: pd.DatetimeIndex, time_zone: str) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Local times and their instants, without days that a zone skipped (Samoa: 30 December 2011)."""
    instants = day_instants(grid, time_zone)
    exists = instants.tz_convert(time_zone).day == grid.day
    return grid[exists], instants[exists]


def _usual_time_of_day(wall: pd.DatetimeIndex) -> pd.Timedelta:
    return most_usual(_times_of_day(wall))


def _times_of_day(wall: pd.DatetimeIndex) -> Counter[int]:
    values, counts = np.unique((wall - wall.normalize()).as_unit("us").asi8, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def times_of_day(times: Any, time_zone: str) -> Counter[int]:
    """Number of rows at each local time of day, in microseconds; those of shards add up.

    Args:
        times: time stamps with their time zone.
        time_zone: IANA zone.
    """
    return _times_of_day(wall_times(times, time_zone))


def most_usual(rows: Counter[int]) -> pd.Timedelta:
    """The most common local time of day, the earliest of several; see ``times_of_day``."""
    time = min(rows, key=lambda time: (-rows[time], time))
    return pd.Timedelta(time, unit="us")


def usual_time_of_day(times: Any, time_zone: str) -> pd.Timedelta:
    """The most common local time of day of some rows.

    Args:
        times: time stamps with their time zone, at least one.
        time_zone: IANA zone.
    """
    return _usual_time_of_day(wall_times(times, time_zone))


def fitting_frequency(
    times: Any, frequency: str | BaseOffset, time_zone: str, settings: str = ""
) -> str | None:
    """Another frequency or zone whose grid holds all times, where that of ``frequency`` does not.

    Args:
        times: see ``grid_positions``.
        frequency: a pandas offset.
        time_zone: IANA zone.
        settings: what stands before a setting's name: ``'data.'`` or nothing.

    Returns:
        What to set, as a clause; None where no other calendar fits.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        return None
    index = pd.DatetimeIndex(times).unique().sort_values()
    if time_zone != "UTC" and (grid_positions(index, offset, "UTC") >= 0).all():
        return f"they are on it in UTC, so set {settings}time_zone to 'UTC'"
    remedies = []
    of_day = usual_time_of_day(index, time_zone)
    if of_day != pd.Timedelta(0):
        clock = str(of_day).rpartition(" ")[2][:5]
        remedies.append(
            f"if {clock} in {time_zone} is midnight elsewhere, set {settings}time_zone to that zone"
        )
    family = offset.rule_code.partition("-")[0].removeprefix("B").removeprefix("C")[:1]
    for other in _OTHER_FREQUENCIES:
        alike = other.removeprefix("B")[:1] == family
        if alike and (grid_positions(index, other, time_zone) >= 0).all():
            remedies.append(
                f"all rows are on that of {other!r}, so set {settings}frequency to {other!r}"
            )
            break
    return "; or ".join(remedies) or None


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
    origin: pd.Timestamp,
    steps: int,
    frequency: str | BaseOffset,
    time_zone: str,
    time_of_day: pd.Timedelta | None = None,
) -> pd.DatetimeIndex:
    """The times (UTC) of ``steps`` grid rows, ``origin`` the first.

    Args:
        origin: time of the first row, with its time zone.
        steps: how many rows.
        frequency: a pandas offset; with 'C' every weekday is a row.
        time_zone: IANA zone of calendar frequencies.
        time_of_day: local time of a calendar frequency's rows, which a clock change may have moved in
            ``origin``; without it that of ``origin``, or midnight where it begins its day.
    """
    offset = to_offset(frequency)
    if isinstance(offset, Tick):
        return pd.DatetimeIndex([origin + k * offset for k in range(steps)]).tz_convert("UTC")
    first = wall_times([origin], time_zone)[0]
    if time_of_day is not None:
        first = first.normalize() + time_of_day
    # One more than asked for, should the zone have skipped a day.
    later = pd.DatetimeIndex([first, *(first + k * offset for k in range(1, steps + 1))])
    return _existing(later.as_unit("us"), time_zone)[1][:steps]


def later_rows(
    times: Any, rows: int, frequency: str | BaseOffset, time_zone: str
) -> pd.DatetimeIndex:
    """The time so many rows later than each of some times on the grid of a frequency, in UTC.

    Args:
        times: time stamps with their time zone, ``(n,)``.
        rows: how many rows later.
        frequency: a pandas offset; days and months begin in ``time_zone``.
        time_zone: IANA zone.
    """
    offset = to_offset(frequency)
    index = pd.DatetimeIndex(times)
    if isinstance(offset, Tick):
        return index + rows * offset
    if not len(index):
        return index.tz_convert("UTC")
    codes, unique = pd.factorize(wall_times(index, time_zone))
    # Most calendar offsets are added value by value, so each time is shifted once.
    own = pd.DatetimeIndex(unique)
    later = pd.DatetimeIndex([time + rows * offset for time in own])
    days = pd.date_range(own.min().normalize(), later.max().normalize())
    if len(_existing(days, time_zone)[0]) < len(days):
        steps = [step_times(time, rows + 1, offset, time_zone)[-1] for time in index]
        return pd.DatetimeIndex(steps)
    return day_instants(later.as_unit("us"), time_zone)[codes]


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
