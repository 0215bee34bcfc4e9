"""The group of each row of a source file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.config.data import DataConfig
from fastlstm.config.group_names import group_name
from fastlstm.data.file_formats import read_blocks_of
from fastlstm.data.files import SourceFile
from fastlstm.errors import DataError


def group_blocks(
    source: SourceFile, data: DataConfig, columns: Sequence[str], values: list[str]
) -> Iterator[tuple[np.ndarray, list[str], pa.Table]]:
    """The rows of a file with their groups, one block after another.

    Args:
        source: the file.
        data: the roles of its other columns.
        columns: those whose values divide the rows.
        values: names of the value columns to read.

    Yields:
        The group of each row, as its position ``(rows,)`` of int in the names of the block's groups;
        these names; and the rows: time, series and value columns.

    Raises:
        DataError: a column is absent, empty in a row, or holds numbers with a fraction; or a value is
            too long for a folder's name.
    """
    names = [data.time, *([data.series] if data.series else []), *values]
    rows = _tables(read_blocks_of(source, data, values), names)
    labels = [
        # Read like the series column, whose labels are text whatever a CSV file holds.
        _tables(
            read_blocks_of(
                source, data.model_copy(update={"series": name, "series_parts": []}), []
            ),
            ["", name],
        )
        for name in columns
    ]
    for block, *of_block in _aligned([rows, *labels]):
        found = [
            _labels(table.column(1), source, data, name)
            for table, name in zip(of_block, columns, strict=True)
        ]
        codes, groups = pd.factorize(pd.MultiIndex.from_arrays(found))
        try:
            given = [dict(zip(columns, each, strict=True)) for each in groups.to_list()]
            yield codes, [group_name(one) for one in given], block
        except ValueError as error:
            raise DataError(f"{source.path}: models_by: {error}") from None


def _tables(blocks: Iterator[Iterator[pa.ChunkedArray]], names: list[str]) -> Iterator[pa.Table]:
    """Blocks of a file as tables, dictionaries decoded."""
    for block in blocks:
        yield pa.Table.from_arrays([_decoded(column) for column in block], names)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_dictionary = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if is_dictionary else column


def _aligned(streams: list[Iterator[pa.Table]]) -> Iterator[list[pa.Table]]:
    """Blocks with the same rows, from readings of the same rows in blocks of their own."""
    held: list[pa.Table] = []
    while True:
        for number, stream in enumerate(streams):
            while len(held) <= number or not len(held[number]):
                block = next(stream, None)
                if block is None:
                    return
                held[number : number + 1] = [block]
        size = min(map(len, held))
        yield [table.slice(0, size) for table in held]
        held = [table.slice(size) for table in held]


def _labels(column: pa.ChunkedArray, source: SourceFile, data: DataConfig, name: str) -> pd.Index:
    """The values of a column as text.

    Raises:
        DataError: it is empty in a row, or holds numbers with a fraction.
    """
    if pa.types.is_floating(column.type):
        raise DataError(
            f"{_where(source, name)} holds {column.type}; label groups with text or integers"
        )
    text = pc.cast(column, pa.string())
    if pc.any(_empty(text)).as_py():
        _raise_empty(source, data, name)
    labels: pd.Index = pd.Index(text.to_pandas())
    return labels


def _where(source: SourceFile, name: str) -> str:
    return f"{source.path}: column {name!r}, which models_by lists,"


def _empty(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_kleene(pc.is_null(text), pc.equal(text, "")).fill_null(True)


def _raise_empty(source: SourceFile, data: DataConfig, name: str) -> NoReturn:
    """Count the rows of a file in which a column is empty.

    Raises:
        DataError: always.
    """
    first, count, before = None, 0, 0
    blocks = read_blocks_of(
        source, data.model_copy(update={"series": name, "series_parts": []}), []
    )
    for table in _tables(blocks, ["", name]):
        empty = _empty(pc.cast(table.column(1), pa.string())).to_numpy()
        if first is None and empty.any():
            first = before + int(np.flatnonzero(empty)[0]) + 1
        count, before = count + int(empty.sum()), before + len(empty)
    raise DataError(
        f"{_where(source, name)} is empty in {count:,} rows, first data row {first}; name the "
        "group of every row, or drop those rows"
    )
