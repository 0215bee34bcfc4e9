"""The Diebold-Mariano test: whether one forecast is significantly better than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """A one-sided Diebold-Mariano test that the first forecast has the lower loss.

    Attributes:
        difference: mean loss of the second forecast less that of the first; above 0 the first is better.
        statistic: Student's t; None where the test cannot be made.
        p_value: probability of such a statistic if both were equally good; None likewise.
        origins: number of origins compared.
    """

    difference: float
    statistic: float | None
    p_value: float | None
    origins: int

    def is_better(self, level: float = 0.05) -> bool:
        """Whether the first forecast is better at this level of significance."""
        return self.p_value is not None and self.p_value < level


def diebold_mariano(differences: np.ndarray, horizon: int) -> Comparison:
    """Compare two forecasts by their losses at consecutive origins.

    Diebold and Mariano 1995, "Comparing Predictive Accuracy", with the small-sample correction and
    Student's t of Harvey, Leybourne and Newbold 1997, "Testing the equality of prediction mean squared
    errors". Forecasts of ``horizon`` steps from neighbouring origins share steps, so the variance of the
    mean counts autocovariances up to lag ``horizon - 1``, with Bartlett's weights (Newey and West 1987),
    which keep it from being negative.

    Args:
        differences: loss of the second forecast less that of the first by origin, in order of time,
            ``(n,)``; with several series their mean at each origin.
        horizon: steps forecast at each origin.

    Returns:
        The comparison. It has no statistic where the differences do not vary, or where there are fewer
        than two horizons of origins, of which less than two are independent.
    """
    from scipy.stats import t as student

    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    mean = float(d.mean()) if n else float("nan")
    if n < max(2 * horizon, 3):
        return Comparison(mean, None, None, n)
    centred = d - mean
    variance = float(centred @ centred) / n
    for lag in range(1, horizon):
        weight = 1 - lag / horizon
        variance += 2 * weight * float(centred[lag:] @ centred[:-lag]) / n
    if variance <= 0:
        return Comparison(mean, None, None, n)
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = mean / np.sqrt(variance / n) * np.sqrt(correction)
    return Comparison(mean, float(statistic), float(student.sf(statistic, n - 1)), n)


def by_origin(origin: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Mean over the series at each origin, in order of time.

    Args:
        origin: origin of each window, ``(n,)``; windows of several series share an origin.
        losses: value of each window, ``(n,)``.

    Returns:
        ``(n_origins,)``.
    """
    _, position = np.unique(origin, return_inverse=True)
    return np.bincount(position, weights=losses) / np.bincount(position)
