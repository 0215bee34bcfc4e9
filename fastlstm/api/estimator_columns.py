"""Columns of names in the tables that scikit-learn's estimators take: indicators in their place."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastlstm.api.row_table import as_names
from fastlstm.config.categories import indicators
from fastlstm.config.column_roles import FEW_CATEGORIES
from fastlstm.data.categories import categories_of, numbered, unknown_text
from fastlstm.errors import DataError

# What pandas finds in columns of objects that are names.
_NAMES = ("string", "boolean", "mixed", "mixed-integer", "categorical")


@dataclass(frozen=True)
class NamedColumns:
    """The categories of the columns of a table that hold names, as the training rows taught them.

    Attributes:
        columns: all columns of the table, in order.
        categories: of each column of names, in order.
    """

    columns: tuple[str, ...]
    categories: dict[str, list[str]]

    @classmethod
    def of(cls, X: pd.DataFrame, train_rows: int) -> NamedColumns | None:
        """Learn them from the first rows; None where no column holds names.

        Args:
            X: the table, ``(n, n_columns)``.
            train_rows: number of rows that teach.

        Raises:
            DataError: two columns have one name.
        """
        columns = tuple(map(str, X))
        named = [name for name, column in zip(columns, X, strict=True) if _holds_names(X, column)]
        if not named:
            return None
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise DataError(f"X: has two columns {twice!r}; rename one")
        table, categories = X.set_axis(list(columns), axis=1), {}
        for name in named:
            names = as_names(table[name])[:train_rows]
            counts = {str(label): int(n) for label, n in names.value_counts().items()}
            categories[name] = categories_of(
                counts, name, has_missing=bool(names.isna().any()), is_label=False
            )
        return cls(columns, categories)

    @property
    def widths(self) -> list[int]:
        """Number of columns that each column becomes."""
        return [len(self.categories.get(name, ("",))) for name in self.columns]

    @property
    def starts(self) -> list[int]:
        """Number of the first column that each column becomes."""
        return [0, *itertools.accumulate(self.widths)][:-1]

    @property
    def embedded(self) -> list[list[int]]:
        """Numbers of the indicators of each column with many categories."""
        return [
            list(range(start, start + width))
            for start, width in zip(self.starts, self.widths, strict=True)
            if width > FEW_CATEGORIES
        ]

    def numbers(self, X: pd.DataFrame | Sequence[Sequence[object]] | np.ndarray) -> pd.DataFrame:
        """The table with indicators in place of names, ``(n, sum(widths))``.

        A category that no training row has is none of the known ones, and is counted in a warning.

        Args:
            X: a table with these columns, or rows of them in the same order.
        """
        if isinstance(X, pd.DataFrame):
            table = X.set_axis(list(self.columns), axis=1)
        else:
            table = pd.DataFrame(np.asarray(X, dtype=object), columns=list(self.columns))
        parts = {}
        for name in self.columns:
            if name not in self.categories:
                parts[name] = table[name]
                continue
            number, counts = numbered(as_names(table[name]), self.categories[name])
            if counts.unknown:
                warnings.warn(f"X: {unknown_text(name, counts)}", stacklevel=2)
            made = indicators(name, self.categories[name])
            for position, indicator in enumerate(made):
                if indicator in self.columns:
                    raise DataError(
                        f"X: a category of {name!r} becomes {indicator!r}, which is another column "
                        "too; rename one of these columns"
                    )
                parts[indicator] = pd.Series((number == position) * 1.0, table.index)
        return pd.DataFrame(parts)


def _holds_names(X: pd.DataFrame, column: object) -> bool:
    """Whether a column holds text, categories or booleans among objects."""
    values = X[column]
    if isinstance(values, pd.DataFrame):
        return False  # two columns of one name, which scikit-learn refuses or takes as numbers
    if isinstance(values.dtype, pd.CategoricalDtype):
        return True
    if pd.api.types.is_string_dtype(values.dtype) and values.dtype != object:
        return True
    if values.dtype != object:
        return False
    return pd.api.types.infer_dtype(values, skipna=True) in _NAMES
