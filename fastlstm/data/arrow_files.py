"""Readers of Parquet and Arrow files; see ``fastlstm.data.file_formats``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.data.unfolding import check_unfolded
from fastlstm.errors import DataError, first_line

# Rows of a block of a file.
_BLOCK_ROWS = 1 << 18


def columns_in(block: pa.RecordBatch | pa.Table, columns: list[str]) -> Iterator[pa.ChunkedArray]:
    """The columns of a block of rows in this order."""
    return (pa.chunked_array([block.column(block.schema.get_field_index(n))]) for n in columns)


@contextmanager
def _readable(file: Path, title: str) -> Iterator[None]:
    """Say of a damaged file that it is one."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as {title} ({first_line(error)})") from None


class ParquetFiles:
    """Parquet files."""

    @staticmethod
    def names(file: Path, data: DataConfig) -> list[str]:
        """The columns of a file."""
        with _readable(file, "Parquet"):
            names: list[str] = pq.read_schema(file).names
            return names

    @staticmethod
    def rows(file: Path, data: DataConfig) -> int:
        """How many rows a file has."""
        return int(pq.read_metadata(file).num_rows)

    @staticmethod
    def read(file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
        """The columns of a file; each is read when it is taken."""
        with (
            _readable(file, "Parquet"),
            pq.ParquetFile(file, page_checksum_verification=True) as parquet,
        ):
            check_unfolded(file, parquet.metadata)
            for name in columns:
                yield parquet.read([name]).column(0)

    @staticmethod
    def blocks(
        file: Path, data: DataConfig, columns: list[str]
    ) -> Iterator[Iterator[pa.ChunkedArray]]:
        """The columns of one block of rows after another."""
        with (
            _readable(file, "Parquet"),
            pq.ParquetFile(file, page_checksum_verification=True) as parquet,
        ):
            check_unfolded(file, parquet.metadata)
            for block in parquet.iter_batches(_BLOCK_ROWS, columns=list(dict.fromkeys(columns))):
                yield columns_in(block, columns)


class ArrowFiles:
    """Files of Arrow's IPC format, which Feather (version 2) is."""

    @staticmethod
    def _batches(file: Path) -> Iterator[pa.RecordBatch]:
        """One batch of rows after another, the schema's empty one last."""
        with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)

    @classmethod
    def names(cls, file: Path, data: DataConfig) -> list[str]:
        """The columns of a file."""
        with (
            _readable(file, "Arrow"),
            pa.memory_map(str(file)) as source,
            pa.ipc.open_file(source) as reader,
        ):
            names: list[str] = reader.schema.names
            return names

    @classmethod
    def rows(cls, file: Path, data: DataConfig) -> int:
        """How many rows a file has."""
        return sum(batch.num_rows for batch in cls._batches(file))

    @classmethod
    def read(cls, file: Path, data: DataConfig, columns: list[str]) -> Iterator[pa.ChunkedArray]:
        """The columns of a file, in its own pages of memory."""
        with _readable(file, "Arrow"):
            batches = list(cls._batches(file))
            yield from (pa.chunked_array([batch.column(n) for batch in batches]) for n in columns)

    @classmethod
    def blocks(
        cls, file: Path, data: DataConfig, columns: list[str]
    ) -> Iterator[Iterator[pa.ChunkedArray]]:
        """The columns of one block of rows after another."""
        with _readable(file, "Arrow"):
            for batch in cls._batches(file):
                for first in range(0, batch.num_rows, _BLOCK_ROWS):
                    yield columns_in(batch.slice(first, _BLOCK_ROWS), columns)
