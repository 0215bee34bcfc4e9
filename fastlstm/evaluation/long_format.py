"""Tables with one row per window, step ahead and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def long_format(columns: Mapping[str, Any], steps: int, targets: Sequence[str]) -> pd.DataFrame:
    """A table with one row per window, step ahead (from 1) and target, in this order.

    Args:
        columns: by name the values of the windows ``(n,)``, of their steps ``(n, steps)`` or of each
            step's targets ``(n, steps, n_targets)``; ``datetime64`` values are times in UTC.
        steps: steps ahead.
        targets: names of the targets.

    Returns:
        The given columns, and ``step`` and ``target``.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shape = (len(next(iter(arrays.values()))), steps, len(targets))
    arrays["step"] = np.broadcast_to(np.arange(1, steps + 1, dtype=np.int32)[None, :], shape[:2])
    arrays["target"] = np.broadcast_to(np.asarray(targets, dtype=object), shape)
    frame = pd.DataFrame({name: _flat(values, shape) for name, values in arrays.items()})
    times = frame.select_dtypes("datetime").columns
    return frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times})


def _flat(values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Values of windows, steps or targets as one column."""
    with_all_axes = values.reshape(*values.shape, *(1,) * (3 - values.ndim))
    return np.broadcast_to(with_all_axes, shape).reshape(-1)
