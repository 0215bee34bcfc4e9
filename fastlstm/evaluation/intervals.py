"""Prediction intervals, calibrated on validation windows and adapted to the errors known since.

Split-conformal prediction by step and target. An interval is a base interval and a half-width by which
both its bounds are moved outwards: of level L, the ``ceil((n + 1) L)``-th smallest of ``n``
nonconformity scores of validation windows (for windows that overlap, or are few, see
``fastlstm.evaluation.conformal_quantiles``). In a panel, scores and half-widths are in units of the
spread of their series (``fastlstm.evaluation.series_spreads``).

- The base interval is the point forecast, and the score its absolute error (Lei et al. 2018,
  "Distribution-Free Predictive Inference for Regression", section 2.2).
- Where the network forecasts the two quantiles of the level, they are the base interval, and the score
  is the distance of the truth from the nearer one, negative inside (Romano, Patterson and Candès 2019,
  "Conformalized Quantile Regression").

Adaptive conformal inference (Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution
Shift") then moves the level at which half-widths are taken, by the outcome of earlier forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.data.scaling import Scalers
from fastlstm.data.series import rows_by_series
from fastlstm.data.stored_tables import Kind, StoredTable
from fastlstm.data.tables import write_table
from fastlstm.errors import ConfigError, StoreError
from fastlstm.evaluation.conformal_quantiles import conformal_half_widths
from fastlstm.evaluation.recent_spread import spread_factors
from fastlstm.evaluation.series_spreads import SeriesSpreads, read_spreads

# Levels that half-widths are kept for; a level between two of them takes the greater.
LEVELS = np.arange(1, 200) / 200

# With so many scores in one operation, arrays are faster than a loop over plain numbers.
_WORTH_ARRAYS = 32

# Levels nearer than this are the same.
_CLOSE = 1e-9

_MEDIAN = 0.5

# Base intervals of a run: one for each level that it is evaluated at.
_MOST_PAIRS = 20

# Lower and upper quantile of a base interval.
Pair = tuple[float, float]

# Of the base interval that is the point forecast, the median where the network forecasts quantiles.
MEDIAN_PAIR: Pair = (_MEDIAN, _MEDIAN)


def quantile_pair(level: float, quantiles: list[float] | None) -> Pair:
    """The quantiles of a level's base interval: the median twice where the network lacks one of them.

    Args:
        level: nominal coverage.
        quantiles: those the network forecasts; None where it forecasts none.
    """
    tail = (1 - level) / 2
    matching = [
        quantile
        for wanted in (tail, 1 - tail)
        for quantile in quantiles or []
        if abs(quantile - wanted) < _CLOSE
    ]
    return (matching[0], matching[1]) if len(matching) == 2 else MEDIAN_PAIR


def base_interval(
    forecasts: np.ndarray, pair: Pair, quantiles: list[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of the base intervals, ``(n, steps_ahead, n_targets)`` each.

    Args:
        forecasts: with their quantiles, ``(n, steps_ahead, n_targets, n_quantiles)``.
        pair: the base interval's quantiles; see ``quantile_pair``.
        quantiles: those the network forecasts; None where it forecasts none.
    """
    names = quantiles or [_MEDIAN]
    return forecasts[..., names.index(pair[0])], forecasts[..., names.index(pair[1])]


def nonconformity_scores(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Signed distance of each truth from the base interval, negative inside; all of one shape.

    It is the absolute error where both bounds are the point forecast.
    """
    scores: np.ndarray = np.maximum(lower - truth, truth - upper)
    return scores


@dataclass(frozen=True)
class HalfWidths:
    """By how much intervals of each level extend their base interval, by step and target.

    Attributes:
        values: ``(len(LEVELS), steps_ahead, n_targets)``, never falling along the first axis, in units
            of the spread of a series; infinite where there are no validation scores, negative where
            the forecast quantiles are too wide.
        targets: target names.
        spreads: of the series of a panel; None where half-widths are in the targets' units.
    """

    values: np.ndarray
    targets: list[str]
    spreads: SeriesSpreads | None = None

    def at(self, level: float) -> np.ndarray:
        """Half-widths of one level, ``(steps_ahead, n_targets)``."""
        of_level: np.ndarray = self.values[_position(np.asarray(level))]
        return of_level

    def unit(self, series: np.ndarray | None, count: int, scalers: Scalers) -> np.ndarray:
        """What the half-widths of some windows are multiplied by, ``(count, 1, n_targets)``.

        Args:
            series: label of each window's series, ``(count,)``; may be None without spreads.
            count: number of windows.
            scalers: with the scales of these series.

        Raises:
            ConfigError: the series are needed and not given.
        """
        if self.spreads is None:
            return np.ones((count, 1, len(self.targets)))
        if series is None:
            raise ConfigError("series: intervals differ by series; give the label of each window's")
        return self.spreads.of(series, scalers)[:, None, :]


_COLUMNS = {
    "lower_quantile": Kind.NUMBER, "upper_quantile": Kind.NUMBER, "target": Kind.TEXT,
    "step": Kind.NUMBER, "level": Kind.NUMBER, "radius": Kind.NUMBER,
}  # fmt: skip


def write_half_widths(half_widths: dict[Pair, HalfWidths], file: Path) -> None:
    """Write as Parquet: ``lower_quantile, upper_quantile, target, step, level, radius``."""
    parts = []
    for pair, of_pair in half_widths.items():
        levels, steps, targets = of_pair.values.shape
        parts.append(
            pd.DataFrame(
                {
                    "lower_quantile": pair[0],
                    "upper_quantile": pair[1],
                    "target": np.tile(np.asarray(of_pair.targets, dtype=object), levels * steps),
                    "step": np.tile(np.repeat(np.arange(1, steps + 1), targets), levels),
                    "level": np.repeat(LEVELS, steps * targets),
                    "radius": of_pair.values.reshape(-1),
                }
            )
        )
    write_table(pd.concat(parts, ignore_index=True).astype({"step": np.int32}), file)


def read_half_widths(
    file: Path, targets: list[str], steps_ahead: int, spreads_file: Path | None = None
) -> dict[Pair, HalfWidths]:
    """Read what ``write_half_widths`` wrote.

    Args:
        file: the half-widths.
        targets: target names.
        steps_ahead: number of steps.
        spreads_file: what ``write_spreads`` wrote; it need not exist.

    Raises:
        StoreError: a file holds something else.
    """
    stored, each = StoredTable(file, _COLUMNS), len(LEVELS) * steps_ahead * len(targets)
    if stored.rows % each or not stored.rows or stored.rows > _MOST_PAIRS * each:
        raise StoreError(
            f"{file}: {stored.rows:,} rows are no intervals of {targets}; copy the run again"
        )
    table = stored.whole()
    has_spreads = spreads_file is not None and spreads_file.exists()
    spreads = read_spreads(spreads_file, targets) if spreads_file and has_spreads else None
    found = {}
    names = ["lower_quantile", "upper_quantile"]
    for low, high in table[names].drop_duplicates().itertuples(index=False):
        part = table[(table[names[0]] == low) & (table[names[1]] == high)]
        radius = part["radius"].to_numpy(np.float64)
        if len(radius) != each or np.isnan(radius).any():
            raise StoreError(
                f"{file}: {len(radius):,} rows of the quantiles {low} and {high} are no intervals of "
                f"{targets}; copy the run again"
            )
        found[float(low), float(high)] = HalfWidths(
            radius.reshape(len(LEVELS), steps_ahead, len(targets)), targets, spreads
        )
    return found


def _position(level: np.ndarray) -> np.ndarray:
    """Position in ``LEVELS`` of the smallest not below each level; the last for higher levels."""
    position: np.ndarray = np.minimum(np.searchsorted(LEVELS, level - _CLOSE), len(LEVELS) - 1)
    return position


def calibrate(
    scores: np.ndarray,
    targets: list[str],
    separate: np.ndarray | None = None,
    spreads: SeriesSpreads | None = None,
) -> HalfWidths:
    """Half-widths from the scores of windows that the network did not learn from.

    Args:
        scores: see ``nonconformity_scores``, ``(n, steps_ahead, n_targets)``; NaN does not count. In
            units of their series' spread where there are spreads.
        targets: target names.
        separate: how many separate scores those of each step amount to, ``(steps_ahead,)``; see
            ``fastlstm.evaluation.conformal_quantiles``. None: as many as there are.
        spreads: of the series of a panel.
    """
    _, steps, outputs = scores.shape
    values = np.full((len(LEVELS), steps, outputs), np.inf)
    for output in range(outputs):
        of_output = scores[:, :, output]
        number = (~np.isnan(of_output)).sum(axis=0)
        counts = number if separate is None else np.minimum(separate, number)
        values[:, :, output] = conformal_half_widths(of_output, counts, LEVELS)
    return HalfWidths(values, targets, spreads)


def adaptive(
    half_widths: HalfWidths,
    scores: np.ndarray,
    target_start: np.ndarray,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """Half-widths for the windows of one series, each adapted to the scores known before it.

    By step and target, from ``a = 1 - level`` on, ``a <- a + rate (1 - level - missed)`` after each
    forecast whose truth became known; a window's half-width is that of level ``1 - a``. Where ``a``
    falls to 0, the formula gives an infinite interval; that of the greatest of ``LEVELS`` is taken
    then.

    In a panel, the spread of the series is corrected first by the known scores; see
    ``fastlstm.evaluation.recent_spread``.

    Args:
        half_widths: from validation.
        scores: see ``nonconformity_scores``, ``(n, steps_ahead, n_targets)``, in units of the spread of
            the series; NaN where unknown, which changes nothing.
        target_start: first target row of each window, rising, ``(n,)``; a window's half-width depends
            on what is known before this row.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction; 0 keeps the level.

    Returns:
        ``(n, steps_ahead, n_targets)``.
    """
    count, steps, targets = scores.shape
    factors = np.ones((1, 1, 1))
    if half_widths.spreads is not None:
        factors = spread_factors(scores, target_start, lookahead, half_widths.values, LEVELS)
        scores = scores / factors
    adapted = np.empty(scores.shape)
    for step in range(steps):
        # The truth of a step (from 0) depends on rows up to t + step + lookahead.
        known_from = target_start + step + lookahead + 1
        # Windows whose truth each window knows.
        known = np.searchsorted(known_from, target_start, side="right")
        known = np.minimum(known, np.arange(count))
        # A window depends on the known windows alone, so the others in between are independent of it.
        independent = targets * (count - int(known[-1])) if count else 0
        recurrence = _in_blocks if independent > _WORTH_ARRAYS else _one_by_one
        adapted[:, step] = recurrence(
            half_widths.values[:, step], scores[:, step], known, level, rate
        )
    return adapted * factors


def _adapted_level(level: float, rate: float, inside: Any, outside: Any) -> Any:
    """The level at which half-widths are taken after so many truths inside and outside."""
    return level - rate * ((1 - level) * inside - level * outside)


def _one_by_one(
    widths: np.ndarray, scores: np.ndarray, known: np.ndarray, level: float, rate: float
) -> np.ndarray:
    """``adaptive`` of one step, in plain numbers.

    Args:
        widths: half-widths, ``(len(LEVELS), n_targets)``.
        scores: ``(n, n_targets)``.
        known: how many of the first windows each window knows, ``(n,)``.
        level: nominal coverage.
        rate: size of a correction.
    """
    known_counts, grid = known.tolist(), len(LEVELS) + 1
    columns = []
    for target, widest in enumerate(_widest(widths, level).tolist()):
        by_level, of_target = widths[:, target].tolist(), scores[:, target].tolist()
        counted = inside = outside = 0
        adapted: list[float] = []
        for known_count in known_counts:
            while counted < known_count:
                if of_target[counted] <= adapted[counted]:
                    inside += 1
                elif of_target[counted] > adapted[counted]:  # neither where the score is NaN
                    outside += 1
                counted += 1
            # The same as _position: the smallest of LEVELS that is not below the adapted level.
            adapted_level = _adapted_level(level, rate, inside, outside)
            position = int(grid * adapted_level - grid * _CLOSE)
            adapted.append(by_level[min(max(position, 0), widest)])
        columns.append(adapted)
    return np.asarray(columns).T


def _in_blocks(
    widths: np.ndarray, scores: np.ndarray, known: np.ndarray, level: float, rate: float
) -> np.ndarray:
    """``adaptive`` of one step, in arrays of windows that are independent of each other.

    For the arguments see ``_one_by_one``.
    """
    adapted = np.empty(scores.shape)
    inside, outside = (np.zeros((len(known) + 1, scores.shape[1]), np.int64) for _ in range(2))
    widest, columns = _widest(widths, level), np.arange(scores.shape[1])
    start = 0
    while start < len(known):
        end = int(np.searchsorted(known, start, side="right"))
        counted = known[start:end]
        position = _position(_adapted_level(level, rate, inside[counted], outside[counted]))
        block = adapted[start:end] = widths[np.minimum(position, widest), columns]
        for counts, matches in (
            (inside, scores[start:end] <= block),
            (outside, scores[start:end] > block),
        ):
            counts[start + 1 : end + 1] = counts[start] + np.cumsum(matches, axis=0)
        start = end
    return adapted


def _widest(widths: np.ndarray, level: float) -> np.ndarray:
    """Position of the widest half-width that may be taken, by target: the last finite one.

    Too few scores for the nominal level give an infinite half-width there, and adaptation starts from
    it.
    """
    last_finite = np.isfinite(widths).sum(axis=0) - 1
    widest: np.ndarray = np.maximum(last_finite, _position(np.asarray(level)))
    return widest


def next_half_width(
    half_widths: HalfWidths,
    past_scores: np.ndarray,
    past_target_start: np.ndarray,
    target_start: int,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """``adaptive`` for a window whose truth is unknown, after the past windows of its series.

    Args:
        half_widths: from validation.
        past_scores: of the past windows, ``(n, steps_ahead, n_targets)``.
        past_target_start: their first target rows, rising, ``(n,)``.
        target_start: the window's own first target row.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction.

    Returns:
        ``(steps_ahead, n_targets)``.
    """
    unknown = np.full((1, *past_scores.shape[1:]), np.nan)
    scores, rows = (
        np.concatenate([past_scores, unknown]),
        np.append(past_target_start, target_start),
    )
    of_window: np.ndarray = adaptive(half_widths, scores, rows, lookahead, level, rate)[-1]
    return of_window


def next_half_widths(
    half_widths: HalfWidths,
    past_scores: np.ndarray,
    past_target_start: np.ndarray,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """``next_half_width`` for several series whose past windows lie alike.

    Args:
        half_widths: from validation.
        past_scores: of each series' past windows, ``(n_series, n, steps_ahead, n_targets)``.
        past_target_start: their first target rows less that of the next window, rising, ``(n,)``.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction.

    Returns:
        ``(n_series, steps_ahead, n_targets)``.
    """
    series, count, steps, targets = past_scores.shape
    # To the recurrence, a series is a target more.
    tiled = HalfWidths(
        np.tile(half_widths.values, (1, 1, series)), half_widths.targets * series,
        half_widths.spreads,
    )  # fmt: skip
    together = np.moveaxis(past_scores, 0, 2).reshape(count, steps, series * targets)
    found = next_half_width(tiled, together, past_target_start, 0, lookahead, level, rate)
    return np.moveaxis(found.reshape(steps, series, targets), 1, 0)


def adaptive_by_series(
    half_widths: HalfWidths,
    scores: np.ndarray,
    rows: np.ndarray,
    series: np.ndarray,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """``adaptive`` for windows of several series, each by itself.

    Args:
        half_widths: from validation.
        scores: see ``nonconformity_scores``, ``(n, steps_ahead, n_targets)``.
        rows: first target rows in a table sorted by series and time, ``(n,)``, rising within a series.
        series: series of each window, ``(n,)``.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction.
    """
    adapted = np.empty(scores.shape)
    for windows in rows_by_series(series).values():
        adapted[windows] = adaptive(
            half_widths, scores[windows], rows[windows], lookahead, level, rate
        )
    return adapted


def coverage(
    truth: np.ndarray, lower: np.ndarray, upper: np.ndarray, level: float
) -> dict[str, Any]:
    """Share of truths inside intervals, mean width, and mean interval score.

    The score is the width plus ``2 / (1 - level)`` times the distance of a truth outside (Gneiting and
    Raftery 2007, "Strictly Proper Scoring Rules", section 6.2); lower is better.

    Args:
        truth: any shape.
        lower: bounds, same shape.
        upper: bounds, same shape.
        level: nominal coverage.
    """
    outside_by = np.maximum(nonconformity_scores(truth, lower, upper), 0)
    width = (upper - lower).mean(dtype=np.float64)
    score = width + 2 / (1 - level) * outside_by.mean(dtype=np.float64)
    return {
        "coverage": float((outside_by == 0).mean()),
        "width": float(width) if np.isfinite(width) else None,
        "score": float(score) if np.isfinite(score) else None,
    }
