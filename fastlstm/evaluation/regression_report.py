"""Errors of forecasts in the targets' own units: overall, by step, by target and by series."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.metrics import (
    ErrorScales,
    QuantityForecasts,
    mean_over_series,
    regression_scores,
    scores_by_series,
    values_or_none,
)

_EVERY = slice(None)


def regression_report(
    truth: np.ndarray,
    forecasts: dict[str, np.ndarray],
    scales: ErrorScales,
    series: np.ndarray,
    targets: list[str],
    primary: str,
) -> dict[str, Any]:
    """Errors of the network and the baselines: overall, by step, by target, by series and over series.

    Where a baseline is undefined for some windows, its errors are those of the other windows, and
    ``model_on_same_windows`` holds the network's errors there.

    Args:
        truth: ``(n, steps, n_targets)``.
        forecasts: ``'model'`` and each baseline, same shape, NaN where undefined.
        scales: of the errors, a row for each window.
        series: series of each window, ``(n,)``.
        targets: target names.
        primary: key of the metric whose distribution over series is described.
    """
    groups, labels = Groups.of(series)
    defined = {n: ~np.isnan(f).any(axis=(1, 2)) for n, f in forecasts.items()}
    partly = [name for name, windows in defined.items() if not windows.all()]

    def scored(name: str, at: str, step: slice = _EVERY, target: slice = _EVERY) -> Any:
        """A forecast on the windows for which the forecast ``at`` is defined."""
        windows = defined[at] if at in partly else _EVERY
        return QuantityForecasts(
            truth[windows, step, target], forecasts[name][windows, step, target],
            scales.some(windows, target), groups.some(windows),
        )  # fmt: skip

    def scores(step: slice = _EVERY, target: slice = _EVERY) -> dict[str, Any]:
        return {name: regression_scores(scored(name, name, step, target)) for name in forecasts}

    overall = scores()
    by_series = {name: scores_by_series(scored(name, name)) for name in forecasts}
    on_same_windows = {}
    for name in forecasts:
        overall[name]["windows"] = int(defined[name].sum())
        on_same_windows[name] = by_series["model"]
        if name in partly:
            same = scored("model", name)
            overall[name]["model_on_same_windows"] = regression_scores(same)
            on_same_windows[name] = scores_by_series(same)
    return {
        "overall": overall,
        "by_step": [{"step": k + 1, **scores(step=slice(k, k + 1))} for k in range(truth.shape[1])],
        "by_target": {name: scores(target=slice(i, i + 1)) for i, name in enumerate(targets)},
        "by_series": by_label(labels, by_series),
        "over_series": distribution(
            by_series["model"][primary],
            {
                name: (on_same_windows[name][primary], by_series[name][primary])
                for name in forecasts
                if name != "model"
            },
        ),
    }


def by_label(
    labels: list[str], by_series: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """The metrics of every forecast by series; None where one is undefined."""
    report: dict[str, dict[str, Any]] = {label: {} for label in labels}
    for name, metrics in by_series.items():
        columns = [values_or_none(values) for values in metrics.values()]
        for label, row in zip(labels, zip(*columns, strict=True), strict=True):
            report[label][name] = dict(zip(metrics, row, strict=True))
    return report


def distribution(
    values: np.ndarray, against: dict[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    """How a metric of which lower values are better is distributed over the series that define it.

    Args:
        values: of the network, ``(n_series,)``.
        against: by baseline the network's and the baseline's values on the same windows.

    Returns:
        Number of series, mean, median, ``worst_tenth`` (the 90th percentile), and by baseline the share
        of series on which the network is better.
    """
    defined = values[~np.isnan(values)]
    median, worst = None, None
    if len(defined):
        median, worst = values_or_none(np.quantile(defined, [0.5, 0.9]))
    shares = {}
    for name, (network, baseline) in against.items():
        both = ~np.isnan(network) & ~np.isnan(baseline)
        share = float((network < baseline)[both].mean()) if both.any() else None
        shares[name] = {"series": int(both.sum()), "share": share}
    return {
        "series": len(defined),
        "mean": mean_over_series(values),
        "median": median,
        "worst_tenth": worst,
        "better_than": shares,
    }
