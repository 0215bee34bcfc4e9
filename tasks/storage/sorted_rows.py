"""Sort rows that come in blocks by all their columns, with the memory of some blocks.

Rows that are too many for memory lie on disk meanwhile: rows of a sample divide them into ranges, and
each range is sorted by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fastlstm.data.tables import in_row_groups

# Rows of a row group, and those that are sorted at once.
_GROUP = 1 << 20
# As many files are open at a time.
_MOST_RANGES = 512
# Of so many rows one is in the sample.
_SAMPLED = 64


def write_sorted(
    blocks: Iterable[pa.Table], file: Path, scratch: Path, at_once: int = _GROUP
) -> int:
    """Write rows as a Parquet file whose bytes depend on the rows alone, not on their order.

    Args:
        blocks: tables with the same columns; a type may be a wider one in later blocks.
        file: the file to write.
        scratch: an empty folder for what is too much for memory.
        at_once: rows that are sorted in memory at a time.

    Returns:
        Number of rows.

    Raises:
        pa.ArrowException: a column has types that have no common one, or that have no order.
    """
    spool = _Spool(scratch, at_once)
    for block in blocks:
        spool.add(block)
    schema = pa.unify_schemas(spool.schemas, promote_options="permissive").remove_metadata()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in in_row_groups(spool.sorted(schema), schema, _GROUP):
            writer.write_table(group, row_group_size=_GROUP)
    return spool.rows


class _Spool:
    """Blocks of rows, in memory as long as these are few and on disk otherwise.

    Args:
        folder: for the blocks on disk.
        at_once: rows that are in memory at a time.

    Attributes:
        rows: number of rows.
        schemas: of the blocks, each once.
    """

    def __init__(self, folder: Path, at_once: int) -> None:
        self._folder, self._at_once = folder, at_once
        self._held: list[pa.Table] = []
        self._files: list[Path] = []
        self._sample: list[pa.Table] = []
        self.rows = 0
        self.schemas: list[pa.Schema] = []

    def add(self, block: pa.Table) -> None:
        """Add rows."""
        if block.schema not in self.schemas:
            self.schemas.append(block.schema)
        self.rows += len(block)
        self._held.append(block)
        if self.rows > self._at_once:
            for held in self._held:
                self._write(held)
            self._held = []

    def _write(self, block: pa.Table) -> None:
        file = self._folder / f"block-{len(self._files)}.arrow"
        with pa.ipc.new_stream(str(file), block.schema, options=_compressed()) as writer:
            writer.write_table(block)
        self._files.append(file)
        self._sample.append(block.take(np.arange(0, len(block), _SAMPLED)))

    def sorted(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """All rows in order, in tables of about as many rows as memory takes.

        Args:
            schema: of all blocks.
        """
        if not self._files:
            yield _sorted(_as(schema, self._held))
            return
        ranges = min(_MOST_RANGES, -(-self.rows // self._at_once))
        sample = _sorted(_as(schema, self._sample))
        limits = sample.take(np.arange(1, ranges) * len(sample) // ranges)
        for file in self._divided(schema, limits):
            with pa.ipc.open_stream(str(file)) as reader:
                table = reader.read_all()
            file.unlink()
            yield _sorted(table)

    def _divided(self, schema: pa.Schema, limits: pa.Table) -> list[Path]:
        """A file with the rows of each range between some rows, in order."""
        files = [self._folder / f"range-{number}.arrow" for number in range(len(limits) + 1)]
        with ExitStack() as opened:
            writers = [
                opened.enter_context(pa.ipc.new_stream(str(file), schema, options=_compressed()))
                for file in files
            ]
            for file in self._files:
                with pa.ipc.open_stream(str(file)) as reader:
                    block = _as(schema, [reader.read_all()])
                file.unlink()
                order = _order(pa.concat_tables([block, limits]))
                is_limit = order >= len(block)
                rows, number = order[~is_limit], np.cumsum(is_limit)[~is_limit]
                ends = np.searchsorted(number, np.arange(len(files) + 1))
                for writer, start, end in zip(writers, ends[:-1], ends[1:], strict=True):
                    if end > start:
                        writer.write_table(block.take(rows[start:end]))
        return files


def _compressed() -> pa.ipc.IpcWriteOptions:
    return pa.ipc.IpcWriteOptions(compression="lz4")


def _as(schema: pa.Schema, tables: list[pa.Table]) -> pa.Table:
    """The rows of some tables with the types of a schema."""
    plain = [table.replace_schema_metadata(None) for table in tables]
    return pa.concat_tables([schema.empty_table(), *plain], promote_options="permissive")


def _order(table: pa.Table) -> np.ndarray:
    keys: Any = [(name, "ascending") for name in table.column_names]
    found: np.ndarray = pc.sort_indices(table, sort_keys=keys).to_numpy()
    return found


def _sorted(table: pa.Table) -> pa.Table:
    return table.take(_order(table))
