"""Cut a table that comes in blocks into shards, in one pass and with the memory of some blocks.

Each shard's rows are appended to a file of its own in the order they come; whoever works on the shard
sorts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.data.column_names import SERIES
from fastlstm.data.shards import shard_name, shard_of_series

# As many files are open at a time.
MOST_SHARDS = 512
_ENDING = ".arrow"


def cut_into_shards(blocks: Iterable[pd.DataFrame], folder: Path, count: int) -> dict[str, Any]:
    """Write the rows of each shard as an Arrow file into a folder; a shard without rows has none.

    Args:
        blocks: tables with ``__series``.
        folder: the folder to write into; it exists.
        count: number of shards.

    Returns:
        ``{'rows': …}``, the number of rows.
    """
    rows = 0
    with ExitStack() as opened:
        writers: dict[int, pa.RecordBatchWriter] = {}
        for block in blocks:
            rows += len(block)
            table = pa.Table.from_pandas(block, preserve_index=False).replace_schema_metadata(None)
            shard = shard_of_series(block[SERIES].to_numpy(object), count)
            order = np.argsort(shard, kind="stable")
            numbers, starts = np.unique(shard[order], return_index=True)
            if len(numbers) > 1:
                table = table.take(pa.array(order))
            ends = [*starts[1:].tolist(), len(order)]
            for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
                if number not in writers:
                    file = folder / (shard_name(number) + _ENDING)
                    options = pa.ipc.IpcWriteOptions(compression="lz4")
                    writers[number] = opened.enter_context(
                        pa.ipc.new_stream(str(file), table.schema, options=options)
                    )
                writers[number].write_table(table.slice(start, end - start))
    return {"rows": rows}


def cut_files(folder: Path) -> dict[str, Path]:
    """The file of each shard that ``cut_into_shards`` wrote, by the shard's name, in order."""
    return {file.stem: file for file in sorted(folder.glob(f"*{_ENDING}"))}


def read_cut_rows(file: Path) -> pd.DataFrame:
    """The rows of a shard in the order in which they came."""
    with pa.ipc.open_stream(str(file)) as reader:
        table = reader.read_all()
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame
