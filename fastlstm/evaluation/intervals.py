"""Prediction intervals around forecasts, from errors on validation windows and those known since.

Split-conformal prediction for each step and target: with ``n`` validation scores, an interval of level L
reaches the ``ceil((n + 1) L)``-th smallest further than what it is built around. Around a forecast, the
score is the absolute error (Lei et al. 2018, "Distribution-Free Predictive Inference for Regression",
section 2.2). Where the network forecasts the two quantiles of the level, the interval is built around
them, and the score is how far the truth lies beyond the nearer one, negative inside (Romano, Patterson
and Candès 2019, "Conformalized Quantile Regression"). Adaptive conformal inference (Gibbs and Candès
2021, "Adaptive Conformal Inference Under Distribution Shift") then moves the level asked of those scores
by what became of the forecasts before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.data.series import rows_by_series
from fastlstm.data.tables import read_table, write_table
from fastlstm.errors import StoreError

# Levels that half-widths are kept for; a level between two takes the greater.
LEVELS = np.arange(1, 200) / 200


# From so many numbers at once on, arrays are faster than one number after the other.
_WORTH_ARRAYS = 32


# Levels nearer than this are the same.
_CLOSE = 1e-9


_MIDDLE = 0.5


Pair = tuple[float, float]


# Of an interval around the forecast itself, which is the median where there are quantiles.
MEDIAN_PAIR: Pair = (_MIDDLE, _MIDDLE)


def quantile_pair(level: float, quantiles: list[float] | None) -> Pair:
    """The two quantiles an interval of a level is built around: the median twice where they lack."""
    tail = (1 - level) / 2
    found = [
        share
        for wanted in (tail, 1 - tail)
        for share in quantiles or []
        if abs(share - wanted) < _CLOSE
    ]
    return (found[0], found[1]) if len(found) == 2 else MEDIAN_PAIR


def base_interval(
    each: np.ndarray, pair: Pair, quantiles: list[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """What an interval is built around, lower and upper, ``(n, steps_ahead, n_targets)`` each.

    Args:
        each: forecasts with their quantiles, ``(n, steps_ahead, n_targets, n_quantiles)``.
        pair: as of ``quantile_pair``.
        quantiles: the network's; None where it has the forecast alone.
    """
    names = quantiles or [_MIDDLE]
    return each[..., names.index(pair[0])], each[..., names.index(pair[1])]


def scores_of(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """How far each truth lies beyond the nearer of two bounds; the absolute error where they are one."""
    beyond: np.ndarray = np.maximum(lower - truth, truth - upper)
    return beyond


@dataclass(frozen=True)
class HalfWidths:
    """What intervals reach further than what they are built around, by level, step and target.

    Attributes:
        values: ``(len(LEVELS), steps_ahead, n_targets)``, never falling along the first axis; infinite
            where the validation scores are too few for the level, negative where quantiles lie too far
            apart.
        targets: target names.
    """

    values: np.ndarray
    targets: list[str]

    def at(self, level: float) -> np.ndarray:
        """Those of one level, ``(steps_ahead, n_targets)``."""
        chosen: np.ndarray = self.values[_position(np.asarray(level))]
        return chosen


def write_half_widths(half_widths: dict[Pair, HalfWidths], file: Path) -> None:
    """Write as Parquet: ``lower_quantile, upper_quantile, target, step, level, radius``."""
    parts = []
    for pair, one in half_widths.items():
        levels, steps, targets = one.values.shape
        parts.append(
            pd.DataFrame(
                {
                    "lower_quantile": pair[0],
                    "upper_quantile": pair[1],
                    "target": np.tile(np.asarray(one.targets, dtype=object), levels * steps),
                    "step": np.tile(np.repeat(np.arange(1, steps + 1), targets), levels),
                    "level": np.repeat(LEVELS, steps * targets),
                    "radius": one.values.reshape(-1),
                }
            )
        )
    write_table(pd.concat(parts, ignore_index=True).astype({"step": np.int32}), file)


def read_half_widths(file: Path, targets: list[str]) -> dict[Pair, HalfWidths]:
    """Read what ``write_half_widths`` wrote.

    Raises:
        StoreError: the file holds something else.
    """
    table = read_table(file)
    found = {}
    names = ["lower_quantile", "upper_quantile"]
    for low, high in table[names].drop_duplicates().itertuples(index=False):
        part = table[(table[names[0]] == low) & (table[names[1]] == high)]
        radius = part["radius"].to_numpy()
        if len(radius) % (len(LEVELS) * len(targets)):
            raise StoreError(f"{file}: {len(radius)} rows are no intervals of {targets}")
        found[float(low), float(high)] = HalfWidths(
            radius.reshape(len(LEVELS), -1, len(targets)), targets
        )
    return found


def _position(level: np.ndarray) -> np.ndarray:
    """Where the smallest level kept that is not below each level stands; the last for higher ones."""
    found: np.ndarray = np.minimum(np.searchsorted(LEVELS, level - _CLOSE), len(LEVELS) - 1)
    return found


def calibrate(scores: np.ndarray, targets: list[str]) -> HalfWidths:
    """What intervals must reach, from the scores of windows that the network did not learn from.

    Args:
        scores: as of ``scores_of``, ``(n, steps_ahead, n_targets)``; missing ones do not count.
        targets: target names.
    """
    _, steps, outputs = scores.shape
    values = np.full((len(LEVELS), steps, outputs), np.inf)
    for step in range(steps):
        for output in range(outputs):
            mine = np.sort(scores[:, step, output])
            mine = mine[~np.isnan(mine)]
            rank = np.ceil((len(mine) + 1) * LEVELS - _CLOSE).astype(int)
            reached = rank <= len(mine)
            values[reached, step, output] = mine[rank[reached] - 1]
    return HalfWidths(values, targets)


def adaptive(
    half_widths: HalfWidths,
    scores: np.ndarray,
    known_at: np.ndarray,
    origin: np.ndarray,
    level: float,
    rate: float,
) -> np.ndarray:
    """Radii for the windows of one series, each adapted to the scores known before its origin.

    ``a <- a + rate (1 - level - missed)`` after each forecast whose truth became known, from
    ``a = 1 - level`` on, by step and target; a window asks for level ``1 - a``. Where ``a`` falls to 0,
    the formula asks for everything; the widest finite interval of validation is taken then.

    Args:
        radii: from validation.
        scores: as of ``scores_of``, ``(n, steps_ahead, n_targets)``; NaN where unknown, which teaches
            nothing.
        known_at: row from which on the truth of each window's step is known, ``(n, steps_ahead)``; a
            window learns from what is known at rows up to its own origin.
        origin: origin row of each window, rising, ``(n,)``.
        level: nominal coverage.
        rate: size of a correction; 0 keeps the level.

    Returns:
        ``(n, steps_ahead, n_targets)``.
    """
    count, steps, targets = scores.shape
    out = np.empty(scores.shape)
    for step in range(steps):
        # How many windows' truth each window knows.
        known = np.searchsorted(known_at[:, step], origin, side="right")
        due = np.minimum(known, np.arange(count))
        mine = half_widths.values[:, step], scores[:, step], due, level, rate
        # A window needs those before it that are due, so as many as lie between go in one operation.
        at_once = targets * (count - int(due[-1])) if count else 0
        out[:, step] = (_in_blocks if at_once > _WORTH_ARRAYS else _one_by_one)(*mine)
    return out


def _asked(level: float, rate: float, inside: Any, outside: Any) -> Any:
    """The level to ask for after so many truths inside and outside."""
    return level - rate * ((1 - level) * inside - level * outside)


def _one_by_one(
    widths: np.ndarray, scores: np.ndarray, due: np.ndarray, level: float, rate: float
) -> np.ndarray:
    """``adaptive`` of one step, in plain numbers."""
    wanted, count = due.tolist(), len(LEVELS) + 1
    columns = []
    for column, widest in enumerate(_widest(widths, level).tolist()):
        by_level, came = widths[:, column].tolist(), scores[:, column].tolist()
        taken = inside = outside = 0
        out: list[float] = []
        for known in wanted:
            while taken < known:
                if came[taken] <= out[taken]:
                    inside += 1
                elif came[taken] > out[taken]:  # neither of the two where it is missing
                    outside += 1
                taken += 1
            # As _position: the smallest level kept that is not below the one asked for.
            asked = int(count * _asked(level, rate, inside, outside) - count * _CLOSE)
            out.append(by_level[min(max(asked, 0), widest)])
        columns.append(out)
    return np.asarray(columns).T


def _in_blocks(
    widths: np.ndarray, scores: np.ndarray, due: np.ndarray, level: float, rate: float
) -> np.ndarray:
    """``adaptive`` of one step, in arrays of the windows that need nothing of each other."""
    out = np.empty(scores.shape)
    inside, outside = (np.zeros((len(due) + 1, scores.shape[1]), np.int64) for _ in range(2))
    widest, columns = _widest(widths, level), np.arange(scores.shape[1])
    start = 0
    while start < len(due):
        end = int(np.searchsorted(due, start, side="right"))
        known = due[start:end]
        asked = _position(_asked(level, rate, inside[known], outside[known]))
        block = out[start:end] = widths[np.minimum(asked, widest), columns]
        for counts, found in (
            (inside, scores[start:end] <= block),
            (outside, scores[start:end] > block),
        ):
            counts[start + 1 : end + 1] = counts[start] + np.cumsum(found, axis=0)
        start = end
    return out


def _widest(widths: np.ndarray, level: float) -> np.ndarray:
    """Position of the widest interval to be given, by column: the last finite one.

    Scores too few for the level itself give an infinite width, which no level makes finite.
    """
    finite = np.isfinite(widths).sum(axis=0) - 1
    chosen: np.ndarray = np.maximum(finite, _position(np.asarray(level)))
    return chosen


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
        radii: from validation.
        scores: as of ``scores_of``, ``(n, steps_ahead, n_targets)``.
        rows: origin rows in a table sorted by series and time, ``(n,)``, rising within a series.
        series: series of each window, ``(n,)``.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction.
    """
    out = np.empty(scores.shape)
    # The truth of step k (from 0) is whole with row t + k + lookahead, so known to the origin after it.
    delay = np.arange(scores.shape[1]) + lookahead + 1
    for mine in rows_by_series(series).values():
        origin = rows[mine]
        out[mine] = adaptive(
            half_widths, scores[mine], origin[:, None] + delay, origin, level, rate
        )
    return out


def coverage(
    truth: np.ndarray, lower: np.ndarray, upper: np.ndarray, level: float
) -> dict[str, Any]:
    """How intervals did: share of truths inside, mean width, and mean interval score.

    The score is the width plus ``2 / (1 - level)`` times the distance of a truth outside (Gneiting and
    Raftery 2007, "Strictly Proper Scoring Rules", section 6.2); lower is better.

    Args:
        truth: any shape.
        lower: bounds, same shape.
        upper: bounds, same shape.
        level: nominal coverage.
    """
    beyond = np.maximum(scores_of(truth, lower, upper), 0)
    width = (upper - lower).mean(dtype=np.float64)
    score = width + 2 / (1 - level) * beyond.mean(dtype=np.float64)
    return {
        "coverage": float((beyond == 0).mean()),
        "width": float(width) if np.isfinite(width) else None,
        "score": float(score) if np.isfinite(score) else None,
    }
