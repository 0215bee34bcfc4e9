"""Metrics of a regressor on the test windows, beside the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.time_grid import season_rows
from fastlstm.evaluation.baselines import last_season, last_value
from fastlstm.evaluation.interval_scores import SplitForecasts, evaluate_intervals
from fastlstm.evaluation.predictions import describe_windows, forecast_split, long_format
from fastlstm.evaluation.regression_metrics import regression_report
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable, mase_scales
from fastlstm.network.inference import point_of
from fastlstm.windows.origins import target_windows
from fastlstm.windows.source import WindowSource


def evaluate_regression(
    model: Any, judged: Any, dataset: WindowSource, scalers: Scalers, table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:  # fmt: skip
    data, hp = settings.data, settings.hyperparameters
    series, origin, each = forecast_split(model, dataset, "test", scalers)
    rows = table.rows_of(series, origin)
    truth = target_windows(table.targets, rows, hp.steps_ahead)
    forecast = point_of(each)
    season = settings.evaluation.season_length or season_rows(data.frequency)
    forecasts = {"model": forecast, **_baselines(table, rows, settings)}
    cut = dataset.manifest["cuts"]["validation"]
    scale = mase_scales(table, rows, cut, season or 1, data.lookahead)
    report = regression_report(truth, forecasts, scale, series, data.targets)
    # Targets of different units cannot be averaged; scaled errors can.
    primary = "mae" if len(data.targets) == 1 else "mase"
    metrics = {
        "task": "regressor",
        "primary": {
            "name": primary,
            "value": report["overall"]["model"][primary],
            "better": "lower",
        },
        **describe_windows(dataset, origin),
        "season_length": season,
        "test": report["overall"],
        "by_step": report["by_step"],
        "by_target": report["by_target"],
        "by_series": report["by_series"],
    }
    columns = {"truth": truth, "prediction": forecasts["model"]}
    columns |= {name: forecasts[name] for name in forecasts if name != "model"}
    half_widths = None
    if settings.evaluation.interval_levels:
        series, origin, seen_each = forecast_split(judged, dataset, "validation", scalers)
        seen = table.rows_of(series, origin)
        seen_truth = target_windows(table.targets, seen, hp.steps_ahead)
        told, bounds, half_widths = evaluate_intervals(
            SplitForecasts(seen_truth, {"model": seen_each, **_baselines(table, seen, settings)}),
            SplitForecasts(truth, {**forecasts, "model": each}),
            rows,
            table.series(rows),
            settings,
        )
        metrics["intervals"] = {"validation_windows": len(seen), **told}
        columns |= bounds
    return Evaluation(
        metrics, long_format(table, rows, data.targets, hp.steps_ahead, columns), half_widths
    )


def _baselines(
    table: TargetTable, rows: np.ndarray, settings: RetrainConfig
) -> dict[str, np.ndarray]:
    """What costs nothing, ``(n, steps, n_targets)`` each, for windows with these origin rows."""
    steps, lookahead = settings.hyperparameters.steps_ahead, settings.data.lookahead
    arrays = table.targets, table.segment, rows, steps
    found = {"last_value": last_value(*arrays, lookahead)}
    season = settings.evaluation.season_length or season_rows(settings.data.frequency)
    if season:
        found["last_season"] = last_season(*arrays, season, lookahead)
    return found
