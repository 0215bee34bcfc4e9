"""The pipeline step that divides a source into one file for each group of ``models_by``."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.config.group_names import POOLED, POOLED_SERIES
from fastlstm.config.groups import GroupsConfig
from fastlstm.data.file_formats import column_names
from fastlstm.data.files import source_files
from fastlstm.data.group_labels import group_blocks
from fastlstm.data.memory import give_back
from fastlstm.data.tables import in_row_groups
from fastlstm.errors import DataError


def group_file(folder: Path, group: str) -> Path:
    """The file of a group's rows in a folder of ``split_into``."""
    return folder / f"{group}.parquet"


def split_into(
    folder: Path, data: DataConfig, models_by: list[str], groups: GroupsConfig, window_rows: int,
) -> dict[str, Any]:  # fmt: skip
    """Write the rows of each group into a Parquet file, as they stand in the source.

    A group's file depends on its own rows alone, so its hash says whether they changed.

    Args:
        folder: the step's folder.
        data: the source and the roles of its columns.
        models_by: columns whose values divide the rows.
        groups: which groups are too small.
        window_rows: rows one window spans.

    Returns:
        ``count`` and ``groups`` (rows of each that has a model, by name), ``pooled`` and ``refused``
        (rows of those that are too small) and ``minimum_rows``.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file or column cannot be read, or there are no rows.
    """
    minimum = groups.minimum_rows or 10 * window_rows
    pools = groups.small == "pool"
    with _spooled(folder, data, models_by, data.value_columns) as spool:
        small = {name: count for name, count in spool.rows.items() if count < minimum}
        files = {name: {name: False} for name in spool.rows if name not in small}
        if small and pools:
            files[POOLED] = dict.fromkeys(small, True)
        for name in sorted(files):
            spool.write(files[name], group_file(folder, name))
        own = {name: sum(spool.rows[group] for group in files[name]) for name in sorted(files)}
    return {
        "count": len(own),
        "groups": own,
        "pooled": small if pools else {},
        "refused": {} if pools else small,
        "minimum_rows": minimum,
    }


def split_newest_into(
    folder: Path, data: DataConfig, models_by: list[str], model_of: Callable[[str], str | None]
) -> dict[str, list[str]]:
    """Write the newest rows of all groups into a Parquet file for each model that forecasts them.

    Args:
        folder: where to write.
        data: the newest rows and the roles of their columns; columns that a file lacks are left out.
        models_by: columns whose values divide the rows.
        model_of: from a group's name to the name of the group whose model forecasts it; None: none.

    Returns:
        The groups of each model, by its group's name; of no model, under an empty name.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file or column cannot be read, or there are no rows.
    """
    by_model: dict[str, dict[str, bool]] = {}
    groups: dict[str, list[str]] = {}
    with _spooled(folder, data, models_by, None) as spool:
        for name in spool.rows:
            model = model_of(name)
            groups.setdefault(model or "", []).append(name)
            if model is not None:
                by_model.setdefault(model, {})[name] = model != name
        for model, files in by_model.items():
            spool.write(files, group_file(folder, model))
    return groups


@contextmanager
def _spooled(
    folder: Path, data: DataConfig, models_by: list[str], values: list[str] | None
) -> Iterator[_Spool]:
    """The rows of all groups, read in one pass and kept on disk meanwhile.

    Args:
        folder: an existing folder.
        data: the source and the roles of its columns.
        models_by: columns whose values divide the rows.
        values: value columns to read; None: those that a file has.

    Raises:
        DataError: a file or column cannot be read, or there are no rows.
    """
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=folder) as name:
        spool = _Spool(Path(name), data.series)
        for source in source_files(data.path, data.format).files:
            there = column_names(source, data) if values is None else values
            read = [name for name in data.own_columns(data.value_columns) if name in there]
            spool.add(group_blocks(source, data, models_by, read))
            give_back()
        if not spool.rows:
            raise DataError(f"{data.path}: holds no rows; give a table with rows")
        yield spool


class _Spool:
    """The rows of a source by group: one file for each of its files, a batch for each group and block.

    Args:
        folder: an empty folder.
        series: name of the series column; None without one.
    """

    def __init__(self, folder: Path, series: str | None) -> None:
        self._folder, self._series = folder, series
        self._files: list[Path] = []
        # Numbers of file and batch, in order of the source.
        self._batches: dict[str, list[tuple[int, int]]] = {}
        self._rows: dict[str, int] = {}

    @property
    def rows(self) -> dict[str, int]:
        """Number of rows of each group, in order of the names."""
        return dict(sorted(self._rows.items()))

    def add(self, blocks: Iterator[tuple[np.ndarray, list[str], pa.Table]]) -> None:
        """Add the rows of a file; see ``fastlstm.data.group_labels.group_blocks``."""
        first = next(blocks, None)
        if first is None:
            return
        file, number, written = self._folder / f"{len(self._files)}.arrow", len(self._files), 0
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(str(file), first[2].schema, options=options) as writer:
            for codes, names, block in itertools.chain([first], blocks):
                order = np.argsort(codes, kind="stable")
                sorted_rows = block.take(pa.array(order)).combine_chunks().to_batches()[0]
                counts = np.bincount(codes, minlength=len(names))
                for name, end, count in zip(
                    names, np.cumsum(counts).tolist(), counts.tolist(), strict=True
                ):
                    writer.write_batch(sorted_rows.slice(end - count, count))
                    self._batches.setdefault(name, []).append((number, written))
                    self._rows[name] = self._rows.get(name, 0) + count
                    written += 1
        self._files.append(file)

    def write(self, groups: dict[str, bool], file: Path) -> None:
        """Write the rows of some groups as a Parquet file whose bytes depend on them alone.

        Args:
            groups: names, each with whether its rows get a series column that tells the series of
                different groups apart.
            file: the file.
        """
        with ExitStack() as opened:
            readers: dict[int, pa.RecordBatchFileReader] = {}
            for number in sorted({n for group in groups for n, _ in self._batches[group]}):
                mapped = opened.enter_context(pa.memory_map(str(self._files[number])))
                readers[number] = pa.ipc.open_file(mapped)

            def tables() -> Iterator[pa.Table]:
                for group, has_own_series in groups.items():
                    for number, batch in self._batches[group]:
                        rows = pa.Table.from_batches([readers[number].get_batch(batch)])
                        yield self._with_own_series(rows, group) if has_own_series else rows

            schemas = []
            for group, has_own_series in groups.items():
                for number in sorted({n for n, _ in self._batches[group]}):
                    empty = readers[number].schema.empty_table()
                    table = self._with_own_series(empty, group) if has_own_series else empty
                    if table.schema not in schemas:
                        schemas.append(table.schema)
            schema = _common_schema(schemas)
            cast = (_cast(table, schema) for table in tables())
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for rows in in_row_groups(cast, schema):
                    writer.write_table(rows)

    def _with_own_series(self, rows: pa.Table, group: str) -> pa.Table:
        """Rows with a series column that tells the series of different groups apart."""
        if self._series is None:
            labels = pa.repeat(pa.scalar(group), len(rows))
        else:
            own = rows.column(self._series).cast(pa.string()).to_pandas()
            labels = pa.array(group + "/" + own, pa.string())
        return rows.append_column(POOLED_SERIES, labels)


def _common_schema(schemas: list[pa.Schema]) -> pa.Schema:
    """Columns of rows of several files; one may have other types in them."""
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # The time or series column is text in one file and no text in another.
        types: dict[str, set[pa.DataType]] = {}
        for field in (field for schema in schemas for field in schema):
            types.setdefault(field.name, set()).add(field.type)
        return pa.schema(
            [(n, found.pop() if len(found) == 1 else pa.string()) for n, found in types.items()]
        )


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the types of a schema; a column that they lack is missing in all of them."""
    for number, name in enumerate(rows.column_names):
        wanted = schema.field(name).type
        if pa.types.is_string(wanted) and not pa.types.is_string(rows.schema.types[number]):
            rows = rows.set_column(number, name, rows.column(number).cast(wanted))
    return pa.concat_tables([schema.empty_table(), rows], promote_options="permissive")
