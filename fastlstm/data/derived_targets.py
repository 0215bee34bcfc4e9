"""Targets computed from the next rows of a column."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastlstm.config.columns import DerivedTarget


def derive(values: np.ndarray, block: np.ndarray, target: DerivedTarget) -> np.ndarray:
    """The label of every row ``t``: the operation over rows ``t .. t + horizon - 1``.

    Args:
        values: the source column, shape ``(n,)``, without missing values.
        block: number of each row's contiguous block, shape ``(n,)``.
        target: operation, threshold and horizon.

    Returns:
        float64 of shape ``(n,)``; NaN where the horizon reaches beyond the row's block. With bins the
        number of the class, from 0.
    """
    out = np.full(len(values), np.nan)
    horizon = target.horizon
    if len(values) < horizon:
        return out
    ahead = sliding_window_view(values, horizon)
    known = np.arange(len(ahead))[block[: len(ahead)] == block[horizon - 1 :]]
    ahead = ahead[known]
    match target.operation:
        case "any_above":
            out[known] = (ahead > target.threshold).any(axis=1)
        case "any_below":
            out[known] = (ahead < target.threshold).any(axis=1)
        case "max":
            out[known] = ahead.max(axis=1)
        case "min":
            out[known] = ahead.min(axis=1)
        case "mean":
            out[known] = ahead.mean(axis=1)
        case "sum":
            out[known] = ahead.sum(axis=1)
    if target.bins is not None:
        out[known] = np.searchsorted(target.bins, out[known])
    return out
