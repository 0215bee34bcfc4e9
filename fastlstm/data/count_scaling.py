"""Scaling of counts: division by the mean alone, which keeps zero and ratios.

A Poisson or Tweedie deviance of a count and its forecast, both divided by one number, is that of the
count itself times a power of this number. So it can be the loss of scaled targets, where a scaler that
also shifts them would leave it without a meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.data.tables import Columns
from fastlstm.errors import DataError

# The fitted attributes, by scaler, with which it divides by a mean and subtracts nothing.
_ATTRIBUTES: dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]] = {
    "StandardScaler": lambda mean: {"mean_": 0 * mean, "scale_": mean, "var_": mean**2},
    "MinMaxScaler": lambda mean: {
        "data_min_": 0 * mean, "data_max_": mean, "data_range_": mean, "min_": 0 * mean,
        "scale_": 1 / mean,
    },
    "RobustScaler": lambda mean: {"center_": 0 * mean, "scale_": mean},
}  # fmt: skip


def divide_by_mean(scaler: Any, table: Columns, rows: np.ndarray, columns: list[str]) -> None:
    """Have a fitted scikit-learn scaler divide some columns by their mean, and subtract nothing.

    Args:
        scaler: one of ``fastlstm.config.scalers``.
        table: every row.
        rows: the rows it was fitted on, ``(n,)`` of bool; NaN does not count.
        columns: names of columns of the scaler without negative values.
    """
    for name in columns:
        divide_by(scaler, name, float(np.nanmean(table[name].to_numpy(np.float64)[rows])))


def divide_by(scaler: Any, column: str, mean: float) -> None:
    """Have a fitted scikit-learn scaler divide a column by its mean, by 1 where that is not above 0."""
    number = [str(name) for name in scaler.feature_names_in_].index(column)
    attributes = _ATTRIBUTES[type(scaler).__name__](np.asarray(mean if mean > 0 else 1.0))
    for attribute, value in attributes.items():
        getattr(scaler, attribute)[number] = value


def require_counts(targets: Columns, rows: np.ndarray, loss: str) -> None:
    """Refuse targets with negative values.

    Args:
        targets: the targets of every row.
        rows: the train rows with a known target, ``(n,)``.
        loss: name of the loss, for the error.

    Raises:
        DataError: a target has one.
    """
    for name in targets:
        values = targets[name].to_numpy(np.float64)[rows]
        refuse_negative(str(name), int((values < 0).sum()), values, loss)


def refuse_negative(target: str, negative: int, values: np.ndarray, loss: str) -> None:
    """Refuse a target with so many negative values; ``values`` hold the least.

    Raises:
        DataError: there are some.
    """
    if negative:
        raise DataError(
            f"target {target!r} has {negative} negative train values, the least "
            f"{np.nanmin(values):g}; loss {loss!r} is for counts and amounts: use 'mae', or declare "
            f"data.columns.{target}.minimum and correct the rows"
        )
