"""The formats a source may have: CSV and Parquet, each read column by column."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.data.column_types import ARROW_TYPES, NULLS, as_numbers
from fastlstm.errors import DataError, first_line


def _check_header(names: list[str], file: Path, data: DataConfig, values: list[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"{file}: has two columns named {twice[0]!r}; rename one")
    for name in _wanted(data, values):
        if name in names:
            continue
        if len(names) == 1 and file.suffix != ".parquet":
            raise DataError(
                f"{file}: has one column only, {names[0][:60]!r}, with delimiter "
                f"{data.delimiter!r}; set data.delimiter"
            )
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)[:300]}"
        raise DataError(f"{file}: has no column {name!r}; {hint}")


def _wanted(data: DataConfig, values: list[str]) -> list[str]:
    return [data.time, *([data.series] if data.series else []), *values]


def read_csv(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
    """Time, series and values; each column is let go when the next one's turn comes."""
    table = _parse_csv(file, data, values)
    columns = [table.column(name) for name in _wanted(data, values)]
    del table
    while columns:
        yield columns.pop(0)


def _parse_csv(file: Path, data: DataConfig, values: list[str]) -> pa.Table:
    parse = pa.csv.ParseOptions(delimiter=data.delimiter, newlines_in_values=True)
    try:
        with pa.csv.open_csv(file, parse_options=parse) as reader:
            names = reader.schema.names
    except pa.ArrowInvalid as error:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: is empty; give a file with a header and rows") from None
        raise DataError(f"{file}: cannot be read as CSV ({first_line(error)})") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None
    _check_header(names, file, data, values)
    text = _wanted(data, [])
    types = {name: ARROW_TYPES[data.rules(name).dtype] for name in values}
    types |= dict.fromkeys(text, pa.string())
    convert = pa.csv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=NULLS,
        strings_can_be_null=True,
    )  # fmt: skip
    try:
        return pa.csv.read_csv(file, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        as_text = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(types, pa.string()), include_columns=list(types),
            null_values=NULLS, strings_can_be_null=True,
        )  # fmt: skip
        # Once more, block by block, up to the first cell that is not what it was declared.
        first_row = 2
        try:
            with pa.csv.open_csv(file, parse_options=parse, convert_options=as_text) as reader:
                for block in reader:
                    for name in values:
                        column = pa.chunked_array([block.column(name)])
                        as_numbers(column, name, file, data, first_row)
                    first_row += len(block)
        except pa.ArrowInvalid:
            pass  # the file is no CSV, which the first error tells better
        raise DataError(f"{file}: cannot be read as CSV ({first_line(error)})") from None


def read_parquet(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
    """Time, series and values; each column is read when its turn comes."""
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None
    _check_header(names, file, data, values)
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            for name in _wanted(data, values):
                yield parquet.read([name]).column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None
