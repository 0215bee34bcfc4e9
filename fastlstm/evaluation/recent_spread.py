"""How the spread of a series moves with the errors that become known after validation.

Validation gives the spread of a series from few windows. The errors known at a later forecast origin are
of the same series, and newer. Their mean, in units of what validation expects at each step, corrects the
spread; few of them correct it little (a prior that counts as half a window).

All steps count together, so that the errors of the first steps, which are known at once, correct the
intervals of the last ones too.
"""

from __future__ import annotations

import numpy as np

# The prior counts as so many windows that do not overlap. Validation is worth more of them; but the
# spread of real series moves, and new errors are of now.
_PRIOR_WINDOWS = 0.5

# Scores beyond the half-width of this level count as that half-width, so that one cannot decide.
_GREATEST_LEVEL = 0.975

# A spread does not fall below this share of that of validation: a series may have no errors at all.
_LEAST_FACTOR = 1e-3


def spread_factors(
    scores: np.ndarray, target_start: np.ndarray, lookahead: int, half_widths: np.ndarray,
    levels: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """What the spread of one series is multiplied by for each window, ``(n, 1, n_targets)``.

    Args:
        scores: in units of the spread, ``(n, steps_ahead, n_targets)``; NaN where unknown.
        target_start: first target row of each window, rising, ``(n,)``; a factor depends on the scores
            known before this row.
        lookahead: rows after its own that a target's value depends on.
        half_widths: from validation, ``(n_levels, steps_ahead, n_targets)``.
        levels: nominal coverages that these are of, rising, ``(n_levels,)``.
    """
    count, steps, targets = scores.shape
    last = max(int(np.searchsorted(levels, _GREATEST_LEVEL)) - 1, 0)
    greatest = np.abs(half_widths[: last + 1]).max(axis=0)
    # The mean of scores that are cut at the greatest is that of their quantiles.
    expected = np.minimum(np.abs(half_widths), greatest).mean(axis=0)
    known_from = target_start[:, None] + np.arange(steps) + lookahead + 1
    order = np.argsort(known_from, axis=None, kind="stable")
    known = np.searchsorted(known_from.ravel()[order], target_start, side="right")
    usable = (expected > 0) & np.isfinite(expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        cut = np.minimum(np.abs(scores), greatest)
        ratios = np.where(usable, cut / expected, np.nan).reshape(-1, targets)[order]
    defined = ~np.isnan(ratios)
    nothing = np.zeros((1, targets))
    number = np.concatenate([nothing, np.cumsum(defined, axis=0)])[known]
    total = np.concatenate([nothing, np.cumsum(np.where(defined, ratios, 0.0), axis=0)])[known]
    # As many rows as one window has, each the truth of a forecast of every step, are one window.
    windows = number / steps**2
    mean = (total + 1e-12) / np.maximum(number, 1)
    weight = windows / (windows + _PRIOR_WINDOWS)
    factors: np.ndarray = np.exp(weight * np.log(np.maximum(mean, _LEAST_FACTOR)))
    by_window: np.ndarray = factors.reshape(count, 1, targets)
    return by_window
