"""Errors of forecasts in the targets' own units: overall, by step, by target and by series."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.data.series import rows_by_series
from fastlstm.evaluation.metrics import regression_scores


def regression_report(
    truth: np.ndarray,
    forecasts: dict[str, np.ndarray],
    scale: np.ndarray,
    series: np.ndarray,
    targets: list[str],
) -> dict[str, Any]:
    """Errors of the network and the baselines: overall, by step, by target, by series.

    Where a baseline is undefined for some windows, its errors are those of the other windows, and
    ``model_on_same_windows`` holds the network's errors there.

    Args:
        truth: ``(n, steps, n_targets)``.
        forecasts: ``'model'`` and each baseline, same shape, NaN where undefined.
        scale: denominators of MASE, ``(n, n_targets)``.
        series: series of each window, ``(n,)``.
        targets: target names.
    """
    defined = {n: ~np.isnan(f).any(axis=(1, 2)) for n, f in forecasts.items()}

    def scores_of(rows: np.ndarray, step: Any, target: Any) -> dict[str, Any]:
        scores = {}
        for name, forecast in forecasts.items():
            used = rows[defined[name][rows]]
            scores[name] = regression_scores(
                truth[used, step, target], forecast[used, step, target], scale[used, target]
            )
        return scores

    all_windows, whole = np.arange(len(truth)), slice(None)
    overall = scores_of(all_windows, whole, whole)
    for name, windows in defined.items():
        overall[name]["windows"] = int(windows.sum())
        if not windows.all():
            overall[name]["model_on_same_windows"] = regression_scores(
                truth[windows], forecasts["model"][windows], scale[windows]
            )
    return {
        "overall": overall,
        "by_step": [
            {"step": k + 1, **scores_of(all_windows, slice(k, k + 1), whole)}
            for k in range(truth.shape[1])
        ],
        "by_target": {
            name: scores_of(all_windows, whole, slice(i, i + 1)) for i, name in enumerate(targets)
        },
        "by_series": {
            name: scores_of(rows, whole, whole) for name, rows in rows_by_series(series).items()
        },
    }
