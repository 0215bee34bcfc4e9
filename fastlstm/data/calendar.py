"""Calendar features: hour, weekday and month in cyclical encoding.

The sine and cosine of a period's phase put its end next to its beginning (e.g. Petneházi 2019,
"Recurrent Neural Networks for Time Series Forecasting", section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd


def calendar_features(
    times: Any, kinds: Iterable[str], time_zone: str = "UTC"
) -> dict[str, np.ndarray]:
    """Cyclical encodings of parts of the time.

    Args:
        times: time stamps with their time zone, ``(n,)``: a Series or a DatetimeIndex.
        kinds: of 'hour' (with its minutes, over 24 hours), 'weekday' (Monday first, over 7 days) and
            'month' (over 12).
        time_zone: IANA zone of the clock and calendar.

    Returns:
        ``<kind>_sin`` and ``<kind>_cos`` of every kind, ``(n,)``.

    Raises:
        KeyError: another kind.
    """
    local = pd.DatetimeIndex(times).tz_convert(time_zone)
    features = {}
    for kind in kinds:
        phase = {
            "hour": lambda: (local.hour + local.minute / 60) / 24,
            "weekday": lambda: local.day_of_week / 7,
            "month": lambda: (local.month - 1) / 12,
        }[kind]()
        angle = 2 * np.pi * np.asarray(phase, np.float64)
        features[f"{kind}_sin"], features[f"{kind}_cos"] = np.sin(angle), np.cos(angle)
    return features
