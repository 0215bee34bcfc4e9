"""Window datasets on disk: Parquet parts any tool reads, written and read in bounded memory.

One row a window: ``series``, ``origin`` (UTC), ``x`` and ``y``, the latter two Arrow's canonical
``fixed_shape_tensor`` of float32 with shapes ``(timesteps, n_features)`` and
``(steps_ahead, n_targets)``. Neighbouring windows share rows, so zstd folds them to about the size
of the table.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.split import LEARNED, Cuts, parts_of
from fastlstm.data.time_grid import microseconds
from fastlstm.windows.origins import Runs, input_windows, target_windows
from fastlstm.windows.planning import PLANNED_ROWS, plan_windows, require_windows
from fastlstm.windows.shared_rows import Folded, FoldedTooLargeError, Folding
from fastlstm.windows.source import Windows

_ROW_GROUP_BYTES = 8 << 20


# Values that Arrow encodes at once; its default of 1,024 was measured to cost a quarter of the speed.
_WRITE_BATCH = 1 << 20


_PART_BYTES = 256 << 20


_POOL_BYTES = 512 << 20


def write_windows(
    folder: Path, scaled: pd.DataFrame, *, features: list[str], targets: list[str],
    timesteps: int, steps_ahead: int, lookahead: int, cuts: Cuts,
) -> dict[str, Any]:  # fmt: skip
    """Write ``train/``, ``validation/`` and ``test/`` below a folder; return the manifest's content.

    Memory above the table stays at a few row groups, whatever the number of windows.

    Raises:
        DataError: a split would hold no window.
    """
    inputs = [scaled[f"x.{n}"].to_numpy(np.float32) for n in features]
    outputs = [scaled[f"y.{n}"].to_numpy(np.float32) for n in targets]
    defined = np.ones(len(scaled), bool)
    for column in outputs:
        for start in range(0, len(column), PLANNED_ROWS):
            rows = slice(start, start + PLANNED_ROWS)
            defined[rows] &= ~np.isnan(column[rows])
    planned = plan_windows(scaled, defined, timesteps, steps_ahead + lookahead, cuts)
    require_windows(planned, timesteps, steps_ahead + lookahead)
    schema = pa.schema([
        pa.field("series", pa.string(), nullable=False),
        pa.field("origin", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("x", pa.fixed_shape_tensor(pa.float32(), (timesteps, len(features))), False),
        pa.field("y", pa.fixed_shape_tensor(pa.float32(), (steps_ahead, len(targets))), False),
    ])  # fmt: skip
    window_bytes = 4 * (timesteps * len(features) + steps_ahead * len(targets))
    group = max(1, _ROW_GROUP_BYTES // window_bytes)
    part = group * max(1, _PART_BYTES // _ROW_GROUP_BYTES)

    def write_part(name: str, number: int, planned: Runs, begin: int) -> None:
        file = folder / name / f"part-{number:05d}.parquet"
        origins = planned.between(begin, begin + part)
        # The rows of this part alone, side by side; of all rows they would be the table once more.
        first, end = int(origins[0]) - timesteps, int(origins[-1]) + steps_ahead
        x, y = (np.column_stack([c[first:end] for c in cs]) for cs in (inputs, outputs))
        with pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=["series"],
            write_statistics=["origin"],
            write_batch_size=_WRITE_BATCH,
        ) as writer:
            for start in range(0, len(origins), group):
                rows = origins[start : start + group]
                writer.write_table(
                    pa.table([
                        pa.array(scaled[SERIES].iloc[rows].to_numpy(object), pa.string()),
                        pa.array(microseconds(scaled[TIME].iloc[rows]), pa.timestamp("us", tz="UTC")),
                        _tensor(input_windows(x, rows - first, timesteps), schema.field("x").type),
                        _tensor(target_windows(y, rows - first, steps_ahead), schema.field("y").type),
                    ], schema=schema),
                    row_group_size=group,
                )  # fmt: skip

    # Memory grows with the threads, so more than four would break the bound.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = []
        for name, origins in planned.items():
            (folder / name).mkdir()
            for number, start in enumerate(range(0, len(origins), part)):
                jobs.append(pool.submit(write_part, name, number, origins, start))
        for job in jobs:
            job.result()
    return {
        "features": features,
        "targets": targets,
        "timesteps": timesteps,
        "steps_ahead": steps_ahead,
        "lookahead": lookahead,
        "cuts": {"validation": cuts.validation, "test": cuts.test},
        "windows": {name: len(origins) for name, origins in planned.items()},
        "series": int(scaled[SERIES].nunique()),
    }


def _tensor(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    flat = pa.array(values.reshape(-1))
    size = int(np.prod(kind.shape))
    # The storage's own field name and nullability must match the extension type's.
    storage = pa.FixedSizeListArray.from_arrays(flat, size).cast(kind.storage_type)
    return pa.ExtensionArray.from_storage(kind, storage)


class WindowDataset:
    """A window dataset in a folder.

    Args:
        folder: a folder made by ``write_windows`` with its manifest.
        pool_bytes: memory for the rows of each split's inputs, as for those of its targets.

    Attributes:
        manifest: shapes, names, cuts, counts and files.

    Raises:
        StoreError: the folder is damaged.
    """

    def __init__(self, folder: Path, pool_bytes: int = _POOL_BYTES) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._pool_bytes = pool_bytes
        self._in_memory: dict[str, tuple[Folded, Folded] | None] = {}

    def count(self, split: str) -> int:
        """Windows in ``'train'``, ``'validation'``, ``'test'`` or ``fastlstm.data.split.LEARNED``."""
        return sum(int(self.manifest["windows"][name]) for name in parts_of(split))

    def _parts(self, split: str) -> list[Path]:
        folders = (self.folder / name for name in parts_of(split))
        return [file for folder in folders for file in sorted(folder.glob("part-*.parquet"))]

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split in memory; ``x`` or ``y`` not in ``columns`` stays empty."""
        table = pa.concat_tables(
            # A dictionary, so that the windows of a series share one label.
            pq.read_table(f, columns=["series", "origin", *columns], read_dictionary=["series"])
            for f in self._parts(split)
        )
        arrays = {name: _ndarray(table.column(name)) for name in columns}
        series = table.column("series").unify_dictionaries().combine_chunks()
        return Windows(
            series.dictionary.to_numpy(zero_copy_only=False).astype(object)[series.indices],
            table.column("origin").cast(pa.timestamp("us")).to_numpy(),
            arrays.get("x", np.zeros((0, 0, 0), np.float32)),
            arrays.get("y", np.zeros((0, 0, 0), np.float32)),
        )

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """None: windows on disk carry no weights."""
        return None

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches, every window once; only the last batch may be smaller.

        A split whose rows fit into the pool is read from disk once.

        Args:
            split: which windows.
            batch_size: windows in a batch.
            seed: order of the windows, e.g. ``(seed, epoch)``; without it they come in order of
                series and origin. A split whose rows are larger than the pool is shuffled by row
                groups and then within the pool.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        kept = self.folded(split)
        if kept is None:
            yield from self._streamed(split, batch_size, rng)
            return
        x, y = kept
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            yield x[rows], y[rows]

    def folded(self, split: str) -> tuple[Folded, Folded] | None:
        """Inputs and targets as the rows they share; None where those are larger than the pool."""
        if split not in self._in_memory:
            if split == LEARNED:  # both splits anew: nothing is kept twice
                self._in_memory.clear()
            self._in_memory[split] = self._fold(split)
            give_back()
        return self._in_memory[split]

    def _fold(self, split: str) -> tuple[Folded, Folded] | None:
        x, y = Folding(self._pool_bytes), Folding(self._pool_bytes)
        try:
            for inputs, targets in self._blocks(split, None):
                x.add(inputs)
                y.add(targets)
        except FoldedTooLargeError:
            return None
        return x.folded(), y.folded()

    def _streamed(
        self, split: str, batch_size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        xs: list[np.ndarray] = []
        ys: list[np.ndarray] = []
        held = 0
        for x, y in self._blocks(split, rng):
            xs.append(x)
            ys.append(y)
            held += x.nbytes + y.nbytes
            if held >= self._pool_bytes:
                x, y = _joined(xs), _joined(ys)
                order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
                whole = len(x) - len(x) % batch_size
                for start in range(0, whole, batch_size):
                    rows = order[start : start + batch_size]
                    yield x[rows], y[rows]
                xs, ys = [x[order[whole:]]], [y[order[whole:]]]
                held = xs[0].nbytes + ys[0].nbytes
        if xs and len(x := _joined(xs)):
            y = _joined(ys)
            order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
            for start in range(0, len(x), batch_size):
                rows = order[start : start + batch_size]
                yield x[rows], y[rows]

    def _blocks(
        self, split: str, rng: np.random.Generator | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Row group after row group, decoded ahead by as many threads as there are cores."""
        groups = [
            (file, number)
            for file in self._parts(split)
            for number in range(pq.read_metadata(file).num_row_groups)
        ]
        order = np.arange(len(groups)) if rng is None else rng.permutation(len(groups))

        def decode(position: int) -> tuple[np.ndarray, np.ndarray]:
            file, number = groups[position]
            table = pq.ParquetFile(file).read_row_group(
                number, columns=["x", "y"], use_threads=False
            )
            return _ndarray(table.column("x")), _ndarray(table.column("y"))

        threads = min(4, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
            for position in order:
                ahead.append(pool.submit(decode, position))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _ndarray(column: pa.ChunkedArray) -> np.ndarray:
    return np.concatenate([chunk.to_numpy_ndarray() for chunk in column.chunks])
