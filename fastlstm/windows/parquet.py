"""Window datasets on disk: Parquet parts any tool reads, written and read in bounded memory.

One row per window: ``series``, ``origin`` (time of the first target row, UTC), ``first_row`` (number of
the window's first input row in the scaled table), ``x`` and ``y``. The latter two are Arrow's canonical
``fixed_shape_tensor`` of float32 with shapes ``(timesteps, n_features)`` and
``(steps_ahead, n_targets)``. Neighbouring windows share rows: zstd compresses them to about the size of
the table, and ``first_row`` lets a reader keep each shared row once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.split import EVERY, LEARNED, SPLITS, SplitCuts, parts_of
from fastlstm.data.time_grid import microseconds
from fastlstm.windows.coverage import facts_of_absence, series_without
from fastlstm.windows.origins import Runs, input_windows, target_windows
from fastlstm.windows.planning import (
    PLANNED_ROWS,
    Blocks,
    all_steps_defined,
    plan_windows,
    require_windows,
)
from fastlstm.windows.shared_rows import Folded, FoldedTooLargeError, Folding
from fastlstm.windows.source import Windows

_ROW_GROUP_BYTES = 8 << 20
# Of a table of many shards an epoch draws from some row groups: from many series if these are small.
_DRAWN_GROUP_BYTES = 1 << 20
_PART_BYTES = 256 << 20
# Most memory for the rows of a split's inputs, and as much for those of its targets.
_POOL_BYTES = 512 << 20
# Values that Arrow encodes at once; with its default of 1,024 writing is a quarter slower.
_WRITE_BATCH = 1 << 20


def write_windows(
    folder: Path, scaled: pd.DataFrame, *, features: list[str], targets: list[str],
    timesteps: int, steps_ahead: int, lookahead: int, cuts: SplitCuts,
    seasons: FoundSeasons | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write ``train/``, ``validation/`` and ``test/`` below a folder; return the manifest's content.

    Memory above the table stays at a few row groups, whatever the number of windows.

    Args:
        folder: the folder to write into; it exists.
        scaled: scaled features ``x.<name>`` and targets ``y.<name>`` with ``__series``, ``__time`` and
            ``__segment``, sorted by series and time.
        features: names of the features.
        targets: names of the targets.
        timesteps: input rows of a window.
        steps_ahead: target rows of a window.
        lookahead: label horizon, the rows after its own that a target's value depends on.
        cuts: the cut times.
        seasons: those that the train rows show; None where nobody has looked.

    Raises:
        DataError: a split would hold no window.
    """
    form = WindowForm(features, targets, timesteps, steps_ahead, lookahead, cuts)
    planned = write_parts(folder, scaled, form)
    return form.manifest(
        {name: len(origins) for name, origins in planned.items()},
        int(scaled[SERIES].nunique()),
        seasons,
        series_without(scaled[SERIES].to_numpy(), planned),
    )


@dataclass(frozen=True)
class WindowForm:
    """What all windows of a dataset have in common; see ``write_windows``."""

    features: list[str]
    targets: list[str]
    timesteps: int
    steps_ahead: int
    lookahead: int
    cuts: SplitCuts

    @property
    def span(self) -> int:
        """Rows from the first target row on that the targets depend on."""
        return self.steps_ahead + self.lookahead

    def manifest(
        self, windows: dict[str, int], series: int, seasons: FoundSeasons | None,
        without: dict[str, list[str]],
    ) -> dict[str, Any]:  # fmt: skip
        """The content of a dataset's manifest.

        Args:
            windows: number of windows of each split.
            series: number of series.
            seasons: those that the train rows show; None where nobody has looked.
            without: by split, the series that have no window in it.
        """
        return {
            "features": self.features,
            "targets": self.targets,
            "timesteps": self.timesteps,
            "steps_ahead": self.steps_ahead,
            "lookahead": self.lookahead,
            "cuts": self.cuts.facts(),
            "windows": windows,
            "series": series,
            "series_without": facts_of_absence(without, series),
            **({} if seasons is None else seasons.facts()),
        }


@dataclass(frozen=True)
class ShardPlace:
    """Where the windows of one shard lie among those of the table.

    Attributes:
        number: of the shard.
        rows_before: rows of the shards before it.
    """

    number: int
    rows_before: int


def write_parts(
    folder: Path, scaled: pd.DataFrame, form: WindowForm, shard: ShardPlace | None = None,
    usable: np.ndarray | None = None,
) -> dict[str, Runs]:  # fmt: skip
    """Write the windows of a table, or of one shard of it; return the target rows of each split.

    Args:
        folder: the folder to write into; it exists.
        scaled: as for ``write_windows``.
        form: the form of the windows.
        shard: which shard the rows are; None for a whole table, of which each split needs a window.
        usable: whether a row may be the first target row of a window, ``(n,)``; None: every row.

    Raises:
        DataError: a split of a whole table would hold no window.
    """
    inputs = [scaled[f"x.{n}"].to_numpy(np.float32) for n in form.features]
    outputs = [scaled[f"y.{n}"].to_numpy(np.float32) for n in form.targets]
    defined = all_steps_defined(_defined(outputs), form.steps_ahead)
    if usable is not None:
        defined &= usable
    planned = plan_windows(scaled, defined, form.timesteps, form.span, form.cuts)
    if shard is None:
        require_windows(planned, form.timesteps, form.span, Blocks.of(scaled))
    of_shard = "" if shard is None else f"{shard.number:05d}-"
    writer = _PartWriter(scaled, inputs, outputs, form.timesteps, form.steps_ahead, shard)
    # Memory grows with the number of threads; more than four would exceed the bound.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = []
        for name, origins in planned.items():
            (folder / name).mkdir()
            for number, start in enumerate(range(0, len(origins), writer.windows_per_part)):
                file = folder / name / f"part-{of_shard}{number:05d}.parquet"
                jobs.append(pool.submit(writer.write, file, origins, start))
        for job in jobs:
            job.result()
    return planned


def _defined(targets: list[np.ndarray]) -> np.ndarray:
    """Whether every target of a row has a value, ``(n,)``, found in bounded memory."""
    defined = np.ones(len(targets[0]), bool)
    for column in targets:
        for start in range(0, len(column), PLANNED_ROWS):
            rows = slice(start, start + PLANNED_ROWS)
            defined[rows] &= ~np.isnan(column[rows])
    return defined


class _PartWriter:
    """Writes the Parquet parts of a window dataset; used by several threads at once.

    Args:
        scaled: the table, with ``__series`` and ``__time``.
        inputs: the features' columns.
        targets: the targets' columns.
        timesteps: input rows of a window.
        steps_ahead: target rows of a window.
        shard: which shard the rows are; None for a whole table.
    """

    def __init__(
        self, scaled: pd.DataFrame, inputs: list[np.ndarray], targets: list[np.ndarray],
        timesteps: int, steps_ahead: int, shard: ShardPlace | None = None,
    ) -> None:  # fmt: skip
        self._rows_before = 0 if shard is None else shard.rows_before
        self._series, self._times = scaled[SERIES], scaled[TIME]
        self._inputs, self._targets = inputs, targets
        self._timesteps, self._steps_ahead = timesteps, steps_ahead
        window_bytes = 4 * (timesteps * len(inputs) + steps_ahead * len(targets))
        group_bytes = _ROW_GROUP_BYTES if shard is None else _DRAWN_GROUP_BYTES
        self._group = max(1, group_bytes // window_bytes)
        self.windows_per_part = self._group * max(1, _PART_BYTES // group_bytes)
        x, y = (timesteps, len(inputs)), (steps_ahead, len(targets))
        self._schema = pa.schema([
            pa.field("series", pa.string(), nullable=False),
            pa.field("origin", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("first_row", pa.int64(), nullable=False),
            pa.field("x", pa.fixed_shape_tensor(pa.float32(), x), nullable=False),
            pa.field("y", pa.fixed_shape_tensor(pa.float32(), y), nullable=False),
        ])  # fmt: skip

    def write(self, file: Path, planned: Runs, start: int) -> None:
        """Write the part that begins with the planned window at position ``start``."""
        origins = planned.between(start, start + self.windows_per_part)
        # Only this part's rows are stacked; stacking all rows would copy the table.
        begin, end = int(origins[0]) - self._timesteps, int(origins[-1]) + self._steps_ahead
        part = _PartRows(
            begin,
            pa.array(self._series.iloc[begin:end], pa.string()),
            microseconds(self._times.iloc[begin:end]),
            np.column_stack([column[begin:end] for column in self._inputs]),
            np.column_stack([column[begin:end] for column in self._targets]),
        )
        with pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=["series"],
            # Row numbers rise by one, so their differences take next to no space.
            column_encoding={"first_row": "DELTA_BINARY_PACKED"},
            write_statistics=["origin"],
            write_batch_size=_WRITE_BATCH,
        ) as writer:
            for position in range(0, len(origins), self._group):
                table = self._table(origins[position : position + self._group], part)
                writer.write_table(table, row_group_size=self._group)

    def _table(self, origins: np.ndarray, part: _PartRows) -> pa.Table:
        """The windows of these origin rows."""
        rows = origins - part.begin
        inputs = input_windows(part.x, rows, self._timesteps)
        targets = target_windows(part.y, rows, self._steps_ahead)
        columns = [
            part.labels(rows),
            pa.array(part.times[rows], self._schema.field("origin").type),
            pa.array(origins - self._timesteps + self._rows_before),
            _tensor(inputs, self._schema.field("x").type),
            _tensor(targets, self._schema.field("y").type),
        ]
        return pa.table(columns, schema=self._schema)


class _PartRows:
    """The rows that the windows of one part are cut from.

    Args:
        begin: number of the first in the table.
        series: series of each.
        times: microseconds since 1970 (UTC) of each.
        x: features, ``(n, n_features)``.
        y: targets, ``(n, n_targets)``.
    """

    def __init__(
        self, begin: int, series: pa.Array, times: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> None:
        self.begin, self.times, self.x, self.y = begin, times, x, y
        if isinstance(series, pa.ChunkedArray):
            series = series.combine_chunks()
        # Labels are chosen by number, which takes a tenth of the time that choosing text takes.
        encoded = series.dictionary_encode()
        self._labels, self._codes = encoded.dictionary, encoded.indices.to_numpy()

    def labels(self, rows: np.ndarray) -> pa.Array:
        """The series of some rows, text."""
        chosen = pa.DictionaryArray.from_arrays(self._codes[rows], self._labels)
        return chosen.dictionary_decode()


def _tensor(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Windows as an Arrow array of a ``fixed_shape_tensor`` type."""
    flat = pa.array(values.reshape(-1))
    size = int(np.prod(kind.shape))
    # The storage's own field name and nullability must match the extension type's.
    storage = pa.FixedSizeListArray.from_arrays(flat, size).cast(kind.storage_type)
    return pa.ExtensionArray.from_storage(kind, storage)


@dataclass(frozen=True)
class RowGroup:
    """A row group of a Parquet part.

    Attributes:
        file: the part.
        number: of the row group in it.
        windows: number of windows.
    """

    file: Path
    number: int
    windows: int


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
        self._row_groups: dict[str, list[RowGroup]] = {}
        self._of_shard = ""

    def count(self, split: str) -> int:
        """Windows in ``'train'``, ``'validation'``, ``'test'`` or ``fastlstm.data.split.LEARNED``."""
        return sum(int(self.manifest["windows"][name]) for name in parts_of(split))

    def of_shard(self, number: int) -> WindowDataset:
        """The windows of one shard, with the manifest of all."""
        shard = WindowDataset(self.folder, self._pool_bytes)
        shard._of_shard = f"{number:05d}-"
        windows = {name: sum(group.windows for group in shard.row_groups(name)) for name in SPLITS}
        shard.manifest = {**shard.manifest, "windows": windows}
        return shard

    def _parts(self, split: str) -> list[Path]:
        """The Parquet parts of a split, in order."""
        folders, pattern = (
            (self.folder / name for name in parts_of(split)), f"part-{self._of_shard}*.parquet"
        )  # fmt: skip
        return [file for folder in folders for file in sorted(folder.glob(pattern))]

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split in memory; ``x`` or ``y`` not in ``columns`` stays empty."""
        return self._read(self._parts(split), columns)

    def _read(self, files: Sequence[Path], columns: tuple[str, ...]) -> Windows:
        """The windows of some parts."""
        table = pa.concat_tables(
            # As a dictionary, so that the windows of a series share one label in memory.
            pq.read_table(f, columns=["series", "origin", *columns], read_dictionary=["series"])
            for f in files
        )
        arrays = {name: _ndarray(table.column(name)) for name in columns}
        return Windows(
            *_labels(table),
            arrays.get("x", np.zeros((0, 0, 0), np.float32)),
            arrays.get("y", np.zeros((0, 0, 0), np.float32)),
        )

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """None, because windows on disk carry no weights."""
        return None

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches, every window once; only the last batch may be smaller.

        A split whose rows fit into the pool is read from disk once.

        Args:
            split: which windows.
            batch_size: windows in a batch.
            seed: seed of the shuffling, e.g. ``(seed, epoch)``; without it they come in order of
                series and time. A split whose rows are larger than the pool is shuffled by row
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
            if split in (
                LEARNED,
                EVERY,
            ):  # the rows of all are read again, so that none is kept twice
                self._in_memory.clear()
            self._in_memory[split] = self._fold(split)
            give_back()
        return self._in_memory[split]

    def _fold(self, split: str) -> tuple[Folded, Folded] | None:
        """Read a split as shared rows; None where they take more memory than the pool."""
        # Each window has a first row that no other has.
        if 4 * self.count(split) * len(self.manifest["features"]) > self._pool_bytes:
            return None
        x, y = Folding(self._pool_bytes), Folding(self._pool_bytes)
        try:
            for first_row, inputs, targets, _ in self._blocks(split, None):
                x.add(inputs, first_row)
                y.add(targets, first_row)
        except FoldedTooLargeError:
            return None
        return x.folded(), y.folded()

    def _streamed(
        self, split: str, batch_size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of a split that is larger than the pool, shuffled within the pool."""
        for x, y, _ in self.streamed(split, batch_size, rng):
            yield x, y

    def streamed(
        self, split: str, batch_size: int, rng: np.random.Generator | None, *, series: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Batches of a split in a stream from disk, shuffled within the pool.

        Args:
            split: which windows.
            batch_size: windows in a batch.
            rng: decides the order; None for that of series and time.
            series: whether to read the series of the windows.

        Yields:
            Inputs, targets and the series of each window; empty where they are not read.
        """
        blocks = (block[1:] for block in self._blocks(split, rng, series=series))
        yield from shuffled(blocks, batch_size, rng, self._pool_bytes)

    def _blocks(
        self, split: str, rng: np.random.Generator | None, *, series: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """See ``decoded``, of one row group after another."""
        groups = self.row_groups(split)
        order = np.arange(len(groups)) if rng is None else rng.permutation(len(groups))
        chosen = [groups[position] for position in order.tolist()]
        yield from self.decoded(chosen, series=series)

    def read_parts(self, split: str, columns: tuple[str, ...]) -> Iterator[Windows]:
        """The windows of a split in order, as many at a time as lie in one file; see ``read``."""
        for file in self._parts(split):
            yield self._read([file], columns)

    def row_groups(self, split: str) -> list[RowGroup]:
        """The row groups of a split, in order of series and time."""
        if split not in self._row_groups:
            self._row_groups[split] = [
                RowGroup(file, number, about.row_group(number).num_rows)
                for file in self._parts(split)
                for about in [pq.read_metadata(file)]
                for number in range(about.num_row_groups)
            ]
        return self._row_groups[split]

    def labels(self, groups: Sequence[RowGroup]) -> tuple[np.ndarray, np.ndarray]:
        """Series, and times of the first target rows, of the windows of some row groups."""
        table = pa.concat_tables(
            pq.ParquetFile(group.file, read_dictionary=["series"]).read_row_group(
                group.number, columns=["series", "origin"], use_threads=False
            )
            for group in groups
        )
        return _labels(table)

    def decoded(
        self, groups: Sequence[RowGroup], *, series: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """The windows of some row groups one by one, decoded ahead in threads.

        Args:
            groups: the row groups.
            series: whether to read the series of the windows.

        Yields:
            First rows, inputs, targets and the series of each window; empty where they are not read.
        """
        columns = ["first_row", "x", "y", *(["series"] if series else [])]

        def decode(group: RowGroup) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
            table = pq.ParquetFile(group.file, read_dictionary=["series"]).read_row_group(
                group.number, columns=columns, use_threads=False
            )
            labels = _series(table) if series else np.zeros((len(table), 0))
            first_row = table.column("first_row").to_numpy()
            return first_row, _ndarray(table.column("x")), _ndarray(table.column("y")), labels

        threads = min(4, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Future[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = deque()
            for group in groups:
                ahead.append(pool.submit(decode, group))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()


def shuffled(
    blocks: Iterable[tuple[np.ndarray, ...]], batch_size: int, rng: np.random.Generator | None,
    pool_bytes: int,
) -> Iterator[Any]:  # fmt: skip
    """Blocks of windows as batches; only the last may be smaller.

    Args:
        blocks: of inputs, targets and what else belongs to each window.
        batch_size: windows in a batch.
        rng: shuffles the windows that are in memory together; None keeps their order.
        pool_bytes: memory for these.
    """
    held: list[tuple[np.ndarray, ...]] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += sum(array.nbytes for array in block)
        if size >= pool_bytes:
            arrays, order = _pooled(held, rng)
            whole = len(order) - len(order) % batch_size
            yield from _in_batches(arrays, order[:whole], batch_size)
            held = [tuple(array[order[whole:]] for array in arrays)]
            size = sum(array.nbytes for array in held[0])
    if held:
        yield from _in_batches(*_pooled(held, rng), batch_size)


def _pooled(
    held: list[tuple[np.ndarray, ...]], rng: np.random.Generator | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """The windows of some blocks, and their order."""
    arrays = [_joined(list(of_blocks)) for of_blocks in zip(*held, strict=True)]
    count = len(arrays[0])
    return arrays, np.arange(count) if rng is None else rng.permutation(count)


def _in_batches(
    arrays: list[np.ndarray], order: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield tuple(array[rows] for array in arrays)


def _labels(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Series, and times of the first target rows, of the windows of a table."""
    return _series(table), table.column("origin").cast(pa.timestamp("us")).to_numpy()


def _series(table: pa.Table) -> np.ndarray:
    """The series of the windows of a table, text ``(n,)``."""
    series = table.column("series").unify_dictionaries().combine_chunks()
    labels = series.dictionary.to_numpy(zero_copy_only=False).astype(object)
    of_windows: np.ndarray = labels[series.indices]
    return of_windows


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _ndarray(column: pa.ChunkedArray) -> np.ndarray:
    """A tensor column as one array, copied only where it has several chunks."""
    return _joined([chunk.to_numpy_ndarray() for chunk in column.chunks])
