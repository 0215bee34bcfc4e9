"""The time column of a source in UTC, or the first row that holds no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.errors import DataError, first_line

_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"


def as_utc(column: pa.ChunkedArray, file: Path, data: DataConfig, first_row: int) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    raw = column.to_pandas()
    where = f"{file}: time column {data.time!r}"
    if raw.isna().any():
        row = int(np.flatnonzero(raw.isna())[0])
        raise DataError(
            f"{where}, row {row + first_row}: is empty ({int(raw.isna().sum())} such rows); give "
            "every row a time"
        )
    if pa.types.is_timestamp(kind):
        times = raw
    elif pa.types.is_date(kind):
        times = pd.to_datetime(raw)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = raw.str.strip()
        if data.time_format is None:
            offsets = text.str.contains(_OFFSET, regex=True) & text.str.contains(":")
            bare = pd.to_datetime(text[~offsets], format="ISO8601", errors="coerce")
            if offsets.any() and bare.notna().any():
                row = int(np.flatnonzero(offsets != offsets.iloc[0])[0])
                raise DataError(
                    f"{where}, row {row + first_row}: {text.iloc[row]!r} mixes times with and "
                    "without an offset; write all the same way"
                )
            aware = bool(offsets.any())
        else:
            aware = "%z" in data.time_format
        times = pd.to_datetime(
            text, format=data.time_format or "ISO8601", errors="coerce", utc=aware
        )
        bad = np.flatnonzero(times.isna())
        if len(bad):
            raise DataError(
                f"{where}, row {bad[0] + first_row}: {text.iloc[bad[0]]!r} is no "
                f"{data.time_format or 'ISO 8601'} time ({len(bad)} such rows); correct the file or "
                "set data.time_format"
            )
    else:
        raise DataError(f"{where} holds {kind}; give time stamps, or text with data.time_format")
    if times.dt.tz is None:
        local = times
        times = times.dt.tz_localize(data.time_zone, ambiguous="NaT", nonexistent="NaT")
        bad = np.flatnonzero(times.isna())
        if len(bad):
            raise DataError(
                f"{where}, row {bad[0] + first_row}: {local.iloc[bad[0]]} happens twice or never in "
                f"{data.time_zone} (clock change; {len(bad)} such rows); store times in UTC or with "
                "their offset"
            )
    try:
        utc: pd.Series = times.dt.tz_convert("UTC").dt.as_unit("us")
        return utc
    except (ValueError, OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise DataError(f"{where}: {first_line(error)}; use times of microseconds") from None
