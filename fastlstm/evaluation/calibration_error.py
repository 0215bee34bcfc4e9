"""How far forecast probabilities are from the shares of what happened, beside what chance alone makes.

The expected calibration error of few windows is above 0 for a perfectly calibrated forecaster too, for
the share of positives in a bin varies (Roelofs et al. 2022, "Mitigating Bias in Calibration Error
Estimation"). So it stands beside the error that labels drawn with these very probabilities have, its
mean and its 95% quantile (consistency resampling; Bröcker and Smith 2007, "Increasing the Reliability of
Reliability Diagrams"), and an estimate without that bias (Kumar, Liang and Ma 2019, "Verified
Uncertainty Calibration").
"""

from __future__ import annotations

from typing import Any

import numpy as np

_BINS = 15
_DRAWS, _LIMIT = 2000, 0.95


def calibration_report(
    truth: np.ndarray, probability: np.ndarray, windows: np.ndarray | None = None
) -> dict[str, Any]:
    """The calibration error of probabilities, and what it is to be compared with.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        windows: how many windows each of them stands for, ``(n,)``; None: one.

    Returns:
        ``calibration_error`` and ``reliability``: see ``reliability``;
        ``calibration_error_by_chance`` and ``calibration_error_limit``: mean and 95% quantile of the
        error of a perfectly calibrated forecaster with the same probabilities, its windows independent
        of each other; ``calibration_error_debiased``: see ``debiased_error``. All numbers are None
        without windows.
    """
    error, bins = reliability(truth, probability, windows)
    by_chance, limit = error_by_chance(bins)
    return {
        "calibration_error": error,
        "calibration_error_by_chance": by_chance,
        "calibration_error_limit": limit,
        "calibration_error_debiased": debiased_error(bins),
        "reliability": bins,
    }


def reliability(
    truth: np.ndarray, probability: np.ndarray, windows: np.ndarray | None = None
) -> tuple[float | None, list[dict[str, Any]]]:
    """Expected calibration error, and the bins it is computed from.

    The mean distance between forecast probability and share of positives over 15 bins of equal width,
    weighted by their windows (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2).

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        windows: how many windows each of them stands for, ``(n,)``; None: one.

    Returns:
        The error, None without windows; and for each bin that holds any ``probability`` (their mean),
        ``positives`` (their share) and ``windows``.
    """
    if not len(truth):
        return None, []
    windows = np.ones(len(truth), np.int64) if windows is None else windows
    number = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    counts, probabilities, labels = (
        np.bincount(number, weights=values, minlength=_BINS)
        for values in (windows, probability * windows, truth * windows)
    )
    used = np.flatnonzero(counts)
    forecast, positives = probabilities[used] / counts[used], labels[used] / counts[used]
    error = float((np.abs(forecast - positives) * counts[used]).sum() / windows.sum())
    bins = [
        {"probability": float(p), "positives": float(share), "windows": int(count)}
        for p, share, count in zip(forecast, positives, counts[used], strict=True)
    ]
    return error, bins


def error_by_chance(bins: list[dict[str, Any]]) -> tuple[float | None, float | None]:
    """Mean and 95% quantile of the error of a perfectly calibrated forecaster with the same bins.

    Labels are drawn with the mean probability of their bin; within a bin probabilities differ by less
    than its width, which hardly changes the spread of their sum.

    Args:
        bins: those of ``reliability``.
    """
    if not bins:
        return None, None
    probability, _, windows = _columns(bins)
    draws = np.random.default_rng(0).binomial(
        windows.astype(np.int64), probability.clip(0, 1), (_DRAWS, len(bins))
    )
    errors = np.abs(draws - probability * windows).sum(axis=1) / windows.sum()
    return float(errors.mean()), float(np.quantile(errors, _LIMIT))


def debiased_error(bins: list[dict[str, Any]]) -> float | None:
    """Root of the mean squared distance between probability and share, less what chance adds to it.

    Of a bin of ``n`` windows with the share ``s``, chance adds ``s * (1 - s) / (n - 1)`` to the squared
    distance. As a root of squares it is not below the mean distance that it stands for. Bins of one
    window tell nothing and are left out.

    Args:
        bins: those of ``reliability``.

    Returns:
        0 where the squared distances are within what chance adds; None where each bin has one window.
    """
    several = [of_bin for of_bin in bins if of_bin["windows"] > 1]
    if not several:
        return None
    probability, positives, windows = _columns(several)
    by_chance = positives * (1 - positives) / (windows - 1)
    squared = np.square(probability - positives) - by_chance
    return float(np.sqrt(max(0.0, np.average(squared, weights=windows))))


def _columns(bins: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability, share of positives and windows of each bin."""
    probability, positives, windows = (
        np.array([of_bin[name] for of_bin in bins], np.float64)
        for name in ("probability", "positives", "windows")
    )
    return probability, positives, windows
