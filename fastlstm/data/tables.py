"""Parquet files whose bytes depend on their content alone, read whole, in blocks or by column."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.errors import StoreError, first_line

_GROUP = 1 << 20  # rows of a row group
# A table with far more values than bytes is one that fills the memory; small ones may have as many.
_FREE_VALUES, _VALUES_PER_BYTE = 1 << 24, 1000


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
                # Scaled values hardly repeat: a dictionary of them costs more than all else.
                repeating = [field.name for field in rows.schema if field.type != pa.float32()]
                writer = pq.ParquetWriter(
                    file, rows.schema, compression="zstd", use_dictionary=repeating
                )
            writer.write_table(rows.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def in_row_groups(
    tables: Iterable[pa.Table], schema: pa.Schema, size: int = _GROUP
) -> Iterator[pa.Table]:
    """The rows of some tables in pieces of one row group each, whatever the size of the tables.

    Args:
        tables: with the columns of the schema.
        schema: names and types.
        size: rows of a row group.

    Yields:
        Contiguous tables of ``size`` rows and a last one with the rest; an empty one without rows.
    """
    rest, written = schema.empty_table(), False
    for table in tables:
        rest = pa.concat_tables([rest, table])
        while len(rest) > size:
            yield rest.slice(0, size).combine_chunks()
            rest, written = rest.slice(size), True
    if len(rest) or not written:
        yield rest.combine_chunks()


def read_table(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table in little more memory than it takes itself."""
    with _intact(file):
        metadata = pq.read_metadata(file)
        values = metadata.num_rows * metadata.num_columns
        if values > max(_FREE_VALUES, _VALUES_PER_BYTE * file.stat().st_size):
            raise StoreError(
                f"{file}: declares {values:,} values, far more than a file of its size has"
            )
        stored = StoredColumns(file, columns)
        # Column by column; all at once would be in memory twice.
        return pd.DataFrame({name: stored[name] for name in stored}, copy=False)


@contextmanager
def _intact(file: Path) -> Iterator[None]:
    """Say of a damaged file that it is one."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{file}: cannot be read as Parquet ({first_line(error)}); copy it again from where it was "
            "written"
        ) from None


def stored_rows(file: Path) -> int:
    """Number of rows of a stored table."""
    return int(pq.read_metadata(file).num_rows)


def read_blocks(file: Path, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """Read a table, or some columns of it, in blocks of a million rows."""
    with _intact(file), pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_GROUP, columns=columns):
            yield batch.to_pandas()


class StoredColumns(Mapping[Any, pd.Series]):
    """Columns of a stored table, read on access and not kept.

    Args:
        file: a file that ``write_table`` wrote.
        columns: which columns; without it all.
    """

    def __init__(self, file: Path, columns: list[str] | None = None) -> None:
        self._file = file
        self._names = columns or pq.read_schema(file).names

    @property
    def text_columns(self) -> list[str]:
        """Names of the columns that hold text."""
        schema = pq.read_schema(self._file)
        kinds = {field.name: field.type for field in schema}
        text = (pa.types.is_string, pa.types.is_large_string)
        return [name for name in self._names if any(of(kinds[name]) for of in text)]

    def __getitem__(self, name: Any) -> pd.Series:
        """The column's values."""
        column: pd.Series = pq.read_table(self._file, columns=[name]).column(0).to_pandas()
        return column

    def __iter__(self) -> Iterator[str]:
        """Names of the columns."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of columns."""
        return len(self._names)


# A table in memory, or one on disk that is read column by column.
Columns = pd.DataFrame | StoredColumns


@contextmanager
def columns_apart() -> Iterator[None]:
    """Insert columns with memory of their own without pandas' warning that these are many.

    A column by itself can be read, filled and freed without a copy of the table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        yield


def with_columns(frame: pd.DataFrame, columns: Mapping[Any, Any]) -> pd.DataFrame:
    """A table with more columns, or others in their place; the given one stays as it is.

    Unlike ``DataFrame.assign`` it takes columns of any name, such as 'self'.
    """
    found = frame.copy(deep=False)
    with columns_apart():
        for name, values in columns.items():
            found[name] = values
    return found
