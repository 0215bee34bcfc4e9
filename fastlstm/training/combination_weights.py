"""Weights of what learned beside the naive forecast, from their errors on validation.

Of what learned from the train windows only validation can tell, and its windows are few and of one
period, so weights estimated there do worse than simple ones (Timmermann 2006, "Forecast Combinations").
LSTM and linear component therefore have half each unless one of them is far better, and share the
forecast with the naive one by as much as their gain over it is certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.evaluation.significance import diebold_mariano
from fastlstm.training.error_sums import ErrorSums
from fastlstm.training.simplex_weights import pooling, reckoned_horizons

# Weights of the linear component beside the LSTM that are compared; those nearer to half first. And how
# much worse than the best of them, relatively, one may be on validation.
LINEAR_WEIGHTS, _TOLERANCE = (0.5, 0.25, 0.75, 0.0, 1.0), 0.01

# Relative gain over the naive forecast that one horizon of origins of one series may show by chance, and
# the correlation of these gains between series that share what happens to all at once.
_CHANCE, _CORRELATION = 0.3, 0.05

# What learned was trained to have the least error by itself, so its weight is this many times the one
# with the least error beside the naive forecast, times how certain the gain is: all where that is two
# thirds, three quarters where the two forecasts are equally good and the gain is certain.
_TRUST_FACTOR = 1.5


@dataclass(frozen=True)
class Weights:
    """Weights of what learned, which together forecast, beside a naive forecast.

    Attributes:
        linear: of the linear component beside the LSTM, from 0 to 1.
        trust: of both beside the naive forecast, by block of steps and target,
            ``(n_blocks, n_targets)``, from 0 to 1.
        gain: relative reduction of the naive forecast's loss by both; NaN without a naive forecast.
    """

    linear: float
    trust: np.ndarray
    gain: float


def combination_weights(
    sums: ErrorSums, *, linear: bool, naive: bool, share_calendar: bool = True
) -> Weights:
    """Weights of what learned.

    Args:
        sums: products of the errors on validation of the LSTM, the linear component and the naive
            forecast, those of them that there are.
        linear: whether there is a linear component; ``sums.absolute`` then has the errors of
            ``means_to_compare``.
        naive: whether there is a naive forecast.
        share_calendar: whether the times of all series mean the same moments; where they do not, what
            happens to one series happens to no other.
    """
    weight = _linear_weight(sums.absolute) if linear else 0.0
    learned = np.array([1 - weight, weight] if linear else [1.0])
    shape = sums.by_block.shape[:2]
    if not naive:
        return Weights(weight, np.ones(shape), float("nan"))
    best = np.append(learned, 0.0)
    base = np.append(np.zeros(len(learned)), 1.0)
    rate, curvature = (
        np.einsum("i,btij,j->bt", of, sums.by_block, base - best) for of in (base, base - best)
    )
    strength = pooling(sums.independent_origins)
    share = _drawn(rate, strength) / np.maximum(_drawn(curvature, strength), 1e-12)
    certainty, gain = _certainty(sums, best, base, share_calendar)
    trust = np.clip(_TRUST_FACTOR * np.clip(share, 0, 1) * certainty, 0, 1)
    return Weights(weight, trust, gain)


def means_to_compare(forecasters: int) -> np.ndarray:
    """Means of the LSTM and the linear component that are compared by their absolute errors.

    Args:
        forecasters: how many there are, those two first.

    Returns:
        Weights of the forecasters, ``(len(LINEAR_WEIGHTS), forecasters)``.
    """
    weights = np.zeros((len(LINEAR_WEIGHTS), forecasters))
    weights[:, 1] = LINEAR_WEIGHTS
    weights[:, 0] = 1 - weights[:, 1]
    return weights


def _linear_weight(errors: np.ndarray) -> float:
    """The weight nearest to half among those whose absolute error on validation is about the lowest."""
    return LINEAR_WEIGHTS[int(np.argmax(errors <= (1 + _TOLERANCE) * errors.min()))]


def _drawn(values: np.ndarray, strength: float) -> np.ndarray:
    """Values by block and target, ``(n_blocks, n_targets)``, drawn to the means of all."""
    of_steps = values.mean(axis=1, keepdims=True)
    by_step = (of_steps + strength * values.mean()) / (1 + strength)
    return np.asarray((values + strength * by_step) / (1 + strength))


def _certainty(
    sums: ErrorSums, best: np.ndarray, naive: np.ndarray, share_calendar: bool
) -> tuple[np.ndarray, float]:
    """How far the forecast goes from the naive one to the best, by target, and the gain over all.

    The loss falls along that way at a rate that is known with an error. The estimate that shrinks it in
    proportion to that error is positive-part James-Stein (Efron and Morris 1973, "Stein's Estimation
    Rule and Its Competitors"): no step at all up to a statistic of 1, three quarters at 2, 0.9 at 3.
    Unlike a test, it does not turn with the last digit of a p-value.

    Args:
        sums: on validation.
        best: weights of the best combination, ``(n_forecasters,)``.
        naive: of the naive forecast.
        share_calendar: see ``combination_weights``.

    Returns:
        ``(n_targets,)`` from 0 to 1, those of each target drawn to that of all; and the relative gain.
    """
    whole, first = sums.by_origin, sums.first_by_origin
    targets = whole.shape[1]
    independent, of_one = (_independent(sums, n, share_calendar) for n in (targets, 1))
    of_all, gain = _shrinkage(
        whole.mean(axis=1), first.mean(axis=1), sums, best, naive, independent
    )
    if targets == 1:
        return np.array([of_all]), gain
    each = np.array(
        [_shrinkage(whole[:, t], first[:, t], sums, best, naive, of_one)[0] for t in range(targets)]
    )
    horizons = reckoned_horizons(sums.independent_origins)
    return (horizons * each + 2 * of_all) / (horizons + 2), gain


def _shrinkage(
    whole: np.ndarray, first: np.ndarray, sums: ErrorSums, best: np.ndarray, naive: np.ndarray,
    independent: float,
) -> tuple[float, float]:  # fmt: skip
    """Of products by origin over all steps and the first, ``(n_origins, n, n)``, which tell as much as
    so many independent horizons; see ``_certainty``."""
    rates, noise = [], 0.0
    for products, horizon in ((whole, len(sums.blocks)), (first, sums.first)):
        rate = np.einsum("i,nij,j->n", naive, products, naive - best)
        loss = float(np.einsum("i,nij,j->n", naive, products, naive).mean())
        if loss <= 0:
            return 0.0, 0.0
        rates.append(float(rate.mean()) / loss)
        test = diebold_mariano(rate, horizon)
        if test.statistic:
            noise = abs(test.difference / test.statistic) / loss
    gain = 1 - float(best @ whole.mean(axis=0) @ best) / float(naive @ whole.mean(axis=0) @ naive)
    rate_of_both = min(rates)
    variance = noise**2 + _CHANCE**2 / independent
    return (max(0.0, 1 - variance / rate_of_both**2) if rate_of_both > 0 else 0.0), gain


def _independent(sums: ErrorSums, targets: int, share_calendar: bool) -> float:
    """How many independent horizons of origins the series and so many targets tell as much as."""
    horizons, apart, together = sums.independent_origins, 1, sums.series * targets
    if not share_calendar:
        horizons, apart, together = sums.independent_origins_each, sums.series, targets
    return reckoned_horizons(horizons) * apart * together / (1 + (together - 1) * _CORRELATION)
