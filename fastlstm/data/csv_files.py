"""Reader of CSV and TSV files; see ``fastlstm.data.file_formats``."""

from __future__ import annotations

import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from fastlstm.config.data import DataConfig
from fastlstm.config.file_formats import COMPRESSIONS, format_of
from fastlstm.data.arrow_files import columns_in
from fastlstm.data.column_types import ARROW_TYPES, NULLS, as_numbers
from fastlstm.data.csv_hints import shape_hint
from fastlstm.data.unfolding import unfolded
from fastlstm.errors import DataError, first_line

# Bytes of a block of a file, and those at its beginning by which its rows are estimated.
_BLOCK_BYTES, _SAMPLED_BYTES = 16 << 20, 1 << 20
# Bytes at its beginning by which a message says what is wrong with it.
_HINT_BYTES = 1 << 16


def delimiter_of(file: Path, data: DataConfig) -> str:
    """The delimiter of a file: of TSV files a tab."""
    is_tsv = data.format == "tsv" or format_of(member_name(file)) == "tsv"
    return "\t" if is_tsv else data.delimiter


def member_name(file: Path) -> str:
    """The name of the one file of an archive; of other files their own.

    Raises:
        DataError: an archive holds none or several, or cannot be read.
    """
    if file.suffix.lower() != ".zip":
        return file.name
    try:
        with zipfile.ZipFile(file) as archive:
            names = [n for n in archive.namelist() if not n.endswith("/") and "__MACOSX" not in n]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{file}: cannot be read as ZIP ({first_line(error)})") from None
    if len(names) != 1:
        found = f"{len(names)} files ({', '.join(names)[:200]})" if names else "no file"
        raise DataError(
            f"{file}: holds {found}, and one table is needed; unpack it, and give the file, or the "
            "folder where all are parts of one table"
        )
    if format_of(names[0]) not in ("csv", "tsv", None, format_of(file.name)):
        raise DataError(f"{file}: holds {names[0]}, which is no CSV file; unpack it, and give that")
    return names[0]


def opened_text(file: Path) -> Any:
    """A text file as Arrow and Python take it, unpacked by its ending."""
    if file.suffix.lower() == ".zip":
        name = member_name(file)
        return unfolded(file, zipfile.ZipFile(file).open(name))
    codec = COMPRESSIONS.get(file.suffix.lower())
    if codec is None:
        return file.open("rb")
    if codec == "xz":
        return unfolded(file, lzma.open(file))
    return unfolded(file, pa.input_stream(str(file), compression=codec))


class _WithoutComments(io.RawIOBase):
    """A text file as UTF-8 without the lines that begin with a mark."""

    def __init__(self, file: Any, encoding: str, mark: str) -> None:
        super().__init__()
        self._lines = io.TextIOWrapper(file, encoding=encoding, newline="")
        self._mark, self._rest = mark, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with bytes of the lines that are kept."""
        while not self._rest:
            line = self._lines.readline()
            if not line:
                return 0
            if not line.lstrip("\ufeff \t").startswith(self._mark):
                self._rest = line.lstrip("\ufeff").encode()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def names_csv(file: Path, data: DataConfig) -> list[str]:
    """The columns of a CSV file.

    Raises:
        DataError: it cannot be read, or its delimiter is another one.
    """
    names = _csv_header(file, data)
    if len(names) == 1 and names[0] not in data.read_columns:
        delimiter = delimiter_of(file, data)
        remedy = shape_hint(_first_lines(file, data), delimiter, data) or "; set data.delimiter"
        raise DataError(
            f"{file}: has one column only, {names[0][:60]!r}, with delimiter {delimiter!r}{remedy}"
        )
    return names


def _parsing(file: Path, data: DataConfig) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(
        delimiter=delimiter_of(file, data), quote_char=data.quote or False, newlines_in_values=True
    )


def _reading(data: DataConfig, block_size: int | None = None) -> pa.csv.ReadOptions:
    encoding = "utf-8" if data.comment else data.encoding
    return pa.csv.ReadOptions(encoding=encoding, block_size=block_size, skip_rows=data.skip_lines)


def _opened(file: Path, data: DataConfig) -> Any:
    """A file as Arrow takes it."""
    packed = file.suffix.lower() in (*COMPRESSIONS, ".zip")
    if data.comment:
        kept = _WithoutComments(opened_text(file), data.encoding, data.comment)
        return io.BufferedReader(kept, 1 << 20)
    return opened_text(file) if packed else file


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
            _opened(file, data), read_options=_reading(data), parse_options=_parsing(file, data),
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
    except (OSError, lzma.LZMAError) as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None


def _typed(data: DataConfig, columns: list[str]) -> pa.csv.ConvertOptions:
    """Options that read these columns alone, as the types they are declared as."""
    keys = (data.time, *data.time_columns, data.series, *data.series_parts)
    # Arrow knows no thousands separator, signs and parentheses: such numbers are read as text first.
    own = data.thousands or data.signs or data.negative_parentheses
    as_text = [*keys, *(columns if own else [])]
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
        _opened(file, data), read_options=options, parse_options=_parsing(file, data),
        convert_options=_typed(data, columns),
    ) as reader:  # fmt: skip
        for block in reader:
            yield columns_in(block, columns)


def rows_in_csv(file: Path, data: DataConfig) -> int:
    """About how many rows a CSV file has, by its size and the length of its first lines."""
    if file.suffix.lower() == ".zip":
        name = member_name(file)
        with zipfile.ZipFile(file) as archive, archive.open(name) as member:
            sample = member.read(_SAMPLED_BYTES)
            size = archive.getinfo(name).file_size
        return size * sample.count(b"\n") // max(1, len(sample))
    with pa.OSFile(str(file)) as raw:
        codec = COMPRESSIONS.get(file.suffix.lower())
        if codec == "xz":
            opened = lzma.LZMAFile(raw)  # noqa: SIM115 (closed with the file below it)
        else:
            opened = raw if codec is None else pa.CompressedInputStream(raw, codec)
        sample = opened.read(_SAMPLED_BYTES)
        read = len(sample) if codec is None else raw.tell()
        return int(file.stat().st_size * sample.count(b"\n") // max(1, read))


def _csv_header(file: Path, data: DataConfig) -> list[str]:
    try:
        with pa.csv.open_csv(
            _opened(file, data), read_options=_reading(data), parse_options=_parsing(file, data)
        ) as reader:
            names: list[str] = reader.schema.names
            return names
    except pa.ArrowInvalid as error:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: is empty; give a file with a header and rows") from None
        raise _unreadable(file, data, error) from None
    except UnicodeDecodeError as error:
        raise _not_of_encoding(file, data, error) from None
    except (OSError, lzma.LZMAError) as error:
        raise DataError(f"{file}: cannot be read ({first_line(error)})") from None


def _unreadable(file: Path, data: DataConfig, error: Exception) -> DataError:
    """What is said of a CSV file that Arrow refuses."""
    reason = first_line(error)
    if "UTF8" in reason or "UTF-8" in reason:
        return _not_of_encoding(file, data, error)
    hint = shape_hint(_first_lines(file, data), delimiter_of(file, data), data)
    return DataError(f"{file}: cannot be read as CSV ({reason}){hint}")


def _first_lines(file: Path, data: DataConfig) -> list[str]:
    """The first whole lines of a file; none where it cannot be unpacked or decoded."""
    try:
        with opened_text(file) as stream:
            head = stream.read(_HINT_BYTES)
    except (OSError, EOFError, lzma.LZMAError):
        return []
    lines: list[str] = head.decode(data.encoding, errors="replace").splitlines()
    return lines if len(head) < _HINT_BYTES else lines[:-1]


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
    keys = (data.time, *data.time_columns, data.series, *data.series_parts)
    values = [name for name in columns if name not in keys]
    as_text = _conversion(dict.fromkeys(columns, pa.string()), data)
    first_row = 2 + data.skip_lines
    try:
        with pa.csv.open_csv(
            _opened(file, data), read_options=_reading(data), parse_options=_parsing(file, data),
            convert_options=as_text,
        ) as reader:  # fmt: skip
            for block in reader:
                for name in (n for n in values if data.rules(n).dtype != "category"):
                    column = pa.chunked_array([block.column(name)])
                    as_numbers(column, name, file, data, first_row)
                first_row += len(block)
    except pa.ArrowInvalid:
        pass  # the file is no CSV at all, which the caller reports


class CsvFiles:
    """CSV and TSV files."""

    names = staticmethod(names_csv)
    rows = staticmethod(rows_in_csv)
    read = staticmethod(read_csv)
    blocks = staticmethod(read_csv_blocks)
