"""Prediction intervals around forecasts, from errors on validation windows and those known since.

Split-conformal prediction (Lei et al. 2018, "Distribution-Free Predictive Inference for Regression",
section 2.2) for each step and target: an interval of level L reaches as far on both sides of a forecast
as the ``ceil((n + 1) L)``-th smallest of ``n`` absolute validation errors. Adaptive conformal inference
(Gibbs and Candès 2021, "Adaptive Conformal Inference Under Distribution Shift") then moves the level
asked of those errors by what became of the forecasts before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.errors import StoreError
from fastlstm.loading import read_table, write_table
from fastlstm.series import rows_by_series

INTERVALS_FILE = "intervals.parquet"
# Levels that half-widths are kept for; a level between two takes the greater.
LEVELS = np.arange(1, 200) / 200


@dataclass(frozen=True)
class Radii:
    """Half-widths of intervals, by level, step and target.

    Attributes:
        values: ``(len(LEVELS), steps_ahead, n_targets)``, never falling along the first axis; infinite
            where the validation errors are too few for the level.
        targets: target names.
    """

    values: np.ndarray
    targets: list[str]

    def at(self, level: float) -> np.ndarray:
        """Half-widths of one level, ``(steps_ahead, n_targets)``."""
        chosen: np.ndarray = self.values[_position(np.asarray(level))]
        return chosen

    def write(self, file: Path) -> None:
        """Write as Parquet: ``target``, ``step``, ``level``, ``radius``."""
        levels, steps, targets = self.values.shape
        table = pd.DataFrame(
            {
                "target": np.tile(np.asarray(self.targets, dtype=object), levels * steps),
                "step": np.tile(np.repeat(np.arange(1, steps + 1), targets), levels),
                "level": np.repeat(LEVELS, steps * targets),
                "radius": self.values.reshape(-1),
            }
        )
        write_table(table.astype({"step": np.int32}), file)

    @classmethod
    def read(cls, file: Path, targets: list[str]) -> Radii:
        """Read what ``write`` wrote.

        Raises:
            StoreError: the file holds something else.
        """
        radius = read_table(file)["radius"].to_numpy()
        if len(radius) % (len(LEVELS) * len(targets)):
            raise StoreError(f"{file}: {len(radius)} rows are no intervals of {targets}")
        return cls(radius.reshape(len(LEVELS), -1, len(targets)), targets)


def _position(level: np.ndarray) -> np.ndarray:
    """Where the smallest level kept that is not below each level stands; the last for higher ones."""
    found: np.ndarray = np.minimum(np.searchsorted(LEVELS, level - 1e-9), len(LEVELS) - 1)
    return found


def calibrate(truth: np.ndarray, forecast: np.ndarray, targets: list[str]) -> Radii:
    """Half-widths from forecasts of windows that the network did not learn from.

    Windows whose truth or forecast is missing do not count, by step and target.

    Args:
        truth: ``(n, steps_ahead, n_targets)``.
        forecast: same shape.
        targets: target names.
    """
    _, steps, outputs = truth.shape
    values = np.full((len(LEVELS), steps, outputs), np.inf)
    for step in range(
        steps
    ):  # one at a time, for the errors of all would be as large as the windows
        for output in range(outputs):
            errors = np.abs(truth[:, step, output] - forecast[:, step, output])
            errors = np.sort(errors[~np.isnan(errors)])
            rank = np.ceil((len(errors) + 1) * LEVELS - 1e-9).astype(int)
            reached = rank <= len(errors)
            values[reached, step, output] = errors[rank[reached] - 1]
    return Radii(values, targets)


def adaptive(
    radii: Radii,
    errors: np.ndarray,
    known_at: np.ndarray,
    origin: np.ndarray,
    level: float,
    rate: float,
) -> np.ndarray:
    """Half-widths for the windows of one series, each adapted to the errors known before its origin.

    ``a <- a + rate (1 - level - missed)`` after each forecast whose truth became known, from
    ``a = 1 - level`` on, by step and target; a window asks for level ``1 - a``. Where ``a`` falls to 0,
    the formula asks for everything; the widest finite interval of validation is taken then.

    Args:
        radii: from validation.
        errors: truth minus forecast, ``(n, steps_ahead, n_targets)``; NaN where unknown, which teaches
            nothing.
        known_at: row from which on the truth of each window's step is known, ``(n, steps_ahead)``; a
            window learns from what is known at rows up to its own origin.
        origin: origin row of each window, rising, ``(n,)``.
        level: nominal coverage.
        rate: size of a correction; 0 keeps the level.

    Returns:
        ``(n, steps_ahead, n_targets)``.
    """
    count, steps, targets = errors.shape
    finite = np.isfinite(radii.values).sum(axis=0) - 1
    # Errors too few for the level itself give an infinite width, which nothing makes finite.
    widest = np.maximum(finite, _position(np.asarray(level)))
    out = np.empty(errors.shape)
    missed_share = np.full((steps, targets), 1 - level)
    next_known = np.zeros(steps, int)  # the first window whose truth is not taken up, by step
    all_steps, all_targets = np.arange(steps)[:, None], np.arange(targets)[None, :]
    for window in range(count):
        while True:
            inside = np.minimum(next_known, count - 1)
            due = (next_known < window) & (known_at[inside, np.arange(steps)] <= origin[window])
            if not due.any():
                break
            at = np.flatnonzero(due)
            error = errors[next_known[at], at]
            missed = np.abs(error) > out[next_known[at], at]
            correction = rate * (1 - level - missed)
            missed_share[at] += np.where(np.isnan(error), 0.0, correction)
            next_known[at] += 1
        asked = np.minimum(_position(1 - missed_share), widest)
        out[window] = radii.values[asked, all_steps, all_targets]
    return out


def adaptive_by_series(
    radii: Radii,
    errors: np.ndarray,
    rows: np.ndarray,
    series: np.ndarray,
    lookahead: int,
    level: float,
    rate: float,
) -> np.ndarray:
    """``adaptive`` for windows of several series, each by itself.

    Args:
        radii: from validation.
        errors: truth minus forecast, ``(n, steps_ahead, n_targets)``.
        rows: origin rows in a table sorted by series and time, ``(n,)``, rising within a series.
        series: series of each window, ``(n,)``.
        lookahead: rows after its own that a target's value depends on.
        level: nominal coverage.
        rate: size of a correction.
    """
    out = np.empty(errors.shape)
    # The truth of step k (from 0) is whole with row t + k + lookahead, so known to the origin after it.
    delay = np.arange(errors.shape[1]) + lookahead + 1
    for mine in rows_by_series(series).values():
        origin = rows[mine]
        out[mine] = adaptive(radii, errors[mine], origin[:, None] + delay, origin, level, rate)
    return out


def coverage(
    truth: np.ndarray, forecast: np.ndarray, radius: np.ndarray, level: float
) -> dict[str, Any]:
    """How intervals did: share of truths inside, mean width, and mean interval score.

    The score is the width plus ``2 / (1 - level)`` times the distance of a truth outside (Gneiting and
    Raftery 2007, "Strictly Proper Scoring Rules", section 6.2); lower is better.

    Args:
        truth: any shape.
        forecast: same shape.
        radius: half-widths, same shape.
        level: nominal coverage.
    """
    beyond = np.maximum(np.abs(truth - forecast) - radius, 0)
    width = 2 * radius.mean(dtype=np.float64)
    score = width + 2 / (1 - level) * beyond.mean(dtype=np.float64)
    return {
        "coverage": float((beyond == 0).mean()),
        "width": float(width) if np.isfinite(width) else None,
        "score": float(score) if np.isfinite(score) else None,
    }
