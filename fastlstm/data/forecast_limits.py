"""Forecasts within the limits that are declared for their targets.

The limits are in the targets' own units, and a network forecasts scaled values, so forecasts are clipped
wherever they are given in the targets' units; the network and its file know nothing of limits.
"""

from __future__ import annotations

import numpy as np

from fastlstm.config.data import DataConfig


def clip_forecasts(forecasts: np.ndarray, data: DataConfig, *, axis: int = -1) -> np.ndarray:
    """Forecasts, quantiles or bounds of intervals, none beyond the limits of its target.

    The order of quantiles and bounds stays, and as no true value lies beyond the limits, an interval
    holds the same true values as before.

    Args:
        forecasts: in the targets' units, of any shape with an axis of the targets; NaN stays.
        data: the targets and their limits; see ``DataConfig.forecast_limits``.
        axis: the axis of the targets.

    Returns:
        The same array where there are no limits.
    """
    limits = data.forecast_limits
    if not limits:
        return forecasts
    shape = [1] * forecasts.ndim
    shape[axis] = len(data.targets)
    # As float64, None is NaN, which np.fmax and np.fmin pass over.
    of_targets = np.array([limits.get(target, [None, None]) for target in data.targets], np.float64)
    lower, upper = (of_targets[:, end].reshape(shape) for end in (0, 1))
    clipped: np.ndarray = np.fmin(np.fmax(forecasts, lower), upper)
    return np.where(np.isnan(forecasts), np.nan, clipped)
