"""Readers of Excel and JSON files, whose cells have types of their own.

See ``fastlstm.data.file_formats``. A column whose cells are of several kinds is read as text.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.data.csv_files import opened_text
from fastlstm.data.unfolding import check_archive
from fastlstm.errors import ConfigError, DataError, first_line

# Records of a block of a JSON file, and bytes by which their number is estimated.
_BLOCK_ROWS, _SAMPLED_BYTES = 1 << 16, 1 << 20


def as_column(cells: list[Any], where: str) -> pa.ChunkedArray:
    """Cells of Python's types as a column of one type.

    Args:
        cells: text, numbers, booleans, times or None, ``(n,)``.
        where: file and column, for messages.

    Raises:
        DataError: a cell is of another type.
    """
    kinds = {type(cell) for cell in cells if cell is not None}
    for kind in kinds:
        if not issubclass(
            kind, str | int | float | datetime.date | datetime.time | datetime.timedelta
        ):
            raise DataError(f"{where} holds {kind.__name__} values; give one value in each cell")
    if kinds == {int, float}:
        cells = [None if cell is None else float(cell) for cell in cells]
    elif len(kinds) > 1 or kinds & {datetime.time, datetime.timedelta}:
        cells = [None if cell is None else _as_text(cell) for cell in cells]
    try:
        return pa.chunked_array([pa.array(cells)])
    except (pa.ArrowInvalid, OverflowError) as error:
        raise DataError(f"{where} cannot be read ({first_line(error)})") from None


def _as_text(cell: Any) -> str:
    """A cell as a CSV file would have it."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time()
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    return str(cell)


class ExcelFiles:
    """Sheets of Excel files."""

    @staticmethod
    def _book(file: Path) -> Any:
        """A file, to be closed.

        Raises:
            ConfigError: openpyxl is not installed.
            DataError: the file cannot be read.
        """
        try:
            import openpyxl
        except ImportError:
            raise ConfigError(
                f"{file}: Excel files need openpyxl; run \"pip install 'fastlstm[excel]'\""
            ) from None
        try:
            check_archive(file)
            return openpyxl.load_workbook(file, read_only=True, data_only=True)
        except DataError:
            raise
        except Exception as error:  # zipfile's, openpyxl's and those of XML differ
            raise DataError(f"{file}: cannot be read as Excel ({first_line(error)})") from None

    @classmethod
    def sheets(cls, file: Path) -> list[str]:
        """Names of the sheets of a file, in order; errors as of its other readers."""
        book = cls._book(file)
        names: list[str] = book.sheetnames
        book.close()
        return names

    @classmethod
    def _rows(cls, file: Path, data: DataConfig) -> Iterator[tuple[Any, ...]]:
        """One row after another, the header first.

        Raises:
            ConfigError: openpyxl is not installed, or there is no such sheet.
            DataError: the file cannot be read.
        """
        book = cls._book(file)
        try:
            name = data.sheet or book.sheetnames[0]
            if name not in book.sheetnames:
                raise ConfigError(
                    f"data.sheet: {file} has no sheet {name!r}; it has {', '.join(book.sheetnames)}"
                )
            rows = book[name].iter_rows(min_row=1 + data.skip_lines, values_only=True)
            yield from (row for row in rows if any(cell not in (None, "") for cell in row))
        finally:
            book.close()

    @classmethod
    def names(cls, file: Path, data: DataConfig) -> list[str]:
        """The columns of a sheet.

        Raises:
            DataError: it is empty.
        """
        header = next(cls._rows(file, data), None)
        if header is None:
            raise DataError(f"{file}: the sheet is empty; set data.sheet to the one with the rows")
        return _header(header)

    @classmethod
    def rows(cls, file: Path, data: DataConfig) -> int:
        """How many rows a sheet has."""
        return sum(1 for _ in cls._rows(file, data)) - 1

    @classmethod
    def read(cls, file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
        """The columns of a sheet."""
        rows = cls._rows(file, data)
        names = _header(next(rows))
        wanted = [names.index(name) for name in columns]
        cells = [[row[number] for number in wanted] for row in rows]
        for number, name in enumerate(columns):
            where = f"{file}: column {name!r}"
            yield as_column([None if row[number] == "" else row[number] for row in cells], where)

    @classmethod
    def blocks(
        cls, file: Path, data: DataConfig, columns: list[str]
    ) -> Iterator[Iterator[pa.ChunkedArray]]:
        """The columns of a sheet, which has a million rows at most, in one block."""
        yield cls.read(file, data, columns)


def _header(cells: Iterable[Any]) -> list[str]:
    """Names of columns; those without one are named by their number, from 1."""
    named = [str(c).strip() if c is not None else "" for c in cells]
    while named and not named[-1]:
        named.pop()
    return [name or f"column {number}" for number, name in enumerate(named, 1)]


class JsonFiles:
    """Files with one JSON record a line, or one array of records."""

    @staticmethod
    def _records(file: Path, data: DataConfig) -> Iterator[dict[str, Any]]:
        """One record after another.

        Raises:
            DataError: a line is no record.
        """
        with opened_text(file) as text:
            first = _first_byte(text)
            if first == b"[":
                lines: Iterable[Any] = json.loads(first + text.read())
            else:
                lines = (line for line in _lines(first, text) if line.strip())
            for number, line in enumerate(lines, 1):
                record = json.loads(line) if isinstance(line, bytes) else line
                if not isinstance(record, dict):
                    raise DataError(
                        f"{file}: record {number} is {str(record)[:60]!r}; give one object with the "
                        'columns a line, such as {"day": "2024-01-31", "sold": 3}'
                    )
                yield record

    @classmethod
    def _checked(cls, file: Path, data: DataConfig) -> Iterator[dict[str, Any]]:
        """The records; what is no JSON is refused."""
        try:
            yield from cls._records(file, data)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{file}: cannot be read as JSON ({first_line(error)})") from None

    @classmethod
    def names(cls, file: Path, data: DataConfig) -> list[str]:
        """The columns of the first records; later ones may lack some.

        Raises:
            DataError: there is no record.
        """
        names = [name for record in islice(cls._checked(file, data), 1000) for name in record]
        if not names:
            raise DataError(f"{file}: holds no record; give one JSON object a line")
        return list(dict.fromkeys(names))

    @staticmethod
    def rows(file: Path, data: DataConfig) -> int:
        """About how many records a file has, by its size and its first bytes."""
        with opened_text(file) as text:
            sample = text.read(_SAMPLED_BYTES)
        per_byte = max(sample.count(b"{"), 1) / max(1, len(sample))
        return int(per_byte * max(file.stat().st_size, len(sample)))

    @classmethod
    def read(cls, file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
        """The columns of a file."""
        records = [[r.get(name) for name in columns] for r in cls._checked(file, data)]
        for number, name in enumerate(columns):
            yield as_column([row[number] for row in records], f"{file}: column {name!r}")

    @classmethod
    def blocks(
        cls, file: Path, data: DataConfig, columns: list[str]
    ) -> Iterator[Iterator[pa.ChunkedArray]]:
        """The columns of one block of records after another."""
        records = cls._checked(file, data)
        while block := list(islice(records, _BLOCK_ROWS)):
            yield iter([
                as_column([record.get(name) for record in block], f"{file}: column {name!r}")
                for name in columns
            ])  # fmt: skip


def _first_byte(text: Any) -> bytes:
    """The first byte that is no blank and no mark of UTF-8."""
    while byte := text.read(1):
        if byte not in b" \t\r\n\xef\xbb\xbf":
            return bytes(byte)
    return b""


def _lines(first: bytes, text: Any) -> Iterator[bytes]:
    """Lines of a file whose first byte has been read."""
    rest = first
    while part := text.read(1 << 20):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
    yield rest
