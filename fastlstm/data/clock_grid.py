"""Multiples of a length of a clock, counted from local midnight in standard time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, Day

_DAY = 86_400_000_000  # microseconds


def clock_length(length: str | BaseOffset) -> int:
    """A length of a clock, or of days, in microseconds."""
    offset = to_offset(length)
    if isinstance(offset, Day):
        return int(offset.n * _DAY)
    return int(offset.nanos) // 1_000


def begins(times: np.ndarray, length: str | BaseOffset, time_zone: str) -> np.ndarray:
    """The begin of the interval of this length that holds each time, ``(n,)``.

    Args:
        times: microseconds since 1970 (UTC), ``(n,)``.
        length: a length of a clock.
        time_zone: IANA zone in whose standard time a day begins.
    """
    step = clock_length(length)
    found: np.ndarray = times - (times + _standard_offset(time_zone)) % step
    return found


def rounded(times: np.ndarray, length: str | BaseOffset, time_zone: str) -> np.ndarray:
    """The nearest multiple of a length to each time, the later of two; arguments as for ``begins``."""
    step = clock_length(length)
    return begins(times + step // 2, length, time_zone)


def _standard_offset(time_zone: str) -> int:
    """How far a zone's clocks are before UTC without summer time, microseconds."""
    of_months = pd.date_range("2023-01-15", periods=12, freq="30D", tz=time_zone)
    walls = of_months.tz_localize(None) - of_months.tz_convert(None)
    return int(walls.min() // pd.Timedelta("1us"))
