"""Errors of forecasts in the targets' own units, per step, target and series."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.data.series import rows_by_series


def errors(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> dict[str, float | None]:
    """MAE, RMSE, MAPE, R² and MASE over all the given values.

    MASE divides each error by its series' last-season error on train rows (Hyndman and Koehler
    2006). MAPE is None where a true value is 0; R² (1 - residual / total sum of squares, averaged
    over targets) where the truth is constant; MASE where a scale is undefined.

    Args:
        truth: ``(n, steps, n_targets)``.
        forecast: same shape.
        scale: denominators of MASE, ``(n, n_targets)``.
    """
    if truth.size == 0:
        return dict.fromkeys(("mae", "rmse", "mape", "r2", "mase"))
    error = forecast - truth
    absolute = np.abs(error)
    flat = truth.reshape(-1, truth.shape[-1])
    total = ((flat - flat.mean(axis=0)) ** 2).sum(axis=0)
    residual = (error.reshape(flat.shape) ** 2).sum(axis=0)
    mase = (absolute / scale[:, None, :]).mean()
    return {
        "mae": float(absolute.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mape": float((absolute / np.abs(truth)).mean()) if (truth != 0).all() else None,
        "r2": float((1 - residual / total).mean()) if (total > 0).all() else None,
        "mase": float(mase) if np.isfinite(mase) else None,
    }


def regression_report(
    truth: np.ndarray,
    forecasts: dict[str, np.ndarray],
    scale: np.ndarray,
    series: np.ndarray,
    targets: list[str],
) -> dict[str, Any]:
    """Errors of the network and the baselines: overall, by step, by target, by series.

    Where a baseline is undefined for some windows, its errors are over the others, and
    ``model_on_same_windows`` tells the network's errors there.

    Args:
        truth: ``(n, steps, n_targets)``.
        forecasts: ``'model'`` and each baseline, same shape, NaN where undefined.
        scale: denominators of MASE, ``(n, n_targets)``.
        series: series of each window, ``(n,)``.
        targets: target names.
    """
    defined = {n: ~np.isnan(f).any(axis=(1, 2)) for n, f in forecasts.items()}

    def table(rows: np.ndarray, step: Any, target: Any) -> dict[str, Any]:
        scores = {}
        for name, forecast in forecasts.items():
            used = rows[defined[name][rows]]
            scores[name] = errors(
                truth[used, step, target], forecast[used, step, target], scale[used, target]
            )
        return scores

    everything, whole = np.arange(len(truth)), slice(None)
    overall = table(everything, whole, whole)
    for name, rows in defined.items():
        overall[name]["windows"] = int(rows.sum())
        if not rows.all():
            overall[name]["model_on_same_windows"] = errors(
                truth[rows], forecasts["model"][rows], scale[rows]
            )
    return {
        "overall": overall,
        "by_step": [
            {"step": k + 1, **table(everything, slice(k, k + 1), whole)}
            for k in range(truth.shape[1])
        ],
        "by_target": {
            name: table(everything, whole, slice(i, i + 1)) for i, name in enumerate(targets)
        },
        "by_series": {
            name: table(rows, whole, whole) for name, rows in rows_by_series(series).items()
        },
    }
