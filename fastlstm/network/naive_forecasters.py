"""Naive forecasts from the past rows of a window, which a network corrects and is combined with.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.2, has the mean,
naive, seasonal naive and drift methods. Three more are of a season: the mean of its values at the same
place (section 3.4), the same at the level of the last season (section 5.7), and its last values at the
level of the last rows, as in exponential smoothing (section 8.3). Means of all these, weighed by past
errors, are in ``fastlstm.network.past_errors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NAIVE, MEAN, DRIFT, RECENT_DRIFT = "naive", "mean", "drift", "recent_drift"
SEASONAL_NAIVE, SEASONAL_MEAN = "seasonal_naive", "seasonal_mean"
SEASONAL_SHAPE, SEASONAL_LEVEL = "seasonal_shape", "seasonal_level"

# Means of the others, weighed by past errors: the power of the error that a weight falls with.
BY_PAST_ERROR = {"by_past_error_8": 8, "by_past_error_2": 2}

# A level is the mean of the last rows: of a quarter of the season, or of the window.
_LEVEL_SHARE = 4


def naive_forecaster_names(timesteps: int, seasons: Sequence[int]) -> tuple[str, ...]:
    """Names of the naive forecasts that windows can give.

    One of a season is called after its kind and the season's rows, 'seasonal_naive_24'. Where a window
    has enough rows for a level, means of the others by their past errors come last.

    Args:
        timesteps: rows of a window.
        seasons: rows in each season.
    """
    of_season = [
        f"{kind}_{season}"
        for season in seasons
        for kind in (SEASONAL_NAIVE, SEASONAL_MEAN, SEASONAL_SHAPE, SEASONAL_LEVEL)
    ]
    each = [NAIVE, MEAN, *of_season, DRIFT, RECENT_DRIFT]
    names = tuple(name for name in each if rows_needed(name) <= timesteps)
    return (*names, *BY_PAST_ERROR) if MEAN in names else names


def rows_needed(name: str) -> int:
    """Fewest rows of a window that a naive forecast can be made of."""
    kind, rows = kind_and_season(name)
    season = rows or 1
    if kind in (MEAN, RECENT_DRIFT):
        return 2 * _LEVEL_SHARE
    if kind == SEASONAL_LEVEL:
        return season + _level_rows(season)
    return {DRIFT: 2, SEASONAL_MEAN: 2 * season, SEASONAL_SHAPE: 2 * season}.get(kind, season)


def kind_and_season(name: str) -> tuple[str, int | None]:
    """A forecast's name without the rows of a season that it may end with, and these; None without."""
    kind, _, season = name.rpartition("_")
    return (kind, int(season)) if season.isdecimal() else (name, None)


def rows_of_season(timesteps: int, steps: int, season: int) -> list[int]:
    """Rows of a window whose values are the seasonal naive forecast of each step; 1 is the naive one."""
    return [timesteps + k - season * (k // season + 1) for k in range(steps)]


def naive_forecast(ops: Any, own: Any, name: str, steps: int) -> Any:
    """One naive forecast, ``(n, steps, n_targets)``.

    - ``naive``: the last value.
    - ``mean``: the mean of the last quarter of the window.
    - ``drift``: the last value, and from there the mean change from row to row.
    - ``recent_drift``: the same with the mean change of the last quarter of the window.
    - ``seasonal_naive``: the last season.
    - ``seasonal_mean``: the mean of all whole seasons of the window.
    - ``seasonal_shape``: the same, moved by how much the last season's mean differs from that of all.
    - ``seasonal_level``: the last season, moved by how much the mean of its last quarter differs from
      that of the season before.

    Args:
        ops: ``numpy`` or ``keras.ops``.
        own: past values of the targets, ``(n, timesteps, n_targets)``.
        name: see ``naive_forecaster_names``.
        steps: steps ahead.
    """
    timesteps = own.shape[1]
    kind, rows_of_name = kind_and_season(name)
    season = rows_of_name or 1
    if kind == MEAN:
        recent = ops.mean(own[:, -_level_rows(timesteps) :], axis=1, keepdims=True)
        return ops.repeat(recent, steps, axis=1)
    if kind in (DRIFT, RECENT_DRIFT):
        rows = timesteps - 1 if kind == DRIFT else _level_rows(timesteps)
        ahead = np.arange(1, steps + 1, dtype=np.float32)[None, :, None] / max(rows, 1)
        last, before = own[:, -1:], own[:, timesteps - 1 - rows : timesteps - rows]
        return last + (last - before) * ahead
    if kind in (SEASONAL_MEAN, SEASONAL_SHAPE):
        whole = timesteps // season
        seasons = ops.reshape(own[:, -whole * season :], (-1, whole, season, own.shape[2]))
        mean = ops.mean(seasons, axis=1)
        if kind == SEASONAL_SHAPE:
            last = ops.mean(own[:, -season:], axis=1, keepdims=True)
            mean = mean + last - ops.mean(mean, axis=1, keepdims=True)
        return ops.take(mean, np.arange(steps) % season, axis=1)
    last_season = ops.take(own, np.array(rows_of_season(timesteps, steps, season)), axis=1)
    if kind != SEASONAL_LEVEL:
        return last_season
    rows, before = _level_rows(season), timesteps - season
    level = ops.mean(own[:, -rows:], axis=1, keepdims=True)
    return last_season + level - ops.mean(own[:, before - rows : before], axis=1, keepdims=True)


def _level_rows(rows: int) -> int:
    """Last rows whose mean is the level of a window or season of so many rows."""
    return max(1, rows // _LEVEL_SHARE)
