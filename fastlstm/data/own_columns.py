"""Columns of a table that have the name of one that the settings make.

What is made would take the place of the table's own column, or the other way round, so such a table is
refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.made_columns import made_columns
from fastlstm.errors import DataError

# Made values and those of a table, which may have been stored as float32 or text, differ by rounding.
_ROUNDING = 1e-5


def refuse_own_columns(where: str, names: Collection[str], data: DataConfig) -> None:
    """Refuse a table with a column that the settings make.

    Args:
        where: the table, for messages.
        names: its columns.
        data: the settings.

    Raises:
        DataError: names the column, the setting and the remedy.
    """
    for name, maker in made_columns(data).items():
        if name in names:
            raise DataError(
                f"{where}: has a column {name!r}, which {maker.text}; rename it there or leave it out, "
                f"or {maker.remedy}"
            )


def refuse_other_values(
    where: str, own: pd.DataFrame, made: Mapping[str, Any], data: DataConfig
) -> None:
    """Refuse columns in memory whose values are not those that the settings make.

    A table with the same values, such as the features that a run has stored, is taken.

    Args:
        where: the table, for messages.
        own: its columns.
        made: values that are made of the same rows, by name, ``(n,)`` each; NaN where not known.
        data: the settings.

    Raises:
        DataError: names the column, the first row, the setting and the remedy.
    """
    for name in {*made} & {*own}:
        values = pd.to_numeric(own[name], errors="coerce").to_numpy(np.float64)
        others = np.asarray(made[name], np.float64)
        known = np.isfinite(values) & np.isfinite(others)
        differs = known & ~np.isclose(values, others, rtol=_ROUNDING, atol=_ROUNDING)
        if differs.any():
            row, maker = int(differs.argmax()), made_columns(data, "")[name]
            raise DataError(
                f"{where}: has a column {name!r}, which {maker.text}, with other values, first in row "
                f"{row}: {values[row]:g}, made {others[row]:g}; rename it or leave it out, or "
                f"{maker.remedy}"
            )
