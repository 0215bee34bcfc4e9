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
    variance = _long_run_variance(d - mean, horizon)
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


def independent_windows(origin: np.ndarray, losses: np.ndarray, horizon: int) -> float:
    """How many independent windows say as much about a mean loss as the given ones, at most ``n``.

    Series that share a time share its shocks (a storm delays all carriers), and windows of several steps
    overlap; the variance of the mean loss by origin shows both. This is the number of windows by the
    design effect (Kish 1965, "Survey Sampling", section 5.4).

    Args:
        origin: origin of each window, ``(n,)``.
        losses: of each window, ``(n,)``.
        horizon: rows that the targets of a window depend on.
    """
    centred = losses - losses.mean()
    _, position = np.unique(origin, return_inverse=True)
    sums = np.bincount(position, weights=centred)
    alone, together = float(centred @ centred), len(sums) * _long_run_variance(sums, horizon)
    return len(losses) * min(1.0, alone / together) if together > 0 else float(len(losses))


def _long_run_variance(centred: np.ndarray, horizon: int) -> float:
    """Variance of values in order of time, with autocovariances up to lag ``horizon - 1`` by Bartlett's
    weights."""
    n = len(centred)
    variance = float(centred @ centred) / n
    for lag in range(1, min(horizon, n)):
        weight = 1 - lag / horizon
        variance += 2 * weight * float(centred[lag:] @ centred[:-lag]) / n
    return variance
