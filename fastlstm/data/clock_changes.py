"""Times of a local calendar where clock changes skip or repeat them.

Where a clock jumps over midnight (Cairo, Santiago, Beirut) that day begins at 01:00; where it goes back
over midnight (Havana, the Azores) midnight happens twice and the day begins with the first. One rule
says this of any time of day: a skipped time is the first one after the jump, a repeated one is the first
of the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# No clock is put forward by more, so later in a day nothing is left of a skipped midnight.
_LONGEST_JUMP = pd.Timedelta("2h")


def day_instants(wall: pd.DatetimeIndex, time_zone: str) -> pd.DatetimeIndex:
    """When local times of a calendar are, ``(n,)`` in UTC.

    Args:
        wall: local times without a zone, ``(n,)``.
        time_zone: IANA zone.
    """
    first = np.ones(len(wall), bool)
    local = wall.tz_localize(time_zone, ambiguous=first, nonexistent="shift_forward")
    return local.tz_convert("UTC")


def wall_times(times: Any, time_zone: str) -> pd.DatetimeIndex:
    """Local times of some instants without their zone, ``(n,)``: ``day_instants`` the other way.

    The first instant of a day without midnight is its midnight.

    Args:
        times: time stamps with their time zone, ``(n,)``.
        time_zone: IANA zone.
    """
    index = pd.DatetimeIndex(times)
    wall = index.tz_convert(time_zone).tz_localize(None)
    midnight = wall.normalize()
    after = wall - midnight
    late = np.flatnonzero((after > pd.Timedelta(0)) & (after <= _LONGEST_JUMP))
    if len(late):
        begins = day_instants(midnight[late], time_zone) == index[late].tz_convert("UTC")
        values = wall.to_numpy().copy()
        values[late[begins]] = midnight.to_numpy()[late[begins]]
        wall = pd.DatetimeIndex(values)
    return wall


def skipped_times(times: pd.Series, time_zone: str) -> pd.Series:
    """Those of some local times that the clocks of a zone skip.

    Args:
        times: local times without a zone, ``(n,)``; missing ones are left out.
        time_zone: IANA zone.
    """
    known = times.dropna()
    first = np.ones(len(known), bool)
    found: pd.Series = known[
        known.dt.tz_localize(time_zone, ambiguous=first, nonexistent="NaT").isna()
    ]
    return found


def unchanged_zone(time: pd.Timestamp, time_zone: str) -> str:
    """The zone of a clock that is never changed and has the offset of a zone a day before a time.

    Args:
        time: a local time without a zone.
        time_zone: IANA zone.
    """
    before = (time - pd.Timedelta(days=1)).tz_localize(time_zone, nonexistent="shift_forward")
    hours = (before.tz_localize(None) - before.tz_convert("UTC").tz_localize(None)) / pd.Timedelta(
        "1h"
    )
    # In names of the area Etc the signs are those of POSIX: 'Etc/GMT-1' shows an hour more than UTC.
    return f"Etc/GMT{-int(hours):+d}" if hours and hours == int(hours) else "UTC"
