"""Window arithmetic: which rows make a window, and views of them without copying.

The window with origin row ``t`` has inputs ``X[t - timesteps : t]`` and targets
``Y[t : t + steps_ahead]``; row ``t`` itself is never an input.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def window_origins(segment: np.ndarray, timesteps: int, span: int) -> np.ndarray:
    """Origin rows of every window that stays within one unbroken stretch of one series.

    Args:
        segment: number of each row's stretch, never falling, shape ``(n,)``.
        timesteps: input rows before the origin.
        span: rows from the origin on that the targets depend on (``steps_ahead``, and the rows a
            derived target looks ahead).

    Returns:
        int64 row numbers in rising order.
    """
    count = len(segment) - timesteps - span + 1
    if count <= 0:
        return np.zeros(0, np.int64)
    whole = segment[:count] == segment[timesteps + span - 1 :]
    return np.flatnonzero(whole) + timesteps


def input_windows(features: np.ndarray, origins: np.ndarray, timesteps: int) -> np.ndarray:
    """Inputs of the windows, ``(n_windows, timesteps, n_features)``, from rows ``(n, n_features)``."""
    view = sliding_window_view(features, timesteps, axis=0)
    return np.ascontiguousarray(view[origins - timesteps].transpose(0, 2, 1))


def target_windows(targets: np.ndarray, origins: np.ndarray, steps_ahead: int) -> np.ndarray:
    """Targets of the windows, ``(n_windows, steps_ahead, n_targets)``, from ``(n, n_targets)``."""
    view = sliding_window_view(targets, steps_ahead, axis=0)
    return np.ascontiguousarray(view[origins].transpose(0, 2, 1))


def output_names(targets: list[str], steps_ahead: int) -> list[str]:
    """Names of the network's outputs, step-major: ``<target>`` or ``<target>_step_<k>``, k from 1."""
    if steps_ahead == 1:
        return list(targets)
    return [f"{name}_step_{k}" for k in range(1, steps_ahead + 1) for name in targets]
