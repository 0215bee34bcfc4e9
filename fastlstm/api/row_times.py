"""Times of rows in memory, read by the rules of a source's times."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from fastlstm.api.containers import arrow_column
from fastlstm.data.time_stamps import TimeRules, as_utc


def zone_of(times: pa.ChunkedArray) -> str:
    """IANA zone of a column of times, of a fixed offset in hours that of its name; else UTC."""
    zone = getattr(times.type, "tz", None) or "UTC"
    offset = re.fullmatch(r"([+-])(\d{2}):00", zone)
    if offset is not None and int(offset[2]):
        # The names of these zones have the sign of what is added to reach UTC.
        zone = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
    try:
        return ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):  # an offset with minutes
        return "UTC"


def utc_times(
    times: Any, argument: str, time_format: str | None, time_zone: str, frequency: str | None
) -> pd.Series:
    """Times that a user holds, in UTC, ``(n,)``.

    Args:
        times: time stamps, dates, text, or numbers with a format, ``(n,)``.
        argument: name of the argument, for messages.
        time_format: see ``fastlstm.config.data.DataConfig``.
        time_zone: IANA zone of times without one.
        frequency: distance between rows as a pandas offset, or None.

    Raises:
        DataError: they cannot be read as declared.
    """
    column = times if isinstance(times, pa.ChunkedArray) else arrow_column(times, argument)
    return as_utc(column, TimeRules(argument, 0, time_format, time_zone, frequency))
