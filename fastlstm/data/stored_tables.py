"""Parquet files of stored runs, whose columns, types and sizes are checked before they are unpacked.

Unlike the files that a pipeline's own steps hand to each other, they may come from anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.errors import StoreError, first_line

# A table with far more values than bytes is one that fills the memory; small ones may have as many.
_FREE_VALUES, _VALUES_PER_BYTE = 1 << 24, 1000
# The same for the bytes of its pages and of its labels.
_SPARE_BYTES, _GROWTH = 64 << 20, 200
_BLOCK = 1 << 20  # rows


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "numbers"
    TIME = "times with a zone"
    LABEL = "labels of classes"

    def holds(self, found: pa.DataType) -> bool:
        """Whether a type is of this kind."""
        if self is Kind.TEXT:
            return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
        if self is Kind.LABEL:
            return Kind.TEXT.holds(found) or bool(
                pa.types.is_integer(found) or pa.types.is_boolean(found)
            )
        if self is Kind.TIME:
            return bool(pa.types.is_timestamp(found) and found.tz is not None)
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))


class StoredTable:
    """A Parquet file of a run.

    Labels, times and whole numbers may not be missing; other numbers may.

    Args:
        file: the file.
        columns: what it must hold, by name.
        others: what each further column must hold; None: anything, as it is not read.
        optional: what columns hold, by name, that it may have.
        is_finite: whether a column of numbers, by its name, may not hold infinity.
        within: least and greatest value of columns of numbers, by name.

    Attributes:
        names: of all its columns.
        rows: how many it has.

    Raises:
        StoreError: it is no such table, or unpacks to far more than a table of its size.
    """

    def __init__(
        self, file: Path, columns: Mapping[str, Kind], others: Kind | None = None,
        optional: Mapping[str, Kind] | None = None,
        is_finite: Callable[[str], bool] = lambda _: False,
        within: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        self._file, self._columns, self._is_finite = file, dict(columns), is_finite
        self._within = dict(within or {})
        with _intact(file):
            metadata = pq.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
        self.names: list[str] = schema.names
        self.rows = int(metadata.num_rows)
        known = {**(optional or {}), **columns}
        self._kinds = {name: known.get(name, others) for name in self.names}
        self._check(schema)
        self._texts = [
            field.name for field in schema
            if self._kinds[field.name] in (Kind.TEXT, Kind.LABEL) and Kind.TEXT.holds(field.type)
        ]  # fmt: skip
        size = file.stat().st_size
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        values = self.rows * len(self.names)
        self._most_bytes = _SPARE_BYTES + _GROWTH * size
        if (
            values > max(_FREE_VALUES, _VALUES_PER_BYTE * size)
            or sum(group.total_byte_size for group in groups) > self._most_bytes
        ):
            raise StoreError(
                f"{file}: declares {values:,} values, far more than a file of its size has"
            )

    def _check(self, schema: pa.Schema) -> None:
        """Refuse columns that are absent, twice there, or of another type."""
        if absent := [name for name in self._columns if name not in schema.names]:
            raise self._refused(f"lacks the column {absent[0]!r}")
        for field in schema:
            if schema.names.count(field.name) > 1:
                raise self._refused(f"has the column {field.name[:80]!r} twice")
            kind = self._kinds[field.name]
            if kind is not None and not kind.holds(field.type):
                raise self._refused(
                    f"has {str(field.type)[:40]} in the column {field.name[:80]!r} in place of "
                    f"{kind.value}"
                )

    def _refused(self, why: str) -> StoreError:
        return StoreError(f"{self._file}: {why}; copy the run again from where it was written")

    def whole(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows, with some of its columns or all."""
        names = columns or self.names
        with self.opened(columns) as parquet:
            # Column by column; all at once would be in memory twice.
            return pd.DataFrame(
                {name: self._frame(parquet.read([name]))[name] for name in names}, copy=False
            )

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The same in blocks of a million rows, at least one, one at a time in memory."""
        with self.opened(columns) as parquet:
            found = False
            for batch in parquet.iter_batches(_BLOCK, columns=columns):
                found = True
                yield self._frame(pa.Table.from_batches([batch]))
            if not found:
                yield self._frame(parquet.schema_arrow.empty_table().select(columns or self.names))

    def row_groups(self, numbers: Sequence[int]) -> pd.DataFrame:
        """The rows of some row groups.

        Args:
            numbers: which, from 0; at least one.
        """
        with self.opened() as parquet:
            return self._frame(parquet.read_row_groups(list(numbers)))

    def first_of_row_groups(self, column: str) -> list[Any]:
        """The value of a column in the first row of each row group; None where it has no rows."""
        with self.opened([column]) as parquet:
            firsts = [
                next(parquet.iter_batches(1, row_groups=[number], columns=[column]), None)
                for number in range(parquet.num_row_groups)
            ]
        return [None if first is None else first[column][0].as_py() for first in firsts]

    @contextmanager
    def opened(self, columns: Sequence[str] | None = None) -> Iterator[pq.ParquetFile]:
        """The file, its texts as numbers of a list; what is read of it goes to ``check_values``.

        Args:
            columns: those to be read; None: all.

        Raises:
            StoreError: within the block something cannot be read.
        """
        labels = [name for name in columns or self.names if name in self._texts]
        # As numbers of a list, of which a small file may repeat a long label a million times.
        with _intact(self._file), pq.ParquetFile(self._file, read_dictionary=labels) as parquet:
            yield parquet

    def check_values(self, table: pa.Table) -> None:
        """Refuse rows with values that their columns may not have.

        Args:
            table: rows as ``opened`` reads them.

        Raises:
            StoreError: names the column.
        """
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = self._kinds[name]
            whole = kind in (Kind.TEXT, Kind.TIME, Kind.LABEL) or pa.types.is_integer(column.type)
            if kind is not None and whole and column.null_count:
                raise self._refused(f"lacks values in the column {name!r}")
            if kind is Kind.NUMBER and self._is_finite(name) and _has_infinity(column):
                raise self._refused(f"has an infinite number in the column {name[:80]!r}")
            if name in self._within and not _is_within(column, *self._within[name]):
                least, greatest = self._within[name]
                raise self._refused(
                    f"has numbers beyond {least:,} to {greatest:,} in the column {name!r}"
                )
            if name in self._texts and _unpacked_bytes(column) > self._most_bytes:
                raise self._refused(f"has labels without end in the column {name!r}")

    def _frame(self, table: pa.Table) -> pd.DataFrame:
        """Rows with their labels unpacked, unless these would take too much memory."""
        self.check_values(table)
        for position, name in enumerate(table.column_names):
            if name in self._texts:
                table = table.set_column(
                    position, name, table.column(position).cast(pa.large_string())
                )
        frame: pd.DataFrame = table.to_pandas()
        return frame


def _has_infinity(column: pa.ChunkedArray) -> bool:
    """Whether numbers hold one that is infinite."""
    import pyarrow.compute as pc

    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_inf(column)).as_py())


def _is_within(column: pa.ChunkedArray, least: int, greatest: int) -> bool:
    """Whether all numbers lie between two, both included; a missing one does not."""
    import pyarrow.compute as pc

    inside = pc.and_(pc.greater_equal(column, least), pc.less_equal(column, greatest))
    return bool(pc.all(inside, skip_nulls=False, min_count=0).as_py())


def _unpacked_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of the texts of a column that is kept as numbers of a list."""
    import pyarrow.compute as pc

    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        counts = pc.value_counts(chunk.indices)
        total += pc.sum(
            pc.multiply(lengths.take(counts.field("values")), counts.field("counts"))
        ).as_py() or 0  # fmt: skip
    return total


@contextmanager
def _intact(file: Path) -> Iterator[None]:
    """Say of a damaged file that it is one."""
    try:
        yield
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing; copy the run again") from None
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"{file}: cannot be read as Parquet ({first_line(error)}); copy it again from where it was "
            "written"
        ) from None
