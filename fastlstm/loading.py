"""Read a source into one table: columns and types as declared, times in UTC, sorted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from fastlstm.config import DataConfig
from fastlstm.errors import ConfigError, DataError
from fastlstm.memory import give_back
from fastlstm.sources import source_files

SERIES, TIME = "__series", "__time"
TABLE_FILE = "table.parquet"
_ARROW_TYPES = {"float": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
_NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
_GROUP = 1 << 20  # rows of a row group
_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"


@dataclass(frozen=True)
class LoadedTable:
    """Rows as read, sorted by series and time.

    Attributes:
        frame: columns ``__series`` (text), ``__time`` (UTC) and every value column (float64, a
            missing value is NaN).
        rows_out_of_order: rows that stood before an earlier row of their series in the source.
        skipped_series: series left out because they are shorter than one window, with their rows.
    """

    frame: pd.DataFrame
    rows_out_of_order: int
    skipped_series: dict[str, int]


def load(
    data: DataConfig, window_rows: int = 1, *, require: list[str] | None = None
) -> LoadedTable:
    """Read the source that ``data`` names.

    Args:
        data: where the rows are and what their columns mean.
        window_rows: rows one window spans; a shorter series is refused or left out by
            ``data.short_series``.
        require: value columns to read; without it all of ``data.value_columns``.

    Raises:
        ConfigError: nothing stands at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    values = data.value_columns if require is None else require
    parts = []
    for file, kind in source_files(data.path, data.format):
        reader = _read_csv if kind == "csv" else _read_parquet
        parts.append(_one_file(reader(file, data, values), file, data, values))
        give_back()
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    if frame.empty:
        raise DataError(f"{data.path}: holds no rows; give a table with rows")
    previous = frame.groupby(SERIES, sort=False)[TIME].shift()
    out_of_order = int((frame[TIME] < previous).sum())
    if not is_sorted(frame):  # most tables are, and sorting takes their memory once more
        frame = frame.sort_values([SERIES, TIME], kind="stable", ignore_index=True)
    counts = frame[SERIES].value_counts(sort=False)
    short = {str(k): int(v) for k, v in counts[counts < window_rows].items()}
    if short:
        name, rows = next(iter(short.items()))
        if data.short_series == "error" or len(short) == len(counts):
            which = f"series {name!r}" if data.series else "the table"
            raise ConfigError(
                f"hyperparameters.timesteps: {which} has {rows} rows, one window spans "
                f"{window_rows}; lower timesteps or steps_ahead, or set data.short_series to 'skip'"
            )
        frame = frame[~frame[SERIES].isin(short)].reset_index(drop=True)
    return LoadedTable(frame, out_of_order, short)


def is_sorted(frame: pd.DataFrame) -> bool:
    """Whether the rows stand in order of series and time."""
    series, _ = pd.factorize(frame[SERIES], sort=True)
    times = frame[TIME].array.asi8
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (times[1:] >= times[:-1]))
    return bool(later.all())


def write_table(frame: pd.DataFrame, file: Path) -> None:
    """Write a table as Parquet whose bytes depend on nothing but its content."""
    starts = range(0, max(1, len(frame)), _GROUP)
    write_blocks((frame.iloc[start : start + _GROUP] for start in starts), file)


def write_blocks(blocks: Iterable[pd.DataFrame], file: Path) -> None:
    """Write the rows of several tables, at least one, as ``write_table`` writes one table."""
    writer = None
    try:
        for block in blocks:
            rows = pa.Table.from_pandas(block, preserve_index=False).replace_schema_metadata(None)
            if writer is None:
                writer = pq.ParquetWriter(file, rows.schema, compression="zstd")
            writer.write_table(rows.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def read_table(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read what ``write_table`` wrote, in little more memory than the table itself takes."""
    stored = StoredColumns(file, columns)
    # Column after column, for all of them together would be in memory twice.
    return pd.DataFrame({name: stored[name] for name in stored}, copy=False)


def read_blocks(file: Path) -> Iterator[pd.DataFrame]:
    """Read what ``write_table`` wrote, a million rows at a time."""
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_GROUP):
            yield batch.to_pandas()


class StoredColumns(Mapping[Any, pd.Series]):
    """Columns of a stored table, each read when it is asked for and not kept.

    Args:
        file: a file that ``write_table`` wrote.
        columns: which columns; without it all.
    """

    def __init__(self, file: Path, columns: list[str] | None = None) -> None:
        self._file = file
        self._names = columns or pq.read_schema(file).names

    def __getitem__(self, name: Any) -> pd.Series:
        """The column's values."""
        column: pd.Series = pq.read_table(self._file, columns=[name]).column(0).to_pandas()
        return column

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many columns."""
        return len(self._names)


# A table in memory, or one on disk that is read column by column.
Columns = pd.DataFrame | StoredColumns


def load_into(folder: Path, data: DataConfig, window_rows: int) -> dict[str, Any]:
    """Load and write ``table.parquet`` into a folder; return what its manifest tells."""
    loaded = load(data, window_rows)
    frame = loaded.frame
    write_table(frame, folder / TABLE_FILE)
    return {
        "rows": len(frame),
        "series": int(frame[SERIES].nunique()),
        "first": frame[TIME].min().isoformat(),
        "last": frame[TIME].max().isoformat(),
        "rows_out_of_order": loaded.rows_out_of_order,
        "skipped_series": loaded.skipped_series,
    }


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


def _read_csv(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
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
        raise DataError(f"{file}: cannot be read as CSV ({_short(error)})") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({_short(error)})") from None
    _check_header(names, file, data, values)
    text = _wanted(data, [])
    types = {name: _ARROW_TYPES[data.rules(name).dtype] for name in values}
    types |= dict.fromkeys(text, pa.string())
    convert = pa.csv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=_NULLS,
        strings_can_be_null=True,
    )  # fmt: skip
    try:
        return pa.csv.read_csv(file, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        as_text = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(types, pa.string()), include_columns=list(types),
            null_values=_NULLS, strings_can_be_null=True,
        )  # fmt: skip
        # Once more, block by block, up to the first cell that is not what it was declared.
        first_row = 2
        try:
            with pa.csv.open_csv(file, parse_options=parse, convert_options=as_text) as reader:
                for block in reader:
                    for name in values:
                        column = pa.chunked_array([block.column(name)])
                        _cast(column, name, file, data, first_row)
                    first_row += len(block)
        except pa.ArrowInvalid:
            pass  # the file is no CSV, which the first error tells better
        raise DataError(f"{file}: cannot be read as CSV ({_short(error)})") from None


def _read_parquet(file: Path, data: DataConfig, values: list[str]) -> Iterator[pa.ChunkedArray]:
    """Time, series and values; each column is read when its turn comes."""
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({_short(error)})") from None
    _check_header(names, file, data, values)
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            for name in _wanted(data, values):
                yield parquet.read([name]).column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({_short(error)})") from None


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _cast(
    column: pa.ChunkedArray, name: str, file: Path, data: DataConfig, first_row: int
) -> np.ndarray:
    """The column as float64, NaN where missing; the error names the first cell that is not."""
    dtype = data.rules(name).dtype
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, pa.array(_NULLS)), None, column)
        try:
            column = column.cast(_ARROW_TYPES[dtype])
        except pa.ArrowInvalid:
            text = column.to_pandas()
            good = text.isna() | pd.to_numeric(text, errors="coerce").notna()
            if dtype == "integer":
                good = text.isna() | text.str.fullmatch(r"[+-]?\d{1,18}", na=True).astype(bool)
            if dtype == "boolean":
                good = text.isna() | text.str.lower().isin(["true", "false", "0", "1"])
            bad = np.flatnonzero(~good.to_numpy())
            row, found = (bad[0] + first_row, text.iloc[bad[0]]) if len(bad) else ("?", "?")
            raise DataError(
                f"{file}: column {name!r}, row {row}: {found!r} is no {dtype} "
                f"({len(bad)} such cells); correct the file or data.columns.{name}.dtype"
            ) from None
    elif not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    ):  # fmt: skip
        raise DataError(
            f"{file}: column {name!r} holds {kind}, declared {dtype}; convert it to numbers"
        )
    numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
    if dtype != "float":
        whole = np.isnan(numbers) | (numbers == np.floor(numbers))
        if dtype == "boolean":
            whole = np.isnan(numbers) | (numbers == 0) | (numbers == 1)
        if not whole.all():
            row = int(np.flatnonzero(~whole)[0])
            raise DataError(
                f"{file}: column {name!r}, row {row + first_row}: {numbers[row]!r} is no {dtype} "
                f"({int((~whole).sum())} such cells); correct the file or "
                f"data.columns.{name}.dtype"
            )
    # One chunk without a missing value is given as Arrow's own memory, which may not be changed.
    return numbers if numbers.flags.writeable else numbers.copy()


def _one_file(
    columns: Iterator[pa.ChunkedArray], file: Path, data: DataConfig, values: list[str]
) -> pd.DataFrame:
    first_row = 1 if file.suffix.lower() in (".parquet", ".pq") else 2  # a CSV's header is row 1
    times = _times(next(columns), file, data, first_row)
    if data.series is None:
        series = pd.Series([""], dtype="str").repeat(len(times)).reset_index(drop=True)
    else:
        series = _series(next(columns), file, data).astype("str")
    made: dict[str, Any] = {SERIES: series, TIME: times}
    for name in values:
        made[name] = _cast(next(columns), name, file, data, first_row)
    return pd.DataFrame(made, copy=False)


def _series(column: pa.ChunkedArray, file: Path, data: DataConfig) -> pd.Series:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(
            f"{file}: series column {data.series!r} is empty in {column.null_count} rows, first "
            f"data row {row + 1}; name the series of every row"
        )
    if pa.types.is_floating(column.type):
        raise DataError(
            f"{file}: series column {data.series!r} holds {column.type}; label series with text or "
            "integers"
        )
    labels: pd.Series = column.cast(pa.string()).to_pandas()
    return labels


def _times(column: pa.ChunkedArray, file: Path, data: DataConfig, first_row: int) -> pd.Series:
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
        raise DataError(f"{where}: {_short(error)}; use times of microseconds") from None
