"""Test metrics of a regressor and of the baselines, with prediction intervals."""

from __future__ import annotations

from typing import Any

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.evaluation.baselines import REGRESSION_BASELINES
from fastlstm.evaluation.interval_scores import evaluate_intervals
from fastlstm.evaluation.metrics import (
    REGRESSION_METRICS,
    primary_regression_metric,
    primary_score,
)
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    prediction_table,
    season_length,
)
from fastlstm.evaluation.regression_report import regression_report
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable, mase_scales
from fastlstm.windows.source import WindowSource


def evaluate_regression(
    networks: EvaluatedNetworks,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:
    """Score a regressor; see ``fastlstm.evaluation.evaluate.evaluate``."""
    sources = dataset, scalers, table, settings, REGRESSION_BASELINES
    targets = settings.data.targets
    test = forecast_split(networks.served, "test", *sources)
    metrics = _test_metrics(test, dataset, table, settings)
    columns = test.columns
    half_widths = None
    if settings.evaluation.interval_levels:
        validation = forecast_split(networks.chosen, "validation", *sources)
        findings, bounds, half_widths = evaluate_intervals(validation, test, settings)
        metrics["intervals"] = {"validation_windows": len(validation.rows), **findings}
        columns |= bounds
    return Evaluation(metrics, prediction_table(table, test.rows, targets, columns), half_widths)


def _test_metrics(
    test: SplitForecasts, dataset: WindowSource, table: TargetTable, settings: RetrainConfig
) -> dict[str, Any]:
    """All metrics but those of intervals, as ``metrics.json`` keeps them."""
    data, season = settings.data, season_length(settings, dataset.manifest)
    cut = dataset.manifest["cuts"]["validation"]
    scale = mase_scales(table, test.rows, cut, season or 1, data.lookahead)
    report = regression_report(test.truth, test.point_forecasts, scale, test.series, data.targets)
    primary = primary_regression_metric(data.targets)
    return {
        "task": "regressor",
        "primary": primary_score(primary, report["overall"]["model"][primary], REGRESSION_METRICS),
        **describe_windows(dataset, table, test.rows),
        "season_length": season,
        "test": report["overall"],
        "by_step": report["by_step"],
        "by_target": report["by_target"],
        "by_series": report["by_series"],
    }
