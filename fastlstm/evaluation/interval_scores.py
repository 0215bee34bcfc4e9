"""How prediction intervals do on the test windows, beside those around the baselines."""

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
    quantile_pair,
    scores_of,
)


class SplitForecasts:
    """The windows of a split.

    Args:
        truth: ``(n, steps_ahead, n_targets)``.
        forecasts: 'model' with its quantiles, ``(n, steps_ahead, n_targets, n_quantiles)``, and each
            baseline, ``(n, steps_ahead, n_targets)``, NaN where undefined.
    """

    def __init__(self, truth: np.ndarray, forecasts: dict[str, np.ndarray]) -> None:
        self.truth, self.forecasts = truth, forecasts

    def each(self, name: str) -> np.ndarray:
        """A forecast with its quantiles, ``(n, steps, n_targets, n_quantiles)``."""
        found = self.forecasts[name]
        return found if found.ndim == 4 else found[..., None]

    def scores(self, name: str, pair: Pair, quantiles: list[float] | None) -> np.ndarray:
        """How far each truth lies beyond what an interval is built around."""
        return scores_of(self.truth, *base_interval(self.each(name), pair, quantiles))


def evaluate_intervals(
    validation: SplitForecasts,
    test: SplitForecasts,
    rows: np.ndarray,
    series: np.ndarray,
    settings: RetrainConfig,
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[Pair, HalfWidths]]:
    """Intervals from validation, and how they did on test, the network's beside the baselines'.

    Args:
        validation: what the intervals come from.
        test: what they are judged on.
        rows: origin rows of the test windows, in a table sorted by series and time, ``(n,)``.
        series: their series, ``(n,)``.
        settings: levels, rate, targets, quantiles.

    Returns:
        The findings as JSON-like values; the network's bounds on test by column name, each shaped as the
        truth; and the network's radii.
    """
    chosen, data, hp = settings.evaluation, settings.data, settings.hyperparameters
    summary: list[dict[str, Any]] = []
    by_step: list[dict[str, Any]] = []
    bounds: dict[str, np.ndarray] = {}
    # Those around the forecast itself always, so that any level can be asked for later.
    used: dict[str, dict[Pair, HalfWidths]] = {}
    for name in test.forecasts:
        quantiles = hp.quantiles if name == "model" else None
        pairs = {
            MEDIAN_PAIR,
            *(quantile_pair(level, quantiles) for level in chosen.interval_levels),
        }
        used[name] = {
            pair: calibrate(validation.scores(name, pair, quantiles), data.targets)
            for pair in sorted(pairs, reverse=True)
        }
    for level in chosen.interval_levels:
        for name in test.forecasts:
            quantiles = hp.quantiles if name == "model" else None
            pair = quantile_pair(level, quantiles)
            half_widths = used[name][pair]
            low, high = base_interval(test.each(name), pair, quantiles)
            defined = ~np.isnan(low).any(axis=(1, 2))
            if not defined.any():  # a season longer than any stretch
                continue
            reach = {"conformal": np.broadcast_to(half_widths.at(level), test.truth.shape)}
            if chosen.interval_rate:
                reach["adaptive"] = adaptive_by_series(
                    half_widths, test.scores(name, pair, quantiles), rows, series, data.lookahead,
                    level, chosen.interval_rate,
                )  # fmt: skip
            for method, radius in reach.items():
                lower, upper = low - radius, high + radius
                about = {"level": level, "forecast": name, "method": method}
                for number, target in enumerate(data.targets):
                    cut = defined, slice(None), number
                    found = coverage(test.truth[cut], lower[cut], upper[cut], level)
                    summary.append({**about, "target": target, **found})
                if name == "model":
                    inside = (lower <= test.truth) & (test.truth <= upper)
                    shares = inside.mean(axis=(0, 2)).tolist()
                    by_step += [
                        {**about, "step": step, "coverage": share}
                        for step, share in enumerate(shares, start=1)
                    ]
                    # The last method's: adaptive where there is one.
                    bounds[f"lower_{level:g}"], bounds[f"upper_{level:g}"] = lower, upper
    told = {"rate": chosen.interval_rate, "overall": summary, "by_step": by_step}
    return told, bounds, used["model"]
