"""Labels of series as text, never read as numbers or missing values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.errors import DataError


def as_labels(column: pa.ChunkedArray, where: str, first_row: int) -> pd.Series:
    """A column of labels as text, ``(n,)``: 'NA', 'None' and '007' are labels like any other.

    Args:
        column: the column as read.
        where: file and column, for messages.
        first_row: number of the first row in messages.

    Raises:
        DataError: a label is empty, or labels are neither text nor whole numbers.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        raise DataError(
            f"{where} holds {column.type}, in which 7 may have been '007'; label series with text or "
            "integers"
        )
    try:
        text = column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{where} holds {column.type}; label series with text or integers"
        ) from None
    empty = pc.fill_null(pc.equal(text, ""), True).to_numpy()
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise DataError(
            f"{where} is empty in {int(empty.sum())} rows, first in row {row + first_row}; name the "
            "series of every row"
        )
    labels: pd.Series = text.to_pandas().astype("str")
    return labels


def mistaken_labels(labels: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """New labels that differ from a known one as if a program had read it as a number, or its case.

    Args:
        labels: those of new rows.
        known: those that a network was trained on.

    Returns:
        The known label for each such new one, e.g. ``{'7': '007'}``; none for a known label that the new
        rows have too.
    """
    new, trained = set(map(str, labels)), set(map(str, known))
    absent = {_loose(label): label for label in sorted(trained - new)}
    return {
        label: absent[_loose(label)] for label in sorted(new - trained) if _loose(label) in absent
    }


def _loose(label: str) -> str:
    """A label without what programs change when they guess: zeros in front, '.0', spaces, case."""
    text = label.strip().casefold().removesuffix(".0")
    return text.lstrip("0") or "0"
