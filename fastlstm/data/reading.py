"""Read a source into one table: columns and types as declared, times in UTC, sorted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.config.made_columns import made_columns
from fastlstm.data.arranged_rows import Arranged, arranged
from fastlstm.data.categories import names_or_numbers
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.column_types import as_names, as_numbers
from fastlstm.data.file_formats import (
    column_names,
    first_row,
    read_blocks_of,
    read_columns,
    rows_in,
)
from fastlstm.data.files import SourceFile, source_files
from fastlstm.data.joined_labels import joined_labels
from fastlstm.data.labels import as_labels
from fastlstm.data.memory import give_back
from fastlstm.data.own_columns import refuse_own_columns
from fastlstm.data.time_stamps import TimeRules, as_utc
from fastlstm.data.wide_tables import as_read, long_rows, series_columns
from fastlstm.errors import ConfigError, DataError

# Series and time of rows whose time a clock change repeats.
Repeated = set[tuple[str, pd.Timestamp]]

# What messages call rows in memory.
_GIVEN_ROWS = Path("the given rows")


@dataclass(frozen=True)
class LoadedTable:
    """Rows as read, sorted by series and time.

    Attributes:
        frame: columns ``__series`` (text), ``__time`` (UTC) and every value column (float64, of dtype
            'category' text; a missing value is NaN).
        rows_out_of_order: rows that came after a later row of their series in the source.
        skipped_series: series left out as shorter than one window, with their number of rows.
        skipped_files: files and subfolders of the source that are not read, with the reason.
        arranged: what was done to rows, see ``fastlstm.data.arranged_rows.arrangement_lines``.
    """

    frame: pd.DataFrame
    rows_out_of_order: int
    skipped_series: dict[str, int]
    skipped_files: Mapping[str, str] = field(default_factory=dict)
    arranged: Mapping[str, int] = field(default_factory=dict)


def load(
    data: DataConfig, window_rows: int = 1, *, require: list[str] | None = None,
    labels: bool = False,
) -> LoadedTable:  # fmt: skip
    """Read the source of the settings.

    Args:
        data: the source and the roles of its columns.
        window_rows: rows one window spans; a shorter series is refused or left out by
            ``data.short_series``.
        require: value columns to read, of rows to forecast from; without it all of
            ``data.value_columns``, and the source may hold no column that the settings make.
        labels: whether plain targets are labels; one of no declared type is then read as text unless
            all of it is 0 and 1.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    values = data.value_columns if require is None else require
    undeclared = data.undeclared_labels if labels else []
    data = data.with_dtypes(undeclared, "category")
    parts = []
    source = source_files(data.path, data.format)
    if require is None:
        _refuse_own_columns(source.files, data)
    own, repeated = data.own_columns(values), Repeated()
    for file in source.files:
        parts.append(_rows_of(file, data, own, repeated))
        give_back()
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    if frame.empty:
        raise DataError(f"{data.path}: holds no rows; give a table with rows")
    for name in undeclared:
        frame[name] = names_or_numbers(frame[name])
    loaded = sorted_without_short(frame, window_rows, data, values)
    refuse_short(loaded.skipped_series, loaded.frame.empty, data, window_rows)
    return replace(loaded, skipped_files=source.skipped)


def load_frame(rows: pd.DataFrame, data: DataConfig, values: list[str]) -> pd.DataFrame:
    """Rows in memory as ``load`` reads those of a file, in their order.

    Args:
        rows: with the columns of the settings under their names.
        data: the roles of the columns.
        values: value columns to take.

    Raises:
        ConfigError: the settings are of tables whose rows are no rows of one series.
        DataError: a column is absent, or a cell cannot be read as declared.
    """
    if data.layout == "wide" or data.time_columns:
        raise ConfigError(
            "rows in memory are rows of one series with one column of times, and the run's table has "
            "another layout; write the rows to a file and use 'fastlstm predict --input'"
        )
    values = data.own_columns(values)
    rows = _with_joined_series(rows, data)
    wanted = [data.time, *([data.series] if data.series else []), *values]
    absent = [name for name in wanted if name not in rows]
    if absent:
        raise DataError(
            f"{_GIVEN_ROWS}: have no column {absent[0]!r}, only {', '.join(map(str, rows.columns))}; "
            "give all columns that the run was trained with"
        )
    columns = (pa.chunked_array([pa.array(rows[name], from_pandas=True)]) for name in wanted)
    return _long(columns, _GIVEN_ROWS, data, values, _time_rules(_GIVEN_ROWS, data, 1, set()))


def _with_joined_series(rows: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """Rows in memory with the label that several columns make, where they have no such column."""
    parts = data.series_parts
    if not parts or data.series in rows or not {*parts} <= {*rows}:
        return rows
    columns = [pa.chunked_array([pa.array(rows[name], from_pandas=True)]) for name in parts]
    labels = joined_labels(columns, parts, str(_GIVEN_ROWS)).to_pandas()
    return rows.assign(**{str(data.series): labels.to_numpy()})


def sorted_without_short(
    frame: pd.DataFrame, window_rows: int, data: DataConfig, values: list[str],
    newest: pd.Timestamp | None = None,
) -> LoadedTable:  # fmt: skip
    """Rows in the order of the source as a loaded table, arranged, without series shorter than a window.

    Args:
        frame: whole series.
        window_rows: rows one window spans.
        data: how rows are arranged.
        values: value columns wanted, those of joined tables among them.
        newest: time of the newest row of the table, of which the rows may be one shard; see
            ``fastlstm.data.arranged_rows.newest_row``.

    Raises:
        ConfigError: a joined file is absent.
        DataError: a joined table cannot be read, or rows have no match in it.
    """
    previous = frame.groupby(SERIES, sort=False)[TIME].shift()
    out_of_order = int((frame[TIME] < previous).sum())
    if not is_sorted(frame):  # sorting takes the memory of a second table
        frame = frame.sort_values([SERIES, TIME], kind="stable", ignore_index=True)
    made: Arranged = arranged(frame, data, values, newest)
    frame = made.frame
    counts = frame[SERIES].value_counts(sort=False)
    short = {str(k): int(v) for k, v in counts[counts < window_rows].items()}
    if short:
        frame = frame[~frame[SERIES].isin(short)].reset_index(drop=True)
    return LoadedTable(frame, out_of_order, short, arranged=+made.counts)


def refuse_short(
    short: dict[str, int], nothing_left: bool, data: DataConfig, window_rows: int
) -> None:
    """Refuse series shorter than a window, unless they may be left out and others remain.

    Raises:
        ConfigError: names the first of them.
    """
    if short and (data.short_series == "error" or nothing_left):
        name, rows = next(iter(short.items()))
        which = f"series {name!r}" if data.series else "the table"
        raise ConfigError(
            f"hyperparameters.timesteps: {which} has {rows} rows, one window spans "
            f"{window_rows}; lower timesteps or steps_ahead, or set data.short_series to 'skip'"
        )


def rows_of_source(data: DataConfig) -> int:
    """Rows of a source, found without reading it; of CSV files an estimate.

    Raises:
        ConfigError: no file is found at the path.
    """
    files = source_files(data.path, data.format).files
    is_wide = data.layout == "wide"
    return sum(
        rows_in(file, data) * (len(series_columns(file, data)) if is_wide else 1) for file in files
    )


def load_blocks(data: DataConfig, values: list[str]) -> Iterator[pd.DataFrame]:
    """The rows of a source block by block, in its order, with the columns of a loaded table.

    Args:
        data: the source and the roles of its columns.
        values: value columns to read.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    files = source_files(data.path, data.format).files
    _refuse_own_columns(files, data)
    own, repeated = data.own_columns(values), Repeated()
    for file in files:
        yield from _blocks_of(file, data, own, repeated)


def _refuse_own_columns(files: Sequence[SourceFile], data: DataConfig) -> None:
    """Refuse files with a column that the settings make."""
    for file in files if made_columns(data) else ():
        refuse_own_columns(str(file.path), column_names(file, data), data)


def is_sorted(frame: pd.DataFrame) -> bool:
    """Whether the rows are sorted by series and time."""
    series, _ = pd.factorize(frame[SERIES], sort=True)
    times = frame[TIME].array.asi8
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (times[1:] >= times[:-1]))
    return bool(later.all())


def _rows_of(
    file: SourceFile, data: DataConfig, values: list[str], repeated: Repeated
) -> pd.DataFrame:
    """All rows of a file as a table with the library's names.

    Args:
        file: the file.
        data: what its columns mean.
        values: names of the value columns.
        repeated: see ``TimeRules``; shared by all files.
    """
    first = first_row(file, data)
    rules = _time_rules(file.path, data, first, repeated)
    if data.layout == "wide":
        series = series_columns(file, data)
        read = as_read(data, series)
        return _wide(read_columns(file, read, series), file, data, read, series, rules)
    return _long(read_columns(file, data, values), file.path, data, values, rules)


def _blocks_of(
    file: SourceFile, data: DataConfig, values: list[str], repeated: Repeated
) -> Iterator[pd.DataFrame]:
    """The same of one block of rows after another."""
    first, before = first_row(file, data), 0
    series = series_columns(file, data) if data.layout == "wide" else []
    read = as_read(data, series) if series else data
    for columns in read_blocks_of(file, read, series or values):
        rules = _time_rules(file.path, data, first + before, repeated)
        if series:
            block = _wide(columns, file, data, read, series, rules)
            before += len(block) // len(series)
        else:
            block = _long(columns, file.path, data, values, rules)
            before += len(block)
        yield block


def _time_rules(file: Path, data: DataConfig, first: int, repeated: Repeated) -> TimeRules:
    """How the times of a file are read.

    Args:
        file: the file, for messages.
        data: the settings.
        first: number of the first row in messages.
        repeated: see ``TimeRules``.
    """
    where = f"{file}: time column {data.time!r}"
    return TimeRules(
        where, first, data.time_format, data.time_zone, data.read_frequency, "data.",
        data.clock_changes == "in_order", repeated,
    )  # fmt: skip


def _wide(
    columns: Iterator[pa.ChunkedArray], file: SourceFile, data: DataConfig, read: DataConfig,
    series: list[str], rules: TimeRules,
) -> pd.DataFrame:  # fmt: skip
    """Rows of a wide table; see ``fastlstm.data.wide_tables``."""
    value = data.own_columns(data.value_columns)[0]
    return long_rows(columns, series, value, read, rules, file)


def _long(
    columns: Iterator[pa.ChunkedArray],
    file: Path,
    data: DataConfig,
    values: list[str],
    rules: TimeRules,
) -> pd.DataFrame:
    """Rows of a file, or of a block of it, as a table with the library's names.

    Args:
        columns: as a reader yields them.
        file: the file, for messages.
        data: what the columns mean.
        values: names of the value columns.
        rules: how times are read.
    """
    first, of_times = rules.first_row, next(columns)
    of_series = None if data.series is None else next(columns)
    # Only then do times depend on the series.
    series = _labels(of_series, file, data, first) if rules.in_order else None
    times = as_utc(of_times, rules, series)
    if of_series is None:
        series = pd.Series([""], dtype="str").repeat(len(times)).reset_index(drop=True)
    elif series is None:
        series = _labels(of_series, file, data, first)
    table: dict[str, Any] = {SERIES: series, TIME: times}
    for name in values:
        if data.rules(name).dtype == "category":
            table[name] = as_names(next(columns), name, file)
        else:
            table[name] = as_numbers(next(columns), name, file, data, first)
    return pd.DataFrame(table, copy=False)


def _labels(
    column: pa.ChunkedArray | None, file: Path, data: DataConfig, first: int
) -> pd.Series | None:
    """The label of each row's series; None for one series."""
    if column is None:
        return None
    return as_labels(column, f"{file}: series column {data.series!r}", first)
