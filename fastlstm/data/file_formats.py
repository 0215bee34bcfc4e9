"""Readers of the source formats, each column by column.

A format has four functions: ``names_<name>`` for the columns of a file, ``rows_in_<name>`` for the
number of its rows, ``read_<name>`` for the values of whole columns and ``read_<name>_blocks`` for
those of one block of rows after another; ``fastlstm.config.file_formats`` lists the formats.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import COMPRESSIONS
from fastlstm.data.column_types import ARROW_TYPES, NULLS, as_numbers
from fastlstm.data.files import SourceFile
from fastlstm.errors import DataError, first_line

# Takes a file, the settings and the names of the columns to read; yields them in this order.
Reader = Callable[[Path, DataConfig, list[str]], Iterator[pa.ChunkedArray]]
# The same of one block of rows after another.
BlockReader = Callable[[Path, DataConfig, list[str]], Iterator[Iterator[pa.ChunkedArray]]]

# Rows of a block of a Parquet file, and bytes of one of a CSV file.
_BLOCK_ROWS, _BLOCK_BYTES = 1 << 18, 16 << 20
# Bytes at the beginning of a CSV file by which its rows are estimated.
_SAMPLED_BYTES = 1 << 20


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
    reader: Reader = globals()[f"read_{source.format}"]
    wanted, of_folders = columns_of(source, data, values)
    columns = reader(source.path, data, [name for name in wanted if name not in of_folders])
    yield from with_folder_names(columns, wanted, of_folders)


def columns_of(
    source: SourceFile, data: DataConfig, values: list[str]
) -> tuple[list[str], dict[str, str | None]]:
    """Names of the columns to read, and the values of those that the names of folders give.

    Args:
        source: the file.
        data: the roles of the columns.
        values: names of the value columns.

    Raises:
        DataError: the file cannot be read, or a column is absent.
    """
    names = _names_in(source, data)
    wanted = [data.time, *([data.series] if data.series else []), *values]
    of_folders = {n: v for n, v in source.partition.items() if n in wanted and n not in names}
    _check_header(names, source, wanted, of_folders)
    return wanted, of_folders


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
    return list(dict.fromkeys([*_names_in(source, data), *source.partition]))


def _names_in(source: SourceFile, data: DataConfig) -> list[str]:
    names: list[str] = globals()[f"names_{source.format}"](source.path, data)
    return names


def _check_header(
    names: list[str], source: SourceFile, wanted: list[str], of_folders: dict[str, str | None]
) -> None:
    """Refuse a header that repeats a name or lacks a column."""
    file = source.path
    repeated = sorted({n for n in names if names.count(n) > 1})
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


def names_csv(file: Path, data: DataConfig) -> list[str]:
    """The columns of a CSV file.

    Raises:
        DataError: it cannot be read, or its delimiter is another one.
    """
    names = _csv_header(file, data)
    if len(names) == 1 and names[0] not in data.source_columns:
        raise DataError(
            f"{file}: has one column only, {names[0][:60]!r}, with delimiter "
            f"{data.delimiter!r}; set data.delimiter"
        )
    return names


def _parsing(data: DataConfig) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(delimiter=data.delimiter, newlines_in_values=True)


def _reading(data: DataConfig, block_size: int | None = None) -> pa.csv.ReadOptions:
    return pa.csv.ReadOptions(encoding=data.encoding, block_size=block_size)


def _opened(file: Path) -> Any:
    """A CSV file as Arrow takes it, decompressed by its ending."""
    codec = COMPRESSIONS.get(file.suffix.lower())
    return file if codec is None else pa.input_stream(str(file), compression=codec)


def read_csv(file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a CSV file; each is freed when the next one is taken."""
    table = _parse_csv(file, data, columns)
    read = [table.column(name) for name in columns]
    del table
    while read:
        yield read.pop(0)


def _parse_csv(file: Path, data: DataConfig, columns: list[str]) -> pa.Table:
    """The columns of a file, values as the types they are declared as.

    Raises:
        DataError: the file or a cell cannot be read; a cell is named by its row.
    """
    with _csv_errors(file, data, columns):
        return pa.csv.read_csv(
            _opened(file), read_options=_reading(data), parse_options=_parsing(data),
            convert_options=_typed(data, columns),
        )  # fmt: skip


@contextmanager
def _csv_errors(file: Path, data: DataConfig, columns: list[str]) -> Iterator[None]:
    """Say what is wrong with a CSV file that cannot be read.

    Raises:
        DataError: the file or a cell cannot be read; a cell is named by its row.
    """
    try:
        yield
    except pa.ArrowInvalid as error:
        _raise_at_first_wrong_cell(file, data, columns)
        raise _unreadable(file, data, error) from None
    except UnicodeDecodeError as error:
        raise _not_of_encoding(file, data, error) from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None


def _typed(data: DataConfig, columns: list[str]) -> pa.csv.ConvertOptions:
    """Options that read these columns alone, as the types they are declared as."""
    keys = (data.time, data.series)
    # Arrow knows no thousands separator: such numbers are read as text first.
    as_text = [*keys, *(columns if data.thousands else [])]
    types = {
        name: pa.string() if name in as_text else ARROW_TYPES[data.rules(name).dtype]
        for name in columns
    }
    return _conversion(types, data)


def read_csv_blocks(
    file: Path, data: DataConfig, columns: list[str]
) -> Iterator[Iterator[pa.ChunkedArray]]:
    """The columns of one block of a CSV file after another."""
    options = _reading(data, _BLOCK_BYTES)
    with _csv_errors(file, data, columns), pa.csv.open_csv(
        _opened(file), read_options=options, parse_options=_parsing(data),
        convert_options=_typed(data, columns),
    ) as reader:  # fmt: skip
        for block in reader:
            yield _columns_in(block, columns)


def _columns_in(block: pa.RecordBatch, columns: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a block of rows in this order."""
    return (pa.chunked_array([block.column(block.schema.get_field_index(n))]) for n in columns)


def rows_in_csv(file: Path) -> int:
    """About how many rows a CSV file has, by its size and the length of its first lines."""
    with pa.OSFile(str(file)) as raw:
        codec = COMPRESSIONS.get(file.suffix.lower())
        opened = raw if codec is None else pa.CompressedInputStream(raw, codec)
        sample = opened.read(_SAMPLED_BYTES)
        read = len(sample) if codec is None else raw.tell()
        return int(file.stat().st_size * sample.count(b"\n") // max(1, read))


def _csv_header(file: Path, data: DataConfig) -> list[str]:
    try:
        with pa.csv.open_csv(
            _opened(file), read_options=_reading(data), parse_options=_parsing(data)
        ) as reader:
            names: list[str] = reader.schema.names
            return names
    except pa.ArrowInvalid as error:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: is empty; give a file with a header and rows") from None
        raise _unreadable(file, data, error) from None
    except UnicodeDecodeError as error:
        raise _not_of_encoding(file, data, error) from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None


def _unreadable(file: Path, data: DataConfig, error: Exception) -> DataError:
    """What is said of a CSV file that Arrow refuses."""
    reason = first_line(error)
    if "UTF8" in reason or "UTF-8" in reason:
        return _not_of_encoding(file, data, error)
    return DataError(f"{file}: cannot be read as CSV ({reason})")


def _not_of_encoding(file: Path, data: DataConfig, error: Exception) -> DataError:
    return DataError(
        f"{file}: is not in the encoding {data.encoding!r} ({first_line(error)}); set data.encoding, "
        "e.g. to 'cp1252', as programs of western Windows write"
    )


def _conversion(types: dict[str, pa.DataType], data: DataConfig) -> pa.csv.ConvertOptions:
    """Options that read these columns alone, as these types.

    Text stays as it is: a series may be called 'NA', and cells of numbers that are read as text are
    compared with the missing values later.
    """
    return pa.csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=[*NULLS, *data.na_values],
        decimal_point=data.decimal,
        strings_can_be_null=False,
    )


def _raise_at_first_wrong_cell(file: Path, data: DataConfig, columns: list[str]) -> None:
    """Read a file again as text, block by block, up to the first cell that is not as declared.

    Raises:
        DataError: there is such a cell.
    """
    values = [name for name in columns if name not in (data.time, data.series)]
    as_text = _conversion(dict.fromkeys(columns, pa.string()), data)
    first_row = 2
    try:
        with pa.csv.open_csv(
            _opened(file), read_options=_reading(data), parse_options=_parsing(data),
            convert_options=as_text,
        ) as reader:  # fmt: skip
            for block in reader:
                for name in (n for n in values if data.rules(n).dtype != "category"):
                    column = pa.chunked_array([block.column(name)])
                    as_numbers(column, name, file, data, first_row)
                first_row += len(block)
    except pa.ArrowInvalid:
        pass  # the file is no CSV at all, which the caller reports


def names_parquet(file: Path, data: DataConfig) -> list[str]:
    """The columns of a Parquet file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        names: list[str] = pq.read_schema(file).names
        return names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None


def read_parquet(file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a Parquet file; each is read when it is taken."""
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            for name in columns:
                yield parquet.read([name]).column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None


def read_parquet_blocks(
    file: Path, data: DataConfig, columns: list[str]
) -> Iterator[Iterator[pa.ChunkedArray]]:
    """The columns of one block of a Parquet file after another."""
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            for block in parquet.iter_batches(_BLOCK_ROWS, columns=list(dict.fromkeys(columns))):
                yield _columns_in(block, columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({first_line(error)})") from None


def rows_in_parquet(file: Path) -> int:
    """How many rows a Parquet file has."""
    return int(pq.read_metadata(file).num_rows)


def rows_in(source: SourceFile) -> int:
    """About how many rows a file has, found without reading it; 0 where it cannot be read."""
    try:
        found: int = globals()[f"rows_in_{source.format}"](source.path)
    except (pa.ArrowInvalid, OSError):
        return 0  # its reader says why
    return found


def read_blocks_of(
    source: SourceFile, data: DataConfig, values: list[str]
) -> Iterator[Iterator[pa.ChunkedArray]]:
    """The columns of one block of rows after another; see ``read_columns``.

    No more than some blocks of the file are in memory at a time.
    """
    reader: BlockReader = globals()[f"read_{source.format}_blocks"]
    wanted, of_folders = columns_of(source, data, values)
    in_file = [name for name in wanted if name not in of_folders]
    for block in reader(source.path, data, in_file):
        yield with_folder_names(block, wanted, of_folders)
