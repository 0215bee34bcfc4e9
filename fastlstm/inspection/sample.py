"""The first rows of a source as text, and the dialect of a CSV file."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fastlstm.config.file_formats import COMPRESSIONS
from fastlstm.data.column_types import NULLS
from fastlstm.data.files import SourceFile
from fastlstm.errors import DataError, first_line

# Characters of the names of columns in a message.
_LISTED = 300

# Rows that are looked at, and the bytes at the beginning of a file by which its dialect is found.
_ROWS, _BYTES = 200_000, 1 << 18

_DELIMITERS = ",;\t|"
# What stands for a missing value in files of many origins.
_MISSING = re.compile(r"[-–—?.*#]+|nil|missing|unknown|n\.?a\.?|\(null\)|#N/A", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+([.,\s\u00a0\u202f'_]\d+)*|[.,]\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file writes its cells; see the settings of the same names.

    Attributes:
        delimiter: between cells.
        encoding: of the file.
        decimal: decimal mark.
        thousands: mark between groups of digits, or None.
        na_values: cells that stand for a missing value.
        doubts: what is not certain.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    na_values: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Rows of a source.

    Attributes:
        frame: numbers, booleans and times as such; everything else as text, missing where empty.
        dialect: of a CSV file.
        whole: whether it is all rows of the file.
        whole_numbers: columns whose numbers have no decimals.
        leading_zeros: columns whose cells are digits that begin with a zero, which are names.
    """

    frame: pd.DataFrame
    dialect: Dialect = field(default_factory=Dialect)
    whole: bool = True
    whole_numbers: tuple[str, ...] = ()
    leading_zeros: tuple[str, ...] = ()


def listed(names: Iterable[object]) -> str:
    """Names of columns for a message, the first ones of very many."""
    return ", ".join(map(str, names))[:_LISTED]


def require_column(frame: pd.DataFrame, option: str, name: str) -> None:
    """Refuse a name that no column has.

    Args:
        frame: the rows.
        option: what the name was given by, such as '--time'.
        name: the name.

    Raises:
        DataError: names the columns that there are.
    """
    if name not in frame:
        raise DataError(f"{option}: no column is named {name!r}; columns: {listed(frame)}")


def read_sample(file: SourceFile) -> Sample:
    """The first rows of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _parquet(file.path) if file.format == "parquet" else _csv(file.path)
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file.path}: cannot be read ({first_line(error)})") from None


def _parquet(file: Path) -> Sample:
    with pq.ParquetFile(file) as parquet:
        rows = parquet.metadata.num_rows
        batch = next(parquet.iter_batches(_ROWS), None)
    frame = pd.DataFrame() if batch is None else pa.Table.from_batches([batch]).to_pandas()
    kinds = {} if batch is None else {f.name: f.type for f in batch.schema}
    whole = tuple(name for name, kind in kinds.items() if pa.types.is_integer(kind))
    return Sample(frame, whole=rows <= len(frame), whole_numbers=whole)


def _csv(file: Path) -> Sample:
    head, is_all = _head(file)
    encoding, doubts = _encoding(head)
    text = _decoded(head, encoding)
    delimiter = _delimiter(text)
    opened: Any = file
    if codec := COMPRESSIONS.get(file.suffix.lower()):
        opened = pa.input_stream(str(file), compression=codec)
    parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    header = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{file}: has two columns named {twice[0]!r}; rename one")
    types = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
    )
    reading = pa.csv.ReadOptions(encoding=encoding, block_size=32 << 20)
    batches, count, complete = [], 0, True
    with pa.csv.open_csv(
        opened, read_options=reading, parse_options=parse, convert_options=types
    ) as reader:
        for batch in reader:
            batches.append(batch)
            count += len(batch)
            if count > _ROWS:
                complete = False
                break
    frame = pa.Table.from_batches(batches, reader.schema).slice(0, _ROWS).to_pandas()
    frame = frame.apply(lambda column: column.str.strip())
    return _typed(frame, Dialect(delimiter, encoding, doubts=doubts), complete or is_all)


def _head(file: Path) -> tuple[bytes, bool]:
    """The first bytes of a file, decompressed, and whether these are all."""
    codec = COMPRESSIONS.get(file.suffix.lower())
    with pa.input_stream(str(file), compression=codec) as stream:
        head = stream.read(_BYTES)
        return head, len(head) < _BYTES


def _encoding(head: bytes) -> tuple[str, tuple[str, ...]]:
    """The encoding of a text, and the doubt where another one may be meant."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return name, ()
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return "cp1252", ("encoding: the file is not UTF-8; cp1252 (western Windows) is assumed",)
    return "utf-8", ()


def _decoded(head: bytes, encoding: str) -> str:
    """Whole lines at the beginning, as text."""
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    return text if "\n" not in text else text[: text.rfind("\n") + 1]


def _delimiter(text: str) -> str:
    """The delimiter by which the first lines have the same number of cells, the most of them."""
    lines = text.splitlines()[:200]
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if counts and counts[0] > 1:
            alike = sum(count == counts[0] for count in counts) / len(counts)
            if alike > 0.95 and counts[0] > most:
                best, most = delimiter, counts[0]
    return best


def _typed(frame: pd.DataFrame, dialect: Dialect, whole: bool) -> Sample:
    """Cells of text as numbers and booleans where a whole column is such; finds the marks of numbers."""
    names = [str(name) for name in frame]
    cells = {name: frame[name][frame[name].ne("")] for name in names}
    missing = sorted({
        cell for column in cells.values()
        if _is_numeric(column)
        for cell in column[column.str.fullmatch(_MISSING)].unique()
    } - {*NULLS})  # fmt: skip
    absent = {*NULLS, *missing}
    numeric = {
        name: column[~column.isin(absent)] for name, column in cells.items() if _is_numeric(column)
    }
    decimal, thousands, doubts = _marks(numeric, dialect.delimiter)
    typed, whole_numbers, zeros = {}, [], []
    for name in names:
        column = frame[name]
        typed[name] = column.where(~column.isin(absent) if name in numeric else column.ne(""))
        if name not in numeric:
            lower = cells[name].str.lower()
            if len(lower) and lower.isin(["true", "false"]).all():
                typed[name] = typed[name].str.lower().map({"true": True, "false": False})
            continue
        if numeric[name].str.fullmatch(r"0\d+").any():
            zeros.append(name)
            continue
        text = typed[name]
        if thousands:
            text = text.str.replace(r"[\s\u00a0\u202f]" if thousands == " " else thousands, "",
                                    regex=thousands == " ")  # fmt: skip
        numbers = pd.to_numeric(text.str.replace(decimal, ".", regex=False), errors="coerce")
        if numbers.notna().sum() == typed[name].notna().sum():
            typed[name] = numbers
            if not numeric[name].str.contains(decimal, regex=False).any():
                whole_numbers.append(name)
    found = Dialect(
        dialect.delimiter, dialect.encoding, decimal, thousands, tuple(missing),
        (*dialect.doubts, *doubts),
    )  # fmt: skip
    return Sample(pd.DataFrame(typed), found, whole, tuple(whole_numbers), tuple(zeros))


def _is_numeric(cells: pd.Series) -> bool:
    """Whether most cells of a column look like numbers."""
    known = cells[~cells.isin(NULLS)].head(5_000)
    return bool(len(known)) and bool(known.str.fullmatch(_NUMBER).mean() > 0.6)


def _marks(
    numeric: dict[str, pd.Series], delimiter: str
) -> tuple[str, str | None, tuple[str, ...]]:
    """Decimal mark, thousands mark, and the doubt where both readings are possible."""
    if not numeric:
        return ".", None, ()
    cells = pd.concat(list(numeric.values()))
    some = cells[cells.str.contains(r"[.,\s\u00a0\u202f']", regex=True)]
    if some.empty:
        return ".", None, ()

    def any_of(pattern: str) -> bool:
        return bool(some.str.fullmatch(pattern).any())

    spaces = any_of(r"[+-]?\d{1,3}([\s\u00a0\u202f]\d{3})+([.,]\d+)?")
    if any_of(r"[+-]?\d{1,3}(\.\d{3})+,\d+") or any_of(r"[+-]?\d{1,3}(\.\d{3}){2,}"):
        return ",", ".", ()
    if any_of(r"[+-]?\d{1,3}(,\d{3})+\.\d+") or any_of(r"[+-]?\d{1,3}(,\d{3}){2,}"):
        return ".", ",", ()
    if any_of(r"[+-]?\d{1,3}('\d{3})+(\.\d+)?"):
        return ".", "'", ()
    # '1,5' and '0,123' can only be decimals; '1,234' may be either.
    comma = some[some.str.contains(",", regex=False)]
    if len(comma) and not comma.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}").all():
        return ",", " " if spaces else None, ()
    if len(comma):
        example = comma.iloc[0]
        doubt = (
            f"decimal: is {example!r} {example.replace(',', '')} or {example.replace(',', '.')}?"
        )
        if delimiter == ";":
            return ",", None, (f"{doubt} Decimals are assumed, as ';' parts the columns",)
        return ".", ",", (f"{doubt} Thousands are assumed",)
    dots = some[some.str.contains(".", regex=False)]
    if len(dots) and len(dots) == len(cells) > 1 and delimiter == ";":
        grouped = dots.str.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}").all()
        if grouped:
            example = dots.iloc[0]
            whole = example.replace(".", "")
            return ".", None, (
                f"decimal: is {example!r} {example} or {whole}? A decimal point is assumed; set "
                "decimal to ',' and thousands to '.' if not",
            )  # fmt: skip
    return ".", " " if spaces else None, ()
