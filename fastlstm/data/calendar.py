"""Calendar features: parts of the time in cyclical encoding, of a row itself or of a later one.

The sine and cosine of a period's phase put its end next to its beginning (e.g. Petneházi 2019,
"Recurrent Neural Networks for Time Series Forecasting", section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.calendar import Holidays
from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.holidays import holiday_features
from fastlstm.data.time_grid import later_rows

# The phase of each kind, from 0 at the start of its period to 1 at its end.
_PHASES: dict[str, Callable[[pd.DatetimeIndex], Any]] = {
    "minute": lambda local: local.minute / 60,
    "hour": lambda local: (local.hour + local.minute / 60) / 24,
    "weekday": lambda local: local.day_of_week / 7,
    "day": lambda local: (local.day - 1) / local.days_in_month,
    "day_of_year": lambda local: (local.day_of_year - 1) / (365 + local.is_leap_year),
    "week": lambda local: (local.isocalendar().week.to_numpy(np.float64) - 1) / 53,
    "month": lambda local: (local.month - 1) / 12,
    "quarter": lambda local: (local.quarter - 1) / 4,
}


def calendar_features(
    times: Any, kinds: Iterable[str], time_zone: str = "UTC", holidays: Holidays | None = None
) -> dict[str, np.ndarray]:
    """Cyclical encodings of parts of the time, and public holidays.

    Args:
        times: time stamps with their time zone, ``(n,)``: a Series or a DatetimeIndex.
        kinds: of 'minute' (over an hour), 'hour' (with its minutes, over 24 hours), 'weekday' (Monday
            first, over 7 days), 'day' (over the days of its month), 'day_of_year', 'week' (ISO, over
            53), 'month' (over 12) and 'quarter' (over 4).
        time_zone: IANA zone of the clock and calendar.
        holidays: country and subdivision; see ``fastlstm.data.holidays``.

    Returns:
        ``<kind>_sin`` and ``<kind>_cos`` of every kind, then the holidays' features, ``(n,)`` each.

    Raises:
        KeyError: another kind.
    """
    local = pd.DatetimeIndex(times).tz_convert(time_zone)
    features = {}
    for kind in kinds:
        angle = 2 * np.pi * np.asarray(_PHASES[kind](local), np.float64)
        features[f"{kind}_sin"], features[f"{kind}_cos"] = np.sin(angle), np.cos(angle)
    if holidays is not None:
        features |= holiday_features(local, holidays, time_zone)
    return features


def calendar_of(times: Any, data: DataConfig) -> dict[str, np.ndarray]:
    """The features of the settings that follow from the time of a row alone, ``(n,)`` each.

    Args:
        times: time of each row, with its time zone, ``(n,)``.
        data: the calendar, the holidays, and which features there are of them: of the row itself, or of
            a row some rows later.
    """
    columns, kinds = {*data.calendar_columns}, data.calendar_kinds
    later = {name: found for name, found in data.ahead_sources.items() if found[0] in columns}
    features: dict[str, np.ndarray] = {}
    if columns & {*data.features}:
        own = calendar_features(times, kinds, data.time_zone, data.holidays)
        features = {name: values for name, values in own.items() if name in data.features}
    for rows in sorted({rows for _, rows in later.values()}):
        offset = row_offset(str(data.frequency), data.closed_days)
        then = later_rows(times, rows, offset, data.time_zone)
        values = calendar_features(then, kinds, data.time_zone, data.holidays)
        features |= {name: values[column] for name, (column, n) in later.items() if n == rows}
    return features
