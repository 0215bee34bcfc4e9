"""Suspected leakage in rows in memory: a warning, and a line of the report."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd

from fastlstm.api.row_table import RowSettings, RowTable
from fastlstm.data.column_names import SERIES
from fastlstm.data.findings import Finding
from fastlstm.data.leakage import comparable, leak_text, suspected_leaks


def with_suspected_leaks(table: RowTable, settings: RowSettings) -> RowTable:
    """The rows with a finding for each feature that seems to be a target of later rows.

    Each is a warning too. Known future covariates are left out: their later values are known.

    Args:
        table: the rows, names of categories as text.
        settings: how they were read.
    """
    targets = {str(name): _values(table.y[name]) for name in table.y}
    leaks = suspected_leaks(
        {
            str(name): _values(table.x[name])
            for name in table.x
            if name not in settings.known_columns
        },
        targets,
        pd.factorize(table.frame[SERIES])[0],
        dict.fromkeys(targets, settings.target_lookahead),
    )
    found = [Finding("leak suspected", leak.feature, 0, leak_text(leak), []) for leak in leaks]
    for leak in leaks:
        warnings.warn(f"X_data: column {leak.feature!r}: {leak_text(leak)}", stacklevel=2)
    return replace(table, findings=(*table.findings, *found))


def _values(column: pd.Series) -> np.ndarray:
    """Numbers that are the same for the same value in any column, ``(n,)``."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    number, names = pd.factorize(column)
    return comparable(number.astype(np.float64), [str(name) for name in names])
