"""The pipeline step that divides a source into one file for each group of ``models_by``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.config.group_names import POOLED, POOLED_SERIES
from fastlstm.config.groups import GroupsConfig
from fastlstm.data.file_formats import column_names, read_columns
from fastlstm.data.files import SourceFile, source_files
from fastlstm.data.group_labels import group_labels
from fastlstm.data.memory import give_back
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
    pieces = _pieces(data, models_by, data.value_columns)
    minimum = groups.minimum_rows or 10 * window_rows
    rows = {name: sum(map(len, pieces[name])) for name in sorted(pieces)}
    small = {name: count for name, count in rows.items() if count < minimum}
    pools = groups.small == "pool"
    if small and pools:
        pooled = [_with_own_series(pieces.pop(name), name, data) for name in small]
        pieces[POOLED] = [piece for one in pooled for piece in one]
    own: dict[str, int] = {}
    for name in sorted(pieces):
        if name in small:
            continue
        own[name] = sum(map(len, pieces[name]))
        pq.write_table(_joined(pieces.pop(name)), group_file(folder, name), compression="zstd")
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
    by_model: dict[str, list[pa.Table]] = {}
    groups: dict[str, list[str]] = {}
    for name, pieces in sorted(_pieces(data, models_by, None).items()):
        model = model_of(name)
        groups.setdefault(model or "", []).append(name)
        if model is not None:
            own = pieces if model == name else _with_own_series(pieces, name, data)
            by_model.setdefault(model, []).extend(own)
    for model, tables in by_model.items():
        pq.write_table(_joined(tables), group_file(folder, model), compression="zstd")
    return groups


def _pieces(
    data: DataConfig, models_by: list[str], values: list[str] | None
) -> dict[str, list[pa.Table]]:
    """The rows of each group, one table for each file that has any.

    Args:
        data: the source and the roles of its columns.
        models_by: columns whose values divide the rows.
        values: value columns to read; None: those that a file has.

    Raises:
        DataError: a file or column cannot be read, or there are no rows.
    """
    pieces: dict[str, list[pa.Table]] = {}
    for source in source_files(data.path, data.format).files:
        there = column_names(source, data) if values is None else values
        read = [name for name in data.value_columns if name in there]
        for name, rows in _rows_by_group(source, data, models_by, read):
            pieces.setdefault(name, []).append(rows)
        give_back()
    if not pieces:
        raise DataError(f"{data.path}: holds no rows; give a table with rows")
    return pieces


def _rows_by_group(
    source: SourceFile, data: DataConfig, models_by: list[str], values: list[str]
) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each group of a file: time, series and value columns."""
    codes, names = group_labels(source, data, models_by)
    columns = [data.time, *([data.series] if data.series else []), *values]
    read = dict(zip(columns, read_columns(source, data, values), strict=True))
    order = np.argsort(codes, kind="stable")
    table = pa.table(read).take(pa.array(order))
    counts = np.bincount(codes, minlength=len(names))
    for name, end, count in zip(names, np.cumsum(counts), counts, strict=True):
        yield name, table.slice(end - count, count)


def _with_own_series(pieces: list[pa.Table], group: str, data: DataConfig) -> list[pa.Table]:
    """Rows with a series column that tells the series of different groups apart."""
    found = []
    for piece in pieces:
        if data.series is None:
            labels = pa.repeat(pa.scalar(group), len(piece))
        else:
            own = piece.column(data.series).cast(pa.string()).to_pandas()
            labels = pa.array(group + "/" + own, pa.string())
        found.append(piece.append_column(POOLED_SERIES, labels))
    return found


def _joined(pieces: list[pa.Table]) -> pa.Table:
    """One table of rows of several files; a column may have other types in them."""
    try:
        return pa.concat_tables(pieces, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # The time or series column is text in one file and no text in another.
        as_text = [
            pa.table({n: _as_text_where_mixed(n, p, pieces) for n in p.column_names})
            for p in pieces
        ]
        return pa.concat_tables(as_text, promote_options="permissive")


def _as_text_where_mixed(name: str, piece: pa.Table, pieces: list[pa.Table]) -> pa.ChunkedArray:
    types = {other.column(name).type for other in pieces}
    column = piece.column(name)
    return column if len(types) == 1 else column.cast(pa.string())
