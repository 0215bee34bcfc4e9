"""Naive forecasts of the windows that a network is evaluated on.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.2 (naïve,
seasonal naïve and drift). Each uses only values that are known before the first target row: with a
derived target that looks ``lookahead`` rows ahead, the last known label is that of the row
``lookahead`` before the last one.

A new baseline is a function and an entry in one of the two tables at the end, and its name for people
in ``fastlstm.reporting.text``. The keys of the tables are those of stored ``metrics.json`` files; a
seasonal naive forecast of another season than the best has its rows in the key, ``last_season_168``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fastlstm.network.naive_forecasters import kind_and_season


def naive(
    targets: np.ndarray,
    block: np.ndarray,
    target_start: np.ndarray,
    steps_ahead: int,
    lookahead: int = 0,
) -> np.ndarray:
    """The last known value, repeated.

    Args:
        targets: target values of every row, ``(n, n_targets)``.
        block: number of each row's contiguous block, ``(n,)``.
        target_start: first target row of each window, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        ``(n_windows, steps_ahead, n_targets)``; NaN where no such row lies in the same block.
    """
    last_known = _values_at(targets, block, target_start, target_start - 1 - lookahead)
    return np.repeat(last_known[:, None, :], steps_ahead, axis=1)


def seasonal_naive(
    targets: np.ndarray,
    block: np.ndarray,
    target_start: np.ndarray,
    steps_ahead: int,
    season: int,
    lookahead: int = 0,
) -> np.ndarray:
    """The value at the same position of the last season in which it is known; see ``naive``.

    Args:
        targets: target values of every row, ``(n, n_targets)``.
        block: number of each row's contiguous block, ``(n,)``.
        target_start: first target row of each window, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        season: rows in one season.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        As ``naive``.
    """
    steps = []
    for k in range(steps_ahead):
        seasons_back = -(-(k + 1 + lookahead) // season)
        row = target_start + k - season * seasons_back
        steps.append(_values_at(targets, block, target_start, row))
    return np.stack(steps, axis=1)


def drift(
    targets: np.ndarray,
    block: np.ndarray,
    target_start: np.ndarray,
    steps_ahead: int,
    timesteps: int,
    lookahead: int = 0,
) -> np.ndarray:
    """The last known value, continued by the mean change from row to row in the window's look-back.

    Only the look-back is used, not all earlier rows, so that it knows what the network knows.

    Args:
        targets: target values of every row, ``(n, n_targets)``.
        block: number of each row's contiguous block, ``(n,)``.
        target_start: first target row of each window, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        timesteps: rows of the look-back, at least ``lookahead + 2``.
        lookahead: rows after its own that a target's value depends on.

    Returns:
        As ``naive``.
    """
    changes = timesteps - 1 - lookahead
    last = _values_at(targets, block, target_start, target_start - 1 - lookahead)
    first = _values_at(targets, block, target_start, target_start - timesteps)
    steps = np.arange(1, steps_ahead + 1) + lookahead
    slope = (last - first)[:, None, :] / changes
    forecasts: np.ndarray = last[:, None, :] + steps[:, None] * slope
    return forecasts


def _values_at(
    targets: np.ndarray, block: np.ndarray, target_start: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Targets of some rows, ``(n_windows, n_targets)``; NaN outside the window's contiguous block."""
    exists = rows >= 0
    existing = np.where(exists, rows, 0)
    same_block = exists & (block[existing] == block[target_start])
    return np.where(same_block[:, None], targets[existing], np.nan)


def transition_counts(last: np.ndarray, following: np.ndarray, classes: int) -> np.ndarray:
    """How often each class followed each other one, ``(n_classes, n_classes)``; those of parts add up.

    Args:
        last: number of the last known class of train windows, ``(n,)``.
        following: number of the class that followed, ``(n,)``.
        classes: number of classes.
    """
    counts = np.bincount(last * classes + following, minlength=classes**2)
    return counts.reshape(classes, classes)


def shares_after(counts: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Probabilities of the classes that follow a class, by how often they did in train.

    Of each class the overall share is added as one more label, so that none has the probability 0
    (Laplace's rule with the prior as pseudo-count).

    Args:
        counts: see ``transition_counts``.
        given: number of the last known class of the windows to forecast, ``(m,)``.

    Returns:
        ``(m, n_classes)``.
    """
    prior: np.ndarray = (counts.sum(axis=0) + 1 / len(counts)) / (counts.sum() + 1)
    shares: np.ndarray = (counts + prior) / (counts.sum(axis=1, keepdims=True) + 1)
    found: np.ndarray = shares[given]
    return found


@dataclass(frozen=True)
class BaselineInputs:
    """What a baseline may know of the windows it forecasts.

    Attributes:
        targets: target values of every row of the table, ``(n, n_targets)``.
        block: number of each row's contiguous block, ``(n,)``.
        target_start: first target row of each window, ``(n_windows,)``.
        steps_ahead: steps to forecast.
        season: rows in one season; None where the data have none.
        other_seasons: rows in each of the other seasons that the data have.
        lookahead: rows after its own that a target's value depends on.
        timesteps: rows of a window's look-back.
        train_share: gives the mean of each target over the train windows, for labels their share of
            1, ``(steps_ahead, n_targets)``; only the baselines that need it ask.
    """

    targets: np.ndarray
    block: np.ndarray
    target_start: np.ndarray
    steps_ahead: int
    season: int | None
    lookahead: int
    timesteps: int
    train_share: Callable[[], np.ndarray]
    other_seasons: tuple[int, ...] = ()


# Forecasts (n_windows, steps_ahead, n_targets), NaN where undefined; None where the data allow none.
Baseline = Callable[[BaselineInputs], np.ndarray | None]


def _naive(given: BaselineInputs) -> np.ndarray:
    """See ``naive``."""
    return naive(given.targets, given.block, given.target_start, given.steps_ahead, given.lookahead)


def _seasonal_naive(given: BaselineInputs) -> np.ndarray | None:
    """See ``seasonal_naive``; None where the data have no season."""
    if not given.season:
        return None
    return seasonal_naive(
        given.targets, given.block, given.target_start, given.steps_ahead, given.season,
        given.lookahead,
    )  # fmt: skip


def _drift(given: BaselineInputs) -> np.ndarray | None:
    """See ``drift``; None where the look-back has no two known values."""
    if given.timesteps < given.lookahead + 2:
        return None
    return drift(
        given.targets, given.block, given.target_start, given.steps_ahead, given.timesteps,
        given.lookahead,
    )  # fmt: skip


def _prior(given: BaselineInputs) -> np.ndarray:
    """The share of positive labels in the train windows, by step and target."""
    share = given.train_share()
    return np.broadcast_to(share, (len(given.target_start), *share.shape))


_LAST_SEASON = "last_season"

REGRESSION_BASELINES: dict[str, Baseline] = {
    "last_value": _naive,
    _LAST_SEASON: _seasonal_naive,
    "drift": _drift,
}

CLASSIFICATION_BASELINES: dict[str, Baseline] = {"prior": _prior, "last_class": _naive}

# Baselines that are shown, but that a challenger need not beat.
NOT_REQUIRED = frozenset({"drift"})


def baseline_forecasts(
    baselines: dict[str, Baseline], given: BaselineInputs
) -> dict[str, np.ndarray]:
    """Forecasts of the baselines that the data allow, ``(n_windows, steps_ahead, n_targets)`` by key."""
    keys: list[str] = []
    for key in baselines:
        keys.append(key)
        if key == _LAST_SEASON:
            keys += [f"{_LAST_SEASON}_{season}" for season in given.other_seasons]
    forecasts = {key: baseline_forecast(baselines, key, given) for key in keys}
    return {key: forecast for key, forecast in forecasts.items() if forecast is not None}


def baseline_forecast(
    baselines: dict[str, Baseline], key: str, given: BaselineInputs
) -> np.ndarray | None:
    """Forecasts of one baseline, ``(n_windows, steps_ahead, n_targets)``; None where there are none."""
    season = season_of(key)
    if season is None:
        return baselines[key](given)
    return _seasonal_naive(replace(given, season=season))


def season_of(key: str) -> int | None:
    """Rows in the season that a baseline's key names; None where it names none."""
    kind, season = kind_and_season(key)
    return season if kind == _LAST_SEASON else None


def is_baseline(key: str) -> bool:
    """Whether a key is that of a baseline."""
    known = key in REGRESSION_BASELINES or key in CLASSIFICATION_BASELINES
    return known or season_of(key) is not None
