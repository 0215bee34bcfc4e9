"""Columns of a source file of any format.

A format has an entry of ``READERS``, which reads a file column by column;
``fastlstm.config.file_formats`` lists the formats.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import FORMATS
from fastlstm.data.arrow_files import ArrowFiles, ParquetFiles
from fastlstm.data.csv_files import CsvFiles
from fastlstm.data.files import SourceFile
from fastlstm.data.joined_labels import joined_labels
from fastlstm.data.joined_times import joined_times
from fastlstm.data.record_files import ExcelFiles, JsonFiles
from fastlstm.errors import DataError


class Reader(Protocol):
    """Reads files of one format. All raise DataError for a file that cannot be read."""

    def names(self, file: Path, data: DataConfig) -> list[str]:
        """The columns of a file."""

    def rows(self, file: Path, data: DataConfig) -> int:
        """About how many rows a file has, found in little time."""

    def read(self, file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
        """Whole columns, in this order."""

    def blocks(
        self, file: Path, data: DataConfig, columns: list[str]
    ) -> Iterator[Iterator[pa.ChunkedArray]]:
        """The same of one block of rows after another."""


READERS: dict[str, Reader] = {
    "csv": CsvFiles(),
    "tsv": CsvFiles(),
    "parquet": ParquetFiles(),
    "excel": ExcelFiles(),
    "json": JsonFiles(),
    "arrow": ArrowFiles(),
}


def first_row(source: SourceFile, data: DataConfig) -> int:
    """Number of a file's first row in messages, as editors number lines."""
    lines = FORMATS[source.format].header_lines
    return 1 + lines + (data.skip_lines if lines else 0)


@dataclass(frozen=True)
class _Wanted:
    """Columns to read of a file.

    Attributes:
        columns: the time column, the series column where one is declared, and value columns.
        in_file: those that the file holds, in order; the parts of time and series in their place.
        of_folders: values of those that the names of its folders give.
        parts: columns of the file for each of ``columns`` that is joined of several, by its name.
    """

    columns: list[str]
    in_file: list[str]
    of_folders: dict[str, str | None]
    parts: dict[str, list[str]]

    def of_rows(self, read: Iterator[pa.ChunkedArray], file: Path) -> Iterator[pa.ChunkedArray]:
        """The columns of some rows from those that are in the file."""
        written = list(chain.from_iterable(self.parts.get(n, [n]) for n in self.columns))
        found = with_folder_names(read, written, self.of_folders)
        for number, name in enumerate(self.columns):
            of_name = self.parts.get(name)
            if of_name is None:
                yield next(found)
                continue
            columns = [next(found) for _ in of_name]
            if number == 0:
                yield joined_times(columns, f"{file}: time column {name!r}")
            else:
                yield joined_labels(columns, of_name, str(file))


def read_columns(
    source: SourceFile, data: DataConfig, values: list[str]
) -> Iterator[pa.ChunkedArray]:
    """The time column, the series column where one is declared, and value columns of a file.

    A column that the file lacks may come from the names of its folders; see ``SourceFile.partition``.

    Args:
        source: the file.
        data: the roles of the columns.
        values: names of the value columns.

    Raises:
        DataError: the file cannot be read, or a column is absent.
    """
    wanted = _wanted(source, data, values)
    columns = READERS[source.format].read(source.path, data, wanted.in_file)
    yield from wanted.of_rows(columns, source.path)


def read_blocks_of(
    source: SourceFile, data: DataConfig, values: list[str]
) -> Iterator[Iterator[pa.ChunkedArray]]:
    """The columns of one block of rows after another; see ``read_columns``.

    No more than some blocks of the file are in memory at a time.
    """
    wanted = _wanted(source, data, values)
    for block in READERS[source.format].blocks(source.path, data, wanted.in_file):
        yield wanted.of_rows(block, source.path)


def read_values(
    source: SourceFile, data: DataConfig, names: list[str]
) -> Iterator[pa.ChunkedArray]:
    """Columns of a file whose times, if it has any, are not asked for; see ``read_columns``.

    Args:
        source: the file.
        data: how it is written.
        names: at least one column.

    Raises:
        DataError: the file cannot be read, or a column is absent.
    """
    there = column_names_in(source, data)
    of_folders = {n: v for n, v in source.partition.items() if n in names and n not in there}
    _check_header(there, source, names, of_folders)
    in_file = [name for name in names if name not in of_folders]
    read = READERS[source.format].read(source.path, data, in_file)
    yield from with_folder_names(read, names, of_folders)


def _wanted(source: SourceFile, data: DataConfig, values: list[str]) -> _Wanted:
    """The columns to read.

    Raises:
        DataError: the file cannot be read, or a column is absent.
    """
    names = column_names_in(source, data)
    columns = [data.time, *([data.series] if data.series else []), *values]
    # A file may hold the joined times and labels already, as the one of a group of models does.
    joined = {data.time: data.time_columns, str(data.series): data.series_parts}
    parts = {name: of_name for name, of_name in joined.items() if of_name and name not in names}
    needed = list(chain.from_iterable(parts.get(name, [name]) for name in columns))
    of_folders = {n: v for n, v in source.partition.items() if n in needed and n not in names}
    _check_header(names, source, needed, of_folders)
    in_file = [name for name in needed if name not in of_folders]
    return _Wanted(columns, in_file, of_folders, parts)


def with_folder_names(
    columns: Iterator[pa.ChunkedArray], wanted: list[str], of_folders: dict[str, str | None]
) -> Iterator[pa.ChunkedArray]:
    """Columns of rows of a file, those that the names of its folders give among them.

    Args:
        columns: the others, in the order of ``wanted``.
        wanted: names of all columns.
        of_folders: the value of each column that folders give.
    """
    if not of_folders:
        yield from columns
        return
    first = next(columns)
    waiting: list[pa.ChunkedArray] = [first]
    for name in wanted:
        if name not in of_folders:
            yield waiting.pop() if waiting else next(columns)
            continue
        value = pa.scalar(of_folders[name], pa.string())
        yield pa.chunked_array([pa.repeat(value, len(first))])


def column_names(source: SourceFile, data: DataConfig) -> list[str]:
    """Every column of a file, and those that the names of its folders give.

    Raises:
        DataError: it cannot be read.
    """
    return list(dict.fromkeys([*column_names_in(source, data), *source.partition]))


def column_names_in(source: SourceFile, data: DataConfig) -> list[str]:
    """The columns that a file itself holds.

    Raises:
        DataError: it cannot be read.
    """
    return READERS[source.format].names(source.path, data)


def _check_header(
    names: list[str], source: SourceFile, wanted: list[str], of_folders: dict[str, str | None]
) -> None:
    """Refuse a header that repeats a name or lacks a column."""
    file = source.path
    repeated = sorted({n for n in wanted if names.count(n) > 1})
    if repeated:
        raise DataError(f"{file}: has two columns named {repeated[0]!r}; rename one")
    present = [*names, *of_folders]
    for name in wanted:
        if name not in present:
            near = difflib.get_close_matches(name, present, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(present)[:300]}"
            raise DataError(f"{file}: has no column {name!r}; {hint}")
    if len(of_folders) == len(wanted):
        raise DataError(f"{file}: all columns are names of folders; give at least one in the file")


def rows_in(source: SourceFile, data: DataConfig) -> int:
    """About how many rows a file has, found without reading it; 0 where it cannot be read."""
    try:
        return READERS[source.format].rows(source.path, data)
    except (pa.ArrowInvalid, OSError, DataError):
        return 0  # its reader says why
