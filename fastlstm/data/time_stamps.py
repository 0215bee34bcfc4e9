"""The time column of a source in UTC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.errors import DataError, first_line

_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"


def as_utc(column: pa.ChunkedArray, file: Path, data: DataConfig, first_row: int) -> pd.Series:
    """The time column in UTC, in microseconds.

    Args:
        column: the time column as read.
        file: its file, for messages.
        data: name, format and time zone of the column.
        first_row: number of the first row in messages.

    Raises:
        DataError: a cell is empty or holds no time; the first such row is named.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    values = column.to_pandas()
    where = f"{file}: time column {data.time!r}"
    if values.isna().any():
        row = int(np.flatnonzero(values.isna())[0])
        raise DataError(
            f"{where}, row {row + first_row}: is empty ({int(values.isna().sum())} such rows); give "
            "every row a time"
        )
    if pa.types.is_timestamp(kind):
        times = values
    elif pa.types.is_date(kind):
        times = pd.to_datetime(values)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        times = _parsed(values.str.strip(), where, data, first_row)
    else:
        raise DataError(f"{where} holds {kind}; give time stamps, or text with data.time_format")
    if times.dt.tz is None:
        times = _localized(times, where, data, first_row)
    try:
        utc: pd.Series = times.dt.tz_convert("UTC").dt.as_unit("us")
        return utc
    except (ValueError, OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise DataError(
            f"{where}: {first_line(error)}; use times that microseconds can represent"
        ) from None


def _parsed(text: pd.Series, where: str, data: DataConfig, first_row: int) -> pd.Series:
    """Times written as text, in ``data.time_format`` or ISO 8601.

    Raises:
        DataError: a cell holds no such time, or only some have an offset.
    """
    if data.time_format is None:
        has_offset = text.str.contains(_OFFSET, regex=True) & text.str.contains(":")
        without = pd.to_datetime(text[~has_offset], format="ISO8601", errors="coerce")
        if has_offset.any() and without.notna().any():
            row = int(np.flatnonzero(has_offset != has_offset.iloc[0])[0])
            raise DataError(
                f"{where}, row {row + first_row}: {text.iloc[row]!r} mixes times with and "
                "without an offset; write all the same way"
            )
        aware = bool(has_offset.any())
    else:
        aware = "%z" in data.time_format
    times = pd.to_datetime(text, format=data.time_format or "ISO8601", errors="coerce", utc=aware)
    wrong = np.flatnonzero(times.isna())
    if len(wrong):
        raise DataError(
            f"{where}, row {wrong[0] + first_row}: {text.iloc[wrong[0]]!r} is no "
            f"{data.time_format or 'ISO 8601'} time ({len(wrong)} such rows); correct the file or "
            "set data.time_format"
        )
    return times


def _localized(times: pd.Series, where: str, data: DataConfig, first_row: int) -> pd.Series:
    """Times without an offset as times of ``data.time_zone``.

    Raises:
        DataError: a clock change makes a time ambiguous or skips it.
    """
    localized: pd.Series = times.dt.tz_localize(data.time_zone, ambiguous="NaT", nonexistent="NaT")
    wrong = np.flatnonzero(localized.isna())
    if len(wrong):
        raise DataError(
            f"{where}, row {wrong[0] + first_row}: {times.iloc[wrong[0]]} happens twice or never in "
            f"{data.time_zone} (clock change; {len(wrong)} such rows); store times in UTC or with "
            "their offset"
        )
    return localized
