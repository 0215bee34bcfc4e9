"""Coverage, width and interval score of prediction intervals on the test windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    scores = {
        name: CalibrationScores.of(validation, name, scalers, settings)
        for name in test.point_forecasts
    }
    half_widths = {name: of_name.half_widths for name, of_name in scores.items()}
    overall, by_step, columns = score_intervals(test, half_widths, scalers, settings)
    evaluation = settings.evaluation
    findings = {
        "rate": evaluation.interval_rate,
        "notes": notes(scores["model"].separate, evaluation.interval_levels),
        "overall": overall,
        "by_step": by_step,
    }
    return findings, columns, half_widths["model"]


def score_intervals(
    test: SplitForecasts, half_widths: dict[str, dict[Pair, HalfWidths]], scalers: Scalers,
    settings: RetrainConfig,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, np.ndarray]]:  # fmt: skip
    """Score intervals on test windows.

    Args:
        test: the windows.
        half_widths: of each forecast, by its name.
        scalers: with the scales of the series of a panel.
        settings: levels, rate, targets, quantiles.

    Returns:
        Coverage, width and score of each level, forecast, method and target; coverage of the network's
        by step; and the network's bounds by column name, each shaped as the truth.
    """
    overall: list[dict[str, Any]] = []
    by_step: list[dict[str, Any]] = []
    columns: dict[str, np.ndarray] = {}
    for level in settings.evaluation.interval_levels:
        for name in test.point_forecasts:
            for method, bounds in _intervals(
                test, name, half_widths[name], level, scalers, settings
            ).items():
                about = {"level": level, "forecast": name, "method": method}
                overall += _by_target(about, test, name, bounds, settings.data.targets)
                if name == "model":
                    by_step += _coverage_by_step(about, test.truth, bounds)
                    # Those of the last method: adaptive where there are such.
                    columns[f"lower_{level:g}"], columns[f"upper_{level:g}"] = bounds
    return overall, by_step, columns


def notes(separate: np.ndarray, levels: list[float]) -> list[str]:
    """What validation has too few windows for, by level.

    Args:
        separate: how many separate scores those of each step amount to, ``(steps_ahead,)``.
        levels: nominal coverages.
    """
    fewest, most = int(separate.min()), int(separate.max())
    found = []
    for level in levels:
        needed, which = scores_needed(level), f"{100 * level:.4g}% intervals"
        if most < needed:
            found.append(
                f"too few validation windows for {which}: {most}, {needed} needed; the largest error "
                "is widened by the tail of Student's t distribution"
            )
        elif fewest < needed:
            found.append(
                f"few validation windows for {which}: those at the last step are worth {fewest} that "
                f"do not overlap, {needed} needed; neighbouring steps are pooled"
            )
    return found


def _quantiles(name: str, settings: RetrainConfig) -> list[float] | None:
    """The quantiles of a forecast; None for a baseline, which forecasts none."""
    return settings.hyperparameters.quantiles if name == "model" else None


def _scores(
    split: SplitForecasts, name: str, pair: Pair, quantiles: list[float] | None
) -> np.ndarray:
    """Nonconformity scores of a forecast, ``(n, steps_ahead, n_targets)``."""
    lower, upper = base_interval(split.with_quantiles(name), pair, quantiles)
    return nonconformity_scores(split.truth, lower, upper)


@dataclass(frozen=True)
class CalibrationScores:
    """Nonconformity scores of one forecast on validation windows; those of shards can be joined.

    Attributes:
        scores: by base interval, ``(n, steps_ahead, n_targets)``, in units of the spread of the series.
            Those around the median are always among them, so that an interval of any level can be had
            later.
        separate: how many separate scores those of each step amount to, ``(steps_ahead,)``.
        spreads: of the series of a panel; None where series have no scales.
        targets: target names.
    """

    scores: dict[Pair, np.ndarray]
    separate: np.ndarray
    spreads: SeriesSpreads | None
    targets: list[str]

    @classmethod
    def of(
        cls, validation: SplitForecasts, name: str, scalers: Scalers, settings: RetrainConfig
    ) -> CalibrationScores:
        """Of the windows of a table, or of one shard.

        Args:
            validation: the windows.
            name: of the forecast.
            scalers: with the scales of the series of a panel.
            settings: levels, targets, quantiles.
        """
        quantiles, data = _quantiles(name, settings), settings.data
        levels = settings.evaluation.interval_levels
        pairs = {MEDIAN_PAIR, *(quantile_pair(level, quantiles) for level in levels)}
        separate = separate_scores(
            validation.rows, validation.series, validation.truth.shape[1], data.lookahead
        )
        spreads, unit = _spreads(validation, name, scalers, settings)
        scores = {
            pair: _scores(validation, name, pair, quantiles) / unit
            for pair in sorted(pairs, reverse=True)
        }
        return cls(scores, separate, spreads, data.targets)

    def thinned(self, most: int) -> CalibrationScores:
        """With the scores of so many windows at most, at even distances."""
        every = max(1, -(-len(self.scores[MEDIAN_PAIR]) // most))
        return replace(self, scores={pair: of[::every] for pair, of in self.scores.items()})

    @classmethod
    def joined(cls, parts: Sequence[CalibrationScores]) -> CalibrationScores:
        """Of the windows of all shards, which share no series."""
        spreads = [part.spreads for part in parts if part.spreads is not None]
        return cls(
            {
                pair: np.concatenate([part.scores[pair] for part in parts])
                for pair in parts[0].scores
            },
            np.sum([part.separate for part in parts], axis=0),
            SeriesSpreads.joined(spreads) if spreads else None,
            parts[0].targets,
        )

    @property
    def half_widths(self) -> dict[Pair, HalfWidths]:
        """Half-widths of the forecast's intervals, by their base interval."""
        return {
            pair: calibrate(scores, self.targets, self.separate, self.spreads)
            for pair, scores in self.scores.items()
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
    steps = validation.truth.shape[1]
    span = steps + settings.data.lookahead
    ratios = ErrorRatios(errors / scales, validation.rows, validation.series, span, steps)
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
