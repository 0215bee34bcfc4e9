"""Public holidays as features: the day itself, and the days before and after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.calendar import HOLIDAY_COLUMNS, Holidays

# Days before and after a holiday that count as near it.
_NEAR = 3


def holiday_features(
    times: Any, settings: Holidays, time_zone: str = "UTC"
) -> dict[str, np.ndarray]:
    """Whether each row's day is a public holiday, and how near the next and the last one are.

    Args:
        times: time stamps with their time zone, ``(n,)``: a Series or a DatetimeIndex.
        settings: country and subdivision.
        time_zone: IANA zone in which days begin.

    Returns:
        ``(n,)`` each. ``holiday`` is 1 on a holiday, else 0. ``before_holiday`` is 1 on the day before
        one, 2/3 two days before, 1/3 three days before, and else 0; ``after_holiday`` likewise.
    """
    local = pd.DatetimeIndex(times).tz_convert(time_zone)
    day = local.tz_localize(None).to_numpy().astype("datetime64[D]")
    if not len(day):
        return {name: np.zeros(0) for name in HOLIDAY_COLUMNS}
    holidays = _holidays(settings, day.min() - _NEAR, day.max() + _NEAR)
    found = {"holiday": np.isin(day, holidays).astype(np.float64)}
    for name, sign in (("before_holiday", 1), ("after_holiday", -1)):
        near = np.zeros(len(day))
        for distance in range(_NEAR, 0, -1):
            near[np.isin(day + sign * distance, holidays)] = 1 - (distance - 1) / _NEAR
        found[name] = near
    return found


def _holidays(settings: Holidays, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """The holidays from one day to another, ``datetime64[D]``, rising."""
    import holidays

    years = range(first.astype(object).year, last.astype(object).year + 1)
    of_country = holidays.country_holidays(
        settings.country, subdiv=settings.subdivision, years=years
    )
    return np.array(sorted(of_country), "datetime64[D]")
