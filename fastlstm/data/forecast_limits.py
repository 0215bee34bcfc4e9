"""Forecasts within the limits of their targets, and rounded where that is set.

The limits are in the targets' own units, and a network forecasts scaled values, so forecasts are limited
wherever they are given in the targets' units; the network and its file know nothing of limits.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from fastlstm.config.data import DataConfig
from fastlstm.config.forecast_limits import forecast_limits
from fastlstm.config.hyperparameters import Hyperparameters

# How values of targets that are whole numbers are rounded; bounds outwards, so that an interval holds
# the same whole numbers and more.
_ROUNDING = {"forecast": np.rint, "lower": np.floor, "upper": np.ceil}


def limited(
    forecasts: np.ndarray,
    data: DataConfig,
    hyperparameters: Hyperparameters,
    *,
    kind: Literal["forecast", "lower", "upper"] = "forecast",
    axis: int = -1,
) -> np.ndarray:
    """Forecasts, quantiles or bounds of intervals, rounded and none beyond the limits of its target.

    The order of quantiles and bounds stays, and as no true value lies beyond the limits, an interval
    holds the same true values as before.

    Args:
        forecasts: in the targets' units, of any shape with an axis of the targets; NaN stays.
        data: the targets, their limits, and which of them are rounded.
        hyperparameters: the loss; see ``fastlstm.config.forecast_limits``.
        kind: whether the values are forecasts (or quantiles), or lower or upper bounds.
        axis: the axis of the targets.

    Returns:
        The same array where there is nothing to change.
    """
    limits, whole = forecast_limits(data, hyperparameters), data.rounded_targets
    if not limits and not whole:
        return forecasts
    shape = [1] * forecasts.ndim
    shape[axis] = len(data.targets)
    is_whole = np.array([target in whole for target in data.targets]).reshape(shape)
    rounded = np.where(is_whole, _ROUNDING[kind](forecasts), forecasts)
    # As float64, None is NaN, which np.fmax and np.fmin pass over.
    of_targets = np.array([limits.get(target, [None, None]) for target in data.targets], np.float64)
    lower, upper = (of_targets[:, end].reshape(shape) for end in (0, 1))
    clipped: np.ndarray = np.fmin(np.fmax(rounded, lower), upper)
    return np.where(np.isnan(forecasts), np.nan, clipped)
