"""Readers of the source formats, each column by column.

The reader of a format is the function ``read_<name>``; ``fastlstm.config.file_formats`` lists the
formats. A reader takes a file, the settings and the names of the value columns, and yields the time
column, the series column where one is declared, and every value column, in this order.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.data.column_types import ARROW_TYPES, NULLS, as_numbers
from fastlstm.errors import DataError, first_line

Reader = Callable[[Path, DataConfig, list[str]], Iterator[pa.ChunkedArray]]


def reader_of(name: str) -> Reader:
    """The reader of a format."""
    reader: Reader = globals()[f"read_{name}"]
    return reader


def _check_header(names: list[str], file: Path, data: DataConfig, values: list[str]) -> None:
    """Refuse a header that repeats a name or lacks a column."""
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise DataError(f"{file}: has two columns named {repeated[0]!r}; rename one")
    for name in _columns_to_read(data, values):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)[:300]}"
            raise DataError(f"{file}: has no column {name!r}; {hint}")


def _columns_to_read(data: DataConfig, values: list[str]) -> list[str]:
    return [data.time, *([data.series] if data.series else []), *values]


def read_csv(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a CSV file; each is freed when the next one is taken."""
    table = _parse_csv(file, data, values)
    columns = [table.column(name) for name in _columns_to_read(data, values)]
    del table
    while columns:
        yield columns.pop(0)


def _parse_csv(file: Path, data: DataConfig, values: list[str]) -> pa.Table:
    """The whole file, values as the types they are declared as.

    Raises:
        DataError: the file, its header or a cell cannot be read; a cell is named by its row.
    """
    parse = pa.csv.ParseOptions(delimiter=data.delimiter, newlines_in_values=True)
    names = _csv_header(file, parse)
    if len(names) == 1 and len(_columns_to_read(data, values)) > 1:
        raise DataError(
            f"{file}: has one column only, {names[0][:60]!r}, with delimiter "
            f"{data.delimiter!r}; set data.delimiter"
        )
    _check_header(names, file, data, values)
    types = {name: ARROW_TYPES[data.rules(name).dtype] for name in values}
    types |= dict.fromkeys(_columns_to_read(data, []), pa.string())
    try:
        return pa.csv.read_csv(file, parse_options=parse, convert_options=_conversion(types))
    except pa.ArrowInvalid as error:
        _raise_at_first_wrong_cell(file, data, values, parse)
        raise DataError(f"{file}: cannot be read as CSV ({first_line(error)})") from None


def _csv_header(file: Path, parse: pa.csv.ParseOptions) -> list[str]:
    try:
        with pa.csv.open_csv(file, parse_options=parse) as reader:
            names: list[str] = reader.schema.names
            return names
    except pa.ArrowInvalid as error:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: is empty; give a file with a header and rows") from None
        raise DataError(f"{file}: cannot be read as CSV ({first_line(error)})") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None


def _conversion(types: dict[str, pa.DataType]) -> pa.csv.ConvertOptions:
    """Options that read these columns alone, as these types."""
    return pa.csv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=NULLS, strings_can_be_null=True
    )


def _raise_at_first_wrong_cell(
    file: Path, data: DataConfig, values: list[str], parse: pa.csv.ParseOptions
) -> None:
    """Read a file again as text, block by block, up to the first cell that is not as declared.

    Raises:
        DataError: there is such a cell.
    """
    columns = [*values, *_columns_to_read(data, [])]
    as_text = _conversion(dict.fromkeys(columns, pa.string()))
    first_row = 2
    try:
        with pa.csv.open_csv(file, parse_options=parse, convert_options=as_text) as reader:
            for block in reader:
                for name in values:
                    column = pa.chunked_array([block.column(name)])
                    as_numbers(column, name, file, data, first_row)
                first_row += len(block)
    except pa.ArrowInvalid:
        pass  # the file is no CSV at all, which the caller reports


def read_parquet(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a Parquet file; each is read when it is taken."""
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None
    _check_header(names, file, data, values)
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            for name in _columns_to_read(data, values):
                yield parquet.read([name]).column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None
