"""Half-widths from the scores of one step and target, also where validation has few windows.

Consecutive windows overlap, so their errors are alike, and ``n`` windows say less than ``n`` separate
ones. An error of step ``k`` comes from the innovations of ``k`` rows, of which two windows that begin
``j`` rows apart share ``k - j``. Their correlation is then ``1 - j / k``, and the squared correlations
of all windows with one add up to ``2 k / 3`` (Bartlett 1946, "On the Theoretical Specification and
Sampling Properties of Autocorrelated Time-Series"), so that ``1.5 n / k`` scores count. With ``m`` such
scores, the quantile of level ``L (1 + 1/m)`` of all scores covers a share of ``L`` (for separate windows
this is the ``ceil((m + 1) L)``-th smallest: Lei et al. 2018, section 2.2).

Where that is above 1, scores of neighbouring steps are pooled, divided by how errors grow with the step.
Where all steps together are too few, the greatest score is widened by the tail of Student's t
distribution with ``m`` degrees of freedom.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# Levels nearer than this are the same.
_CLOSE = 1e-9


def scores_needed(level: float) -> int:
    """The fewest separate scores of which one is a level's half-width: ``ceil((m + 1) L) <= m``."""
    return int(np.ceil(level / (1 - level) - _CLOSE))


def conformal_half_widths(
    scores: np.ndarray, separate: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """Half-widths of one target.

    Args:
        scores: nonconformity scores, ``(n, steps_ahead)``; NaN does not count.
        separate: how many separate scores those of each step amount to, ``(steps_ahead,)``.
        levels: nominal coverages, rising, ``(n_levels,)``.

    Returns:
        ``(n_levels, steps_ahead)``, never falling along the first axis; infinite where a step has no
        score.
    """
    steps = scores.shape[1]
    growth = growth_by_step(scores)
    scaled = scores / growth
    widths = np.full((len(levels), steps), np.inf)
    for step in range(steps):
        todo = np.full(len(levels), not np.isnan(scores[:, step]).all())
        for reach in range(steps):
            if not todo.any():
                break
            begin, end = max(0, step - reach), step + reach + 1
            count = float(separate[begin:end].max())
            everything = begin == 0 and end >= steps
            done = todo & (everything | (levels * (1 + 1 / count) <= 1 + _CLOSE))
            pool = scores[:, step] if reach == 0 else scaled[:, begin:end] * growth[step]
            if done.any():
                widths[done, step] = _quantiles(pool, count, levels[done])
            todo &= ~done
    widened: np.ndarray = np.maximum.accumulate(widths, axis=0)
    return widened


def separate_scores(rows: np.ndarray, series: np.ndarray, steps: int, lookahead: int) -> np.ndarray:
    """How many separate scores those of each step amount to, ``(steps,)``, over all series.

    Args:
        rows: first target row of each window in a table sorted by series and time, ``(n,)``.
        series: label of each window's series, ``(n,)``.
        steps: target rows of a window.
        lookahead: rows after its own that a target's value depends on.
    """
    codes, labels = pd.factorize(np.asarray(series, str))
    number = np.bincount(codes, minlength=len(labels))
    first, last = np.full(len(labels), np.iinfo(np.int64).max), np.full(len(labels), -1)
    np.minimum.at(first, codes, rows)
    np.maximum.at(last, codes, rows)
    span = np.arange(1, steps + 1)[:, None] + lookahead
    counts: np.ndarray = np.minimum(1 + 1.5 * (last - first) / span, number).sum(axis=1)
    return counts


def _quantiles(pool: np.ndarray, count: float, levels: np.ndarray) -> np.ndarray:
    """Half-widths of some levels from pooled scores that amount to ``count`` separate ones."""
    ordered = np.sort(pool[~np.isnan(pool)])
    number = len(ordered)
    rank = np.ceil((count + 1) * levels * (number / count) - _CLOSE).astype(int)
    found: np.ndarray = ordered[np.minimum(rank, number) - 1].copy()
    beyond = rank > number
    if beyond.any():
        greatest = np.abs(ordered).max()
        found[beyond] = ordered[-1] + (_tail_ratio(levels[beyond], count) - 1) * greatest
    return found


def _tail_ratio(levels: np.ndarray, count: float) -> np.ndarray:
    """How much further an interval of a level reaches than one of the greatest of ``count`` scores.

    The greatest covers a share of ``count / (count + 1)``. Both are quantiles of Student's t
    distribution with ``count`` degrees of freedom, which normal errors divided by a standard deviation
    estimated from as many follow (Student 1908, "The Probable Error of a Mean").
    """
    from scipy.stats import t as student

    covered = count / (count + 1)
    ratio = student.ppf((1 + levels) / 2, count) / student.ppf((1 + covered) / 2, count)
    return np.asarray(np.maximum(ratio, 1.0))


def growth_by_step(scores: np.ndarray) -> np.ndarray:
    """How the errors grow with the step: ``step ** b`` with the best ``b`` from 0 to 1, ``(steps,)``.

    Errors of a stationary series do not grow (0), those of a random walk with the root of the step
    (0.5), and those of a wrong trend with the step (1). A curve with one parameter is fitted, since
    few scores give the mean of each step badly.

    Args:
        scores: ``(n, steps_ahead)``; NaN does not count.
    """
    steps = np.arange(1, scores.shape[1] + 1)
    defined = ~np.isnan(scores)
    number = defined.sum(axis=0)
    mean = np.where(defined, np.abs(scores), 0.0).sum(axis=0) / np.maximum(number, 1)
    usable = mean > 0
    if usable.sum() < 2:
        return np.ones(len(steps))
    x, y = np.log(steps[usable]), np.log(mean[usable])
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    grown: np.ndarray = steps ** np.clip(slope, 0.0, 1.0)
    return grown
