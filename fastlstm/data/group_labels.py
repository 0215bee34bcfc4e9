"""The group of each row of a source file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.config.data import DataConfig
from fastlstm.config.group_names import group_name
from fastlstm.data.file_formats import read_columns
from fastlstm.data.files import SourceFile
from fastlstm.errors import DataError


def group_labels(
    source: SourceFile, data: DataConfig, columns: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """The group of each row: its position, ``(rows,)`` of int, in the names of the file's groups.

    Args:
        source: the file.
        data: the roles of its other columns.
        columns: those whose values divide the rows.

    Raises:
        DataError: a column is absent, empty in a row, or holds numbers with a fraction; or a value is
            too long for a folder's name.
    """
    labels = {name: _labels(source, data, name) for name in columns}
    codes, groups = pd.factorize(pd.MultiIndex.from_arrays(list(labels.values())))
    try:
        names = [group_name(dict(zip(columns, values, strict=True))) for values in groups.to_list()]
    except ValueError as error:
        raise DataError(f"{source.path}: models_by: {error}") from None
    return codes, names


def _labels(source: SourceFile, data: DataConfig, name: str) -> pd.Index:
    """The values of a column as text.

    Raises:
        DataError: it is absent, empty in a row, or holds numbers with a fraction.
    """
    # Read like the series column, whose labels are text whatever a CSV file holds.
    columns = read_columns(source, data.model_copy(update={"series": name}), [])
    next(columns)
    column = next(columns)
    where = f"{source.path}: column {name!r}, which models_by lists,"
    if pa.types.is_floating(column.type):
        raise DataError(f"{where} holds {column.type}; label groups with text or integers")
    text = pc.cast(column, pa.string())
    empty = pc.or_kleene(pc.is_null(text), pc.equal(text, "")).fill_null(True)
    if pc.any(empty).as_py():
        row = int(np.flatnonzero(empty.to_numpy(zero_copy_only=False))[0])
        raise DataError(
            f"{where} is empty in {pc.sum(empty).as_py():,} rows, first data row {row + 1}; name the "
            "group of every row, or drop those rows"
        )
    labels: pd.Index = pd.Index(text.to_pandas())
    return labels
