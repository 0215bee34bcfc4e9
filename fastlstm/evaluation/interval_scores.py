"""Coverage, width and interval score of prediction intervals on the test windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.evaluation.intervals import (
    MEDIAN_PAIR,
    HalfWidths,
    Pair,
    adaptive_by_series,
    base_interval,
    calibrate,
    coverage,
    nonconformity_scores,
    quantile_pair,
)
from fastlstm.evaluation.predictions import SplitForecasts

# Lower and upper bounds, (n, steps_ahead, n_targets) each.
Bounds = tuple[np.ndarray, np.ndarray]


def evaluate_intervals(
    validation: SplitForecasts, test: SplitForecasts, settings: RetrainConfig
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[Pair, HalfWidths]]:
    """Calibrate intervals on validation windows and score them on test windows.

    Args:
        validation: windows that the network has not learned from.
        test: windows to score the intervals on.
        settings: levels, rate, targets, quantiles.

    Returns:
        The findings as JSON-like values; the network's bounds on test by column name, each shaped as the
        truth; and the network's half-widths.
    """
    levels, data = settings.evaluation.interval_levels, settings.data
    overall: list[dict[str, Any]] = []
    by_step: list[dict[str, Any]] = []
    columns: dict[str, np.ndarray] = {}
    half_widths = {name: _calibrated(validation, name, settings) for name in test.point_forecasts}
    for level in levels:
        for name in test.point_forecasts:
            for method, bounds in _intervals(
                test, name, half_widths[name], level, settings
            ).items():
                about = {"level": level, "forecast": name, "method": method}
                overall += _by_target(about, test, name, bounds, data.targets)
                if name == "model":
                    by_step += _coverage_by_step(about, test.truth, bounds)
                    # Those of the last method: adaptive where there are such.
                    columns[f"lower_{level:g}"], columns[f"upper_{level:g}"] = bounds
    findings = {
        "rate": settings.evaluation.interval_rate,
        "overall": overall,
        "by_step": by_step,
    }
    return findings, columns, half_widths["model"]


def _quantiles(name: str, settings: RetrainConfig) -> list[float] | None:
    """The quantiles of a forecast; None for a baseline, which forecasts none."""
    return settings.hyperparameters.quantiles if name == "model" else None


def _scores(
    split: SplitForecasts, name: str, pair: Pair, quantiles: list[float] | None
) -> np.ndarray:
    """Nonconformity scores of a forecast, ``(n, steps_ahead, n_targets)``."""
    lower, upper = base_interval(split.with_quantiles(name), pair, quantiles)
    return nonconformity_scores(split.truth, lower, upper)


def _calibrated(
    validation: SplitForecasts, name: str, settings: RetrainConfig
) -> dict[Pair, HalfWidths]:
    """Half-widths of a forecast's intervals, by their base interval.

    Those around the median are always among them, so that an interval of any level can be had later.
    """
    quantiles = _quantiles(name, settings)
    levels = settings.evaluation.interval_levels
    pairs = {MEDIAN_PAIR, *(quantile_pair(level, quantiles) for level in levels)}
    return {
        pair: calibrate(_scores(validation, name, pair, quantiles), settings.data.targets)
        for pair in sorted(pairs, reverse=True)
    }


def _intervals(
    test: SplitForecasts,
    name: str,
    half_widths: dict[Pair, HalfWidths],
    level: float,
    settings: RetrainConfig,
) -> dict[str, Bounds]:
    """Intervals of one level around a forecast, by method; none where it is defined nowhere."""
    quantiles, rate = _quantiles(name, settings), settings.evaluation.interval_rate
    pair = quantile_pair(level, quantiles)
    lower, upper = base_interval(test.with_quantiles(name), pair, quantiles)
    if np.isnan(lower).any(axis=(1, 2)).all():  # a season longer than any contiguous block
        return {}
    calibrated = half_widths[pair]
    widths = {"conformal": np.broadcast_to(calibrated.at(level), test.truth.shape)}
    if rate:
        scores = _scores(test, name, pair, quantiles)
        widths["adaptive"] = adaptive_by_series(
            calibrated, scores, test.rows, test.series, settings.data.lookahead, level, rate
        )
    return {method: (lower - width, upper + width) for method, width in widths.items()}


def _by_target(
    about: dict[str, Any], test: SplitForecasts, name: str, bounds: Bounds, targets: list[str]
) -> list[dict[str, Any]]:
    """Coverage, width and score of each target's intervals, where the forecast is defined."""
    lower, upper = bounds
    defined = ~np.isnan(test.with_quantiles(name)).any(axis=(1, 2, 3))
    return [
        {
            **about,
            "target": target,
            **coverage(
                test.truth[defined, :, i], lower[defined, :, i], upper[defined, :, i],
                about["level"],
            ),
        }
        for i, target in enumerate(targets)
    ]  # fmt: skip


def _coverage_by_step(
    about: dict[str, Any], truth: np.ndarray, bounds: Bounds
) -> list[dict[str, Any]]:
    """Share of truths inside the network's intervals at each step ahead."""
    lower, upper = bounds
    inside = (lower <= truth) & (truth <= upper)
    shares = inside.mean(axis=(0, 2)).tolist()
    return [{**about, "step": step, "coverage": share} for step, share in enumerate(shares, 1)]
