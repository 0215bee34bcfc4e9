"""Wide tables: one column a series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.column_types import as_names, as_numbers
from fastlstm.data.file_formats import column_names
from fastlstm.data.files import SourceFile
from fastlstm.data.time_stamps import TimeRules, as_utc
from fastlstm.errors import DataError


def series_columns(source: SourceFile, data: DataConfig) -> list[str]:
    """The columns of a file that are series.

    Raises:
        DataError: it cannot be read, or has none.
    """
    times = {data.time, *data.time_columns}
    names = data.wide_columns or [n for n in column_names(source, data) if n not in times]
    if not names:
        raise DataError(f"{source.path}: has no column beside the time; layout 'wide' needs series")
    return names


def as_read(data: DataConfig, series: list[str]) -> DataConfig:
    """The settings by which the columns of a wide table are read.

    Args:
        data: the settings.
        series: columns that are series.
    """
    value = data.own_columns(data.value_columns)[0]
    rules = dict.fromkeys(series, data.rules(value))
    return data.model_copy(update={"series": None, "series_parts": [], "columns": rules})


def long_rows(
    columns: Iterator[pa.ChunkedArray], series: list[str], value: str, data: DataConfig,
    times: TimeRules, source: SourceFile,
) -> pd.DataFrame:  # fmt: skip
    """The rows of a wide table one series after another, with the columns of a loaded table.

    Args:
        columns: the times, then those of the series.
        series: names of the latter.
        value: name of the quantity.
        data: see ``as_read``.
        times: how times are read.
        source: the file, for messages.
    """
    of_rows = as_utc(next(columns), times)
    cells = []
    for name in series:
        column = next(columns)
        if data.rules(name).dtype == "category":
            cells.append(as_names(column, name, source.path))
        else:
            numbers = as_numbers(column, name, source.path, data, times.first_row)
            cells.append(pd.Series(numbers))
    return pd.DataFrame({
        SERIES: pd.Series(np.repeat(np.array(series, object), len(of_rows))).astype("str"),
        TIME: pd.concat([of_rows] * len(series), ignore_index=True),
        value: pd.concat(cells, ignore_index=True),
    })  # fmt: skip


def without_empty_ends(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """Rows from the first to the last value of each series.

    Args:
        frame: sorted by series and time.
        value: name of the quantity.
    """
    known = frame[value].notna()
    by_series = frame[SERIES]
    began = known.groupby(by_series, sort=False).cummax()
    goes_on = known[::-1].groupby(by_series[::-1], sort=False).cummax()[::-1]
    return frame[began & goes_on].reset_index(drop=True)
