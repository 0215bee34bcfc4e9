"""Forecasts that cost nothing, for the very windows a network is judged on.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.2 (naïve and
seasonal naïve). Each uses only values that were fully known before the origin: with a derived
target that looks ``lookahead`` rows ahead, the label of the row ``lookahead`` before the last.
"""

from __future__ import annotations

import numpy as np


def last_value(
    targets: np.ndarray,
    segment: np.ndarray,
    origins: np.ndarray,
    steps_ahead: int,
    lookahead: int = 0,
) -> np.ndarray:
    """The last known value repeated.

    Args:
        targets: target values of every row, ``(n, n_targets)``.
        segment: number of each row's unbroken stretch, ``(n,)``.
        origins: origin rows, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        ``(n_windows, steps_ahead, n_targets)``; NaN where no such row lies in the same stretch.
    """
    known = _taken(targets, segment, origins, origins - 1 - lookahead)
    return np.repeat(known[:, None, :], steps_ahead, axis=1)


def last_season(
    targets: np.ndarray,
    segment: np.ndarray,
    origins: np.ndarray,
    steps_ahead: int,
    season: int,
    lookahead: int = 0,
) -> np.ndarray:
    """The value of the same row of the last season that was fully known; see ``last_value``.

    Args:
        targets: target values of every row, ``(n, n_targets)``.
        segment: number of each row's unbroken stretch, ``(n,)``.
        origins: origin rows, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        season: rows in one season.
        lookahead: rows after its own that a target's value depends on.
    """
    steps = []
    for k in range(steps_ahead):
        seasons_back = -(-(k + 1 + lookahead) // season)
        steps.append(_taken(targets, segment, origins, origins + k - season * seasons_back))
    return np.stack(steps, axis=1)


def _taken(
    targets: np.ndarray, segment: np.ndarray, origins: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    inside = rows >= 0
    safe = np.where(inside, rows, 0)
    same = inside & (segment[safe] == segment[origins])
    return np.where(same[:, None], targets[safe], np.nan)


def seasonal_scale(
    targets: np.ndarray, segment: np.ndarray, train: np.ndarray, season: int
) -> np.ndarray:
    """Mean absolute error of the last-season forecast on train rows, the denominator of MASE.

    Hyndman and Koehler 2006, "Another look at measures of forecast accuracy".

    Args:
        targets: target values of one series, ``(n, n_targets)``.
        segment: number of each row's unbroken stretch, ``(n,)``.
        train: which rows are train rows, ``(n,)``.
        season: rows in one season (1: the last value).

    Returns:
        ``(n_targets,)``; NaN where it is undefined or 0.
    """
    if len(targets) <= season:
        return np.full(targets.shape[1], np.nan)
    pairs = (segment[season:] == segment[:-season]) & train[season:]
    if not pairs.any():
        return np.full(targets.shape[1], np.nan)
    errors = np.abs(targets[season:] - targets[:-season])[pairs]
    scale = errors.mean(axis=0)
    return np.where(scale > 0, scale, np.nan)
