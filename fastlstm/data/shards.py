"""Shards: the rows of some series of a panel, as files of their own.

A step's folder holds the files of one table, or a folder ``shard-00000``, ``shard-00001``, … with the
files of each shard. The series decides the shard of a row, so that whatever needs whole series needs one
shard alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from fastlstm.data.column_names import SEGMENT, TIME
from fastlstm.data.split import distinct_times
from fastlstm.data.tables import StoredColumns, read_table
from fastlstm.data.time_grid import microseconds

_PREFIX = "shard-"


def shard_name(number: int) -> str:
    """Name of a shard's folder."""
    return f"{_PREFIX}{number:05d}"


def shard_number(folder: Path) -> int:
    """Number of the shard that a folder holds."""
    return int(folder.name.removeprefix(_PREFIX))


def shards_of(folder: Path) -> list[Path]:
    """The folders of a step's shards in order; the step's folder itself where the table is one piece."""
    return sorted(folder.glob(f"{_PREFIX}[0-9]*")) or [folder]


def is_cut(folder: Path) -> bool:
    """Whether the table in a step's folder is cut into shards."""
    return shards_of(folder) != [folder]


def distinct_times_in(folder: Path, file: str) -> np.ndarray:
    """Each time of a step's table once, rising, microseconds since 1970 (UTC); 8 bytes for each.

    Args:
        folder: the step's folder.
        file: name of the table's file there, or in the folder of each shard.
    """
    distinct = np.zeros(0, np.int64)
    for shard in shards_of(folder):
        times = microseconds(StoredColumns(shard / file)[TIME])
        distinct = distinct_times(np.concatenate([distinct, distinct_times(times)]))
    return distinct


def shard_count(rows: int, shard_rows: int) -> int:
    """Number of shards of a panel with so many rows."""
    return max(1, -(-rows // shard_rows))


def shard_of_series(labels: np.ndarray, count: int) -> np.ndarray:
    """Number of the shard of each row, ``(n,)``.

    It depends on the label and the number of shards alone: a new series changes no other's shard.

    Args:
        labels: series of each row, text, ``(n,)``.
        count: number of shards.
    """
    code, names = pd.factorize(labels)
    digests = [hashlib.blake2b(str(name).encode(), digest_size=8).digest() for name in names]
    numbers = [int.from_bytes(digest, "big") % count for digest in digests]
    found: np.ndarray = np.asarray(numbers, np.int64)[code]
    return found


def read_shards(folder: Path, file: str, columns: list[str] | None = None) -> pd.DataFrame:
    """The rows of a step's table, or of all its shards one after the other, in memory.

    Contiguous blocks get numbers that differ between shards.

    Args:
        folder: the step's folder.
        file: name of the table's file.
        columns: which columns; without it all.
    """
    parts, blocks = [], 0
    for shard in shards_of(folder):
        part = read_table(shard / file, columns)
        if SEGMENT in part and len(part):
            part[SEGMENT] += blocks
            blocks = int(part[SEGMENT].iloc[-1]) + 1
        parts.append(part)
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
