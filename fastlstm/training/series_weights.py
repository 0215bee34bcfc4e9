"""Weights by which the series of a panel count alike in the loss, whatever their size.

Each series weighs by one over its own naive error. With the loss 'mae' the training then minimises the
mean absolute scaled error (MASE; Hyndman and Koehler 2006, "Another look at measures of forecast
accuracy") with the naive forecast of one step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastlstm.errors import ConfigError, DataError
from fastlstm.windows.source import Windows, WindowSource


def naive_errors(windows: Windows, season: int = 1) -> dict[str, float]:
    """Mean absolute change of the target from one season to the next, by series.

    Args:
        windows: with targets ``(n, steps_ahead, 1)``, sorted by series and time. The first target row
            of each counts; windows with a gap between them are not compared.
        season: rows in a season; 1 for the change from row to row.

    Returns:
        The naive error of each series that has one above 0.
    """
    first = windows.y[:, 0, 0].astype(np.float64)
    if len(first) <= season:
        return {}
    gap = (windows.origin[season:] - windows.origin[:-season]).astype(np.int64)
    same_series = windows.series[season:] == windows.series[:-season]
    if not same_series.any():
        return {}
    adjacent = same_series & (gap == gap[same_series].min())
    changes = np.abs(first[season:] - first[:-season])
    names, code = np.unique(windows.series[season:][adjacent].astype(str), return_inverse=True)
    means = np.bincount(code, changes[adjacent]) / np.bincount(code)
    return {str(n): float(m) for n, m in zip(names, means, strict=True) if m > 0}


def weight_of_series(dataset: WindowSource) -> dict[str, float]:
    """One over the naive error of each series, from the train windows alone.

    The weights average to 1 over the train windows, so that a learning rate means the same with and
    without them.

    Args:
        dataset: the windows.

    Returns:
        The weight of each series that has a naive error above 0.

    Raises:
        ConfigError: there are several targets.
        DataError: no series has a naive error above 0.
    """
    targets = dataset.manifest["targets"]
    if len(targets) > 1:
        raise ConfigError(
            f"loss_scaling: 'mase' is for one target, found {len(targets)}; train a model for each, "
            "or use 'none'"
        )
    train = dataset.read("train", columns=("y",))
    season = dataset.manifest.get("season") or 1
    errors = naive_errors(train, season) or naive_errors(train)
    inverse = {name: 1 / error for name, error in errors.items()}
    if not inverse:
        raise DataError(
            "loss_scaling: 'mase' finds no series whose target changes in the train windows; use "
            "'none', or give rows that change"
        )
    mean = float(np.nanmean(_by_window(inverse, train.series)))
    return {name: weight / mean for name, weight in inverse.items()}


def series_weights(weight_by_name: Mapping[str, float], series: np.ndarray) -> np.ndarray:
    """Weight of each window by its series, float32 ``(n,)``.

    A series without a weight (new after train, or constant in it) has the average one, which is 1.

    Args:
        weight_by_name: weight of each series; see ``weight_of_series``.
        series: series of each window, ``(n,)``.
    """
    weights = _by_window(weight_by_name, series)
    return np.where(np.isnan(weights), 1.0, weights).astype(np.float32)


def _by_window(value_by_name: Mapping[str, float], series: np.ndarray) -> np.ndarray:
    """The value of each window's series, NaN where it has none, ``(n,)``."""
    names, code = np.unique(series.astype(str), return_inverse=True)
    values = np.array([value_by_name.get(str(name), np.nan) for name in names])
    return np.asarray(values[code])
