"""Intervals of the latest forecasts, adapted to the errors of the forecasts before them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.forecast_limits import limited
from fastlstm.data.time_grid import microseconds
from fastlstm.evaluation.intervals import (
    HalfWidths,
    Pair,
    base_interval,
    next_half_widths,
    nonconformity_scores,
    quantile_pair,
)
from fastlstm.evaluation.long_format import long_format
from fastlstm.forecasting.latest_windows import LatestWindows
from fastlstm.runs.saved_run import SavedRun
from fastlstm.windows.origins import window_origins

COLUMNS = ["series", "after", "step", "target", "level", "lower", "upper", "learned_from"]

# Past windows that are forecast at once, and how many values their forecasts may hold, so that memory
# does not grow with the number of series.
_WINDOWS_AT_ONCE, _VALUES_AT_ONCE = 50_000, 16_000_000

# Series whose half-widths adapt at once; for each of them there is a half-width of every level.
_ALIKE_AT_ONCE = 128


def latest_intervals(
    run: SavedRun, windows: LatestWindows, forecasts: np.ndarray, past_windows: int
) -> pd.DataFrame:
    """Bounds of the forecasts of each series, at the levels the run was evaluated with.

    The given rows also hold the truth of forecasts that the run could have made since its test period
    began. These forecasts are made, and the intervals adapt to their errors
    (``fastlstm.evaluation.intervals.adaptive``). Rows that the run learned from are not used.

    Args:
        run: the run that forecasts.
        windows: the latest window of each series; without a target column nothing is adapted.
        forecasts: their forecasts with quantiles, ``(n, steps_ahead, n_targets, n_quantiles)``.
        past_windows: most past forecasts of a series to adapt to; 0 for none.

    Returns:
        Columns ``series, after, step, target, level, lower, upper, learned_from``: the last is the
        number of past forecasts whose first step is known. No rows where the run has no intervals.
    """
    half_widths = run.half_widths
    if half_widths is None:
        return pd.DataFrame(columns=COLUMNS)
    settings = run.evaluation
    most = past_windows if settings.interval_rate else 0
    past = _past_target_starts(run, windows, most)
    adapted = _adapted_half_widths(run, windows, past, most, half_widths, settings)
    quantiles = run.hyperparameters.quantiles
    tables = []
    for level in settings.interval_levels:
        lower, upper = base_interval(forecasts, quantile_pair(level, quantiles), quantiles)
        columns = {
            "series": windows.series,
            "after": windows.after,
            "level": np.full(len(past), level),
            "lower": limited(lower - adapted[level], run.data, run.hyperparameters, kind="lower"),
            "upper": limited(upper + adapted[level], run.data, run.hyperparameters, kind="upper"),
            "learned_from": np.array([len(rows) for rows in past], np.int32),
        }
        tables.append(long_format(columns, forecasts.shape[1], run.data.targets)[COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _past_target_starts(
    run: SavedRun, windows: LatestWindows, past_windows: int
) -> list[np.ndarray]:
    """First target rows of the past forecasts of each series, rising."""
    if (
        not past_windows
        or run.first_test_origin is None
        or not set(run.data.targets) <= set(windows.rows.columns)
    ):
        return [np.zeros(0, np.int64) for _ in windows.target_start]
    timesteps, lookahead = run.hyperparameters.timesteps, run.data.lookahead
    rows = windows.rows
    starts = window_origins(rows[SEGMENT].to_numpy(), timesteps, 1 + lookahead)
    codes, labels = pd.factorize(rows[SERIES])
    first = run.first_test_origins(np.asarray(labels, str))[codes]
    starts = starts[microseconds(rows[TIME])[starts] >= first[starts]]
    first_rows = np.searchsorted(codes, codes[windows.target_start - 1])
    past = []
    for first_row, target_start in zip(first_rows, windows.target_start, strict=True):
        begin, end = np.searchsorted(starts, [first_row, target_start])
        past.append(starts[max(begin, end - past_windows) : end])
    return past


def _adapted_half_widths(
    run: SavedRun,
    windows: LatestWindows,
    past: list[np.ndarray],
    past_windows: int,
    half_widths: dict[Pair, HalfWidths],
    settings: EvaluationConfig,
) -> dict[float, np.ndarray]:
    """Half-widths of each series' latest forecast by level, ``(n, steps_ahead, n_targets)``."""
    hp, data = run.hyperparameters, run.data
    shape = (len(past), hp.steps_ahead, len(data.targets))
    adapted = {level: np.empty(shape) for level in settings.interval_levels}
    windows_at_once = min(_WINDOWS_AT_ONCE, _VALUES_AT_ONCE // (shape[1] * shape[2]))
    series_at_once = max(1, windows_at_once // max(past_windows, 1))
    values = windows.rows.reindex(columns=data.targets).to_numpy(np.float64)
    block, labels = windows.rows[SEGMENT].to_numpy(), windows.series
    for begin in range(0, len(past), series_at_once):
        chosen = range(begin, min(begin + series_at_once, len(past)))
        target_start = np.concatenate([past[i] for i in chosen])
        # The network that serves may have learned from these windows.
        forecasts = run.evaluated.forecast_scaled(windows.features, target_start)
        truth = _truth(values, block, target_start, hp.steps_ahead)
        series = np.array([labels[i] for i in chosen], dtype=str)
        lengths = [len(past[i]) for i in chosen]
        groups = _alike([past[i] - windows.target_start[i] for i in chosen])
        for level, of_level in adapted.items():
            pair = quantile_pair(level, hp.quantiles)
            scores = nonconformity_scores(truth, *base_interval(forecasts, pair, hp.quantiles))
            units = half_widths[pair].unit(series, len(series), windows.features.scalers)
            scores = scores / np.repeat(units, lengths, axis=0)
            parts = np.split(scores, np.cumsum(lengths)[:-1])
            for alike, past_starts in groups:
                found = next_half_widths(
                    half_widths[pair], np.stack([parts[i] for i in alike]), past_starts,
                    data.lookahead, level, settings.interval_rate,
                )  # fmt: skip
                of_level[begin + alike] = units[alike] * found
    return adapted


def _alike(past: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of series whose past windows lie alike: their numbers, and the windows' first target rows.

    Args:
        past: of each series the first target rows of its past windows, less that of its next window.
    """
    groups: dict[bytes, list[int]] = {}
    for number, starts in enumerate(past):
        groups.setdefault(starts.tobytes(), []).append(number)
    return [
        (np.array(numbers[begin : begin + _ALIKE_AT_ONCE]), past[numbers[0]])
        for numbers in groups.values()
        for begin in range(0, len(numbers), _ALIKE_AT_ONCE)
    ]


def _truth(
    values: np.ndarray, block: np.ndarray, target_start: np.ndarray, steps: int
) -> np.ndarray:
    """Targets of some windows, ``(n, steps, n_targets)``; NaN beyond their contiguous block.

    Args:
        values: targets of every row, ``(n_rows, n_targets)``.
        block: number of each row's contiguous block, ``(n_rows,)``.
        target_start: first target row of each window, ``(n,)``.
        steps: target rows of a window.
    """
    target_rows = target_start[:, None] + np.arange(steps)
    existing = np.minimum(target_rows, len(block) - 1)
    in_block = (target_rows == existing) & (block[existing] == block[target_start][:, None])
    return np.where(in_block[:, :, None], values[existing], np.nan)
