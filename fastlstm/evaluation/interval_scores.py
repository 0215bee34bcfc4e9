"""Coverage, width and interval score of prediction intervals on the test windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.forecast_limits import limited
from fastlstm.data.scaling import Scalers
from fastlstm.evaluation.conformal_quantiles import scores_needed, separate_scores
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
from fastlstm.evaluation.series_spreads import (
    ErrorRatios,
    SeriesSpreads,
    fit_spreads,
    series_scales,
)

# Lower and upper bounds, (n, steps_ahead, n_targets) each.
Bounds = tuple[np.ndarray, np.ndarray]


def evaluate_intervals(
    validation: SplitForecasts, test: SplitForecasts, scalers: Scalers, settings: RetrainConfig
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[Pair, HalfWidths]]:
    """Calibrate intervals on validation windows and score them on test windows.

    Args:
        validation: windows that the network has not learned from.
        test: windows to score the intervals on.
        scalers: with the scales of the series of a panel.
        settings: levels, rate, targets, quantiles.

    Returns:
        The findings as JSON-like values; the network's bounds on test by column name, each shaped as the
        truth; and the network's half-widths.
    """
    levels, data = settings.evaluation.interval_levels, settings.data
    overall: list[dict[str, Any]] = []
    by_step: list[dict[str, Any]] = []
    columns: dict[str, np.ndarray] = {}
    half_widths = {
        name: _calibrated(validation, name, scalers, settings) for name in test.point_forecasts
    }
    for level in levels:
        for name in test.point_forecasts:
            for method, bounds in _intervals(
                test, name, half_widths[name], level, scalers, settings
            ).items():
                about = {"level": level, "forecast": name, "method": method}
                overall += _by_target(about, test, name, bounds, data.targets)
                if name == "model":
                    by_step += _coverage_by_step(about, test.truth, bounds)
                    # Those of the last method: adaptive where there are such.
                    columns[f"lower_{level:g}"], columns[f"upper_{level:g}"] = bounds
    findings = {
        "rate": settings.evaluation.interval_rate,
        "notes": _notes(validation, levels, data.lookahead),
        "overall": overall,
        "by_step": by_step,
    }
    return findings, columns, half_widths["model"]


def _notes(validation: SplitForecasts, levels: list[float], lookahead: int) -> list[str]:
    """What validation has too few windows for, by level."""
    steps = validation.truth.shape[1]
    separate = separate_scores(validation.rows, validation.series, steps, lookahead)
    fewest, most, notes = int(separate.min()), int(separate.max()), []
    for level in levels:
        needed, which = scores_needed(level), f"{100 * level:.4g}% intervals"
        if most < needed:
            notes.append(
                f"too few validation windows for {which}: {most}, {needed} needed; the largest error "
                "is widened by the tail of Student's t distribution"
            )
        elif fewest < needed:
            notes.append(
                f"few validation windows for {which}: those at the last step are worth {fewest} that "
                f"do not overlap, {needed} needed; neighbouring steps are pooled"
            )
    return notes


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
    validation: SplitForecasts, name: str, scalers: Scalers, settings: RetrainConfig
) -> dict[Pair, HalfWidths]:
    """Half-widths of a forecast's intervals, by their base interval.

    Those around the median are always among them, so that an interval of any level can be had later.
    """
    quantiles, data = _quantiles(name, settings), settings.data
    levels = settings.evaluation.interval_levels
    pairs = {MEDIAN_PAIR, *(quantile_pair(level, quantiles) for level in levels)}
    separate = separate_scores(
        validation.rows, validation.series, validation.truth.shape[1], data.lookahead
    )
    spreads, unit = _spreads(validation, name, scalers, settings)
    return {
        pair: calibrate(
            _scores(validation, name, pair, quantiles) / unit, data.targets, separate, spreads
        )
        for pair in sorted(pairs, reverse=True)
    }


def _spreads(
    validation: SplitForecasts, name: str, scalers: Scalers, settings: RetrainConfig
) -> tuple[SeriesSpreads | None, np.ndarray]:
    """Spreads of the series, and of each window ``(n, 1, n_targets)``; ones where series have no
    scales."""
    targets = settings.data.targets
    scales = series_scales(scalers, targets, validation.series) if len(validation.rows) else None
    if scales is None:
        return None, np.ones((1, 1, len(targets)))
    errors = np.abs(validation.truth - validation.point_forecasts[name]).mean(axis=1)
    span = validation.truth.shape[1] + settings.data.lookahead
    ratios = ErrorRatios(errors / scales, validation.rows, validation.series, span)
    spreads, of_windows = fit_spreads(ratios, scales, targets)
    return spreads, of_windows[:, None, :]


def _intervals(
    test: SplitForecasts,
    name: str,
    half_widths: dict[Pair, HalfWidths],
    level: float,
    scalers: Scalers,
    settings: RetrainConfig,
) -> dict[str, Bounds]:
    """Intervals of one level around a forecast, by method; none where it is defined nowhere."""
    quantiles, rate = _quantiles(name, settings), settings.evaluation.interval_rate
    pair = quantile_pair(level, quantiles)
    lower, upper = base_interval(test.with_quantiles(name), pair, quantiles)
    if np.isnan(lower).any(axis=(1, 2)).all():  # a season longer than any contiguous block
        return {}
    calibrated = half_widths[pair]
    unit = calibrated.unit(test.series, len(test.rows), scalers)
    widths = {"conformal": np.broadcast_to(calibrated.at(level), test.truth.shape)}
    if rate:
        scores = _scores(test, name, pair, quantiles) / unit
        widths["adaptive"] = adaptive_by_series(
            calibrated, scores, test.rows, test.series, settings.data.lookahead, level, rate
        )
    data, hp = settings.data, settings.hyperparameters
    return {
        method: (
            limited(lower - width * unit, data, hp, kind="lower"),
            limited(upper + width * unit, data, hp, kind="upper"),
        )
        for method, width in widths.items()
    }


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
