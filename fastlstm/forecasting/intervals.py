"""Intervals around the latest forecasts, adapted to what became of the forecasts before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.time_grid import microseconds
from fastlstm.evaluation.intervals import (
    HalfWidths,
    adaptive,
    base_interval,
    quantile_pair,
    scores_of,
)
from fastlstm.windows.origins import target_windows, window_origins

if TYPE_CHECKING:
    from fastlstm.runs.saved_run import SavedRun

COLUMNS = ["series", "after", "step", "target", "level", "lower", "upper", "learned_from"]


# Past windows forecast at once, so that many series need no more memory than a few.
_WINDOWS_AT_ONCE = 50_000


def latest_intervals(
    run: SavedRun, clean: pd.DataFrame, origins: list[int], each: np.ndarray, windows: int
) -> pd.DataFrame:
    """Bounds of the forecasts of each series, at the levels the run was evaluated with.

    The given rows tell what became of forecasts that the run would have made since its test period
    began: those are made anew, and the intervals adapt to their errors
    (``fastlstm.evaluation.intervals.adaptive``). Rows the run learned from teach nothing here.

    Args:
        run: a regressor's run.
        clean: checked rows, sorted by series and time; without a target column nothing is adapted.
        origins: for each series to forecast the row after its last, ``(n,)``.
        each: its forecast with quantiles, ``(n, steps_ahead, n_targets, n_quantiles)``.
        windows: most past forecasts of a series to adapt to; 0 for none.

    Returns:
        Columns ``series, after, step, target, level, lower, upper, learned_from``: the last is the
        number of past forecasts whose first step is known. No rows where the run has no intervals.
    """
    half_widths = run.half_widths
    if half_widths is None:
        return pd.DataFrame(columns=COLUMNS)
    settings = EvaluationConfig.model_validate(run.settings["evaluation"])
    hp, data = run.hyperparameters, run.data
    past = _past_origins(run, clean, origins, windows if settings.interval_rate else 0)
    names = clean[SERIES].iloc[np.asarray(origins) - 1].astype(str).tolist()
    after = clean[TIME].iloc[np.asarray(origins) - 1].tolist()
    count, steps = len(data.targets), hp.steps_ahead
    parts = []
    together_at_once = max(1, _WINDOWS_AT_ONCE // max(windows, 1))
    for begin in range(0, len(origins), together_at_once):
        chosen = range(begin, min(begin + together_at_once, len(origins)))
        together = np.concatenate([past[i] for i in chosen])
        truth = _truth(clean, data.targets, together, steps)
        before = run.forecast_each(clean, together)
        ends = np.cumsum([len(past[i]) for i in chosen])
        for level in settings.interval_levels:
            pair = quantile_pair(level, hp.quantiles)
            scores = scores_of(truth, *base_interval(before, pair, hp.quantiles))
            low, high = base_interval(each, pair, hp.quantiles)
            for i, mine in zip(chosen, np.split(scores, ends[:-1]), strict=True):
                rows = np.append(past[i], origins[i])
                rate = settings.interval_rate
                radius = _radius(half_widths[pair], mine, rows, data.lookahead, level, rate)
                parts.append(
                    pd.DataFrame(
                        {
                            "series": names[i],
                            "after": after[i],
                            "step": np.repeat(np.arange(1, steps + 1), count).astype(np.int32),
                            "target": data.targets * steps,
                            "level": level,
                            "lower": (low[i] - radius).reshape(-1),
                            "upper": (high[i] + radius).reshape(-1),
                            "learned_from": np.int32(len(past[i])),
                        }
                    )
                )
    made = pd.concat(parts, ignore_index=True)[COLUMNS]
    return made.astype({"after": "datetime64[us, UTC]"})


def _past_origins(
    run: SavedRun, clean: pd.DataFrame, origins: list[int], windows: int
) -> list[np.ndarray]:
    """Origin rows of the past forecasts of each series, rising."""
    nothing = np.zeros(0, np.int64)
    first = run.first_test_origin
    if not windows or first is None or not set(run.data.targets) <= set(clean.columns):
        return [nothing for _ in origins]
    hp = run.hyperparameters
    whole = window_origins(clean[SEGMENT].to_numpy(), hp.timesteps, 1 + run.data.lookahead)
    times = microseconds(clean[TIME])
    whole = whole[times[whole] >= first]
    codes, _ = pd.factorize(clean[SERIES])
    starts = np.searchsorted(codes, codes[np.asarray(origins) - 1])
    found = []
    for start, origin in zip(starts.tolist(), origins, strict=True):
        begin, end = np.searchsorted(whole, [start, origin])
        found.append(whole[max(begin, end - windows) : end])
    return found


def _truth(clean: pd.DataFrame, targets: list[str], origins: np.ndarray, steps: int) -> np.ndarray:
    """What came after each origin, ``(n, steps, n_targets)``; NaN beyond its unbroken stretch."""
    segment = clean[SEGMENT].to_numpy()
    values = np.vstack(
        [clean[targets].to_numpy(np.float64), np.full((steps, len(targets)), np.nan)]
    )
    truth = target_windows(values, origins, steps)
    ahead = origins[:, None] + np.arange(steps)
    same = segment[np.minimum(ahead, len(segment) - 1)] == segment[origins][:, None]
    same &= ahead < len(segment)
    return np.where(same[:, :, None], truth, np.nan)


def _radius(
    half_widths: HalfWidths,
    scores: np.ndarray,
    rows: np.ndarray,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """Radii for the last of the windows at ``rows``, the scores of those before it given."""
    unknown = np.full((1, *scores.shape[1:]), np.nan)
    delay = np.arange(scores.shape[1]) + lookahead + 1
    known_at = rows[:, None] + delay
    every = adaptive(half_widths, np.concatenate([scores, unknown]), known_at, rows, level, rate)
    last: np.ndarray = every[-1]
    return last
