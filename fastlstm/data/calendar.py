"""Features from the clock and the calendar: the hour, weekday and month as points on a circle.

A sine and a cosine each, so that the end of a period lies beside its beginning (e.g. Petnehazi 2019,
"Recurrent Neural Networks for Time Series Forecasting", section 4.2). They are known for every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd


def calendar_features(
    times: Any, kinds: Iterable[str], time_zone: str = "UTC"
) -> dict[str, np.ndarray]:
    """Sine and cosine of parts of the time, ``<kind>_sin`` and ``<kind>_cos`` each, ``(n,)``.

    Args:
        times: time stamps with their time zone, ``(n,)``: a Series or a DatetimeIndex.
        kinds: of 'hour' (with its minutes, over 24 hours), 'weekday' (Monday first, over 7 days) and
            'month' (over 12).
        time_zone: IANA zone whose clock and calendar count.

    Raises:
        KeyError: another kind.
    """
    local = pd.DatetimeIndex(times).tz_convert(time_zone)
    found = {}
    for kind in kinds:
        share = {
            "hour": lambda: (local.hour + local.minute / 60) / 24,
            "weekday": lambda: local.day_of_week / 7,
            "month": lambda: (local.month - 1) / 12,
        }[kind]()
        angle = 2 * np.pi * np.asarray(share, np.float64)
        found[f"{kind}_sin"], found[f"{kind}_cos"] = np.sin(angle), np.cos(angle)
    return found
