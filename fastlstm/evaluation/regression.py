"""Test metrics of a regressor and of the baselines, with prediction intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.evaluation.baselines import REGRESSION_BASELINES
from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.interval_scores import evaluate_intervals
from fastlstm.evaluation.metrics import (
    REGRESSION_METRICS,
    QuantityForecasts,
    primary_regression_metric,
    primary_score,
    regression_score,
)
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.pointwise import SCALE_COLUMN
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    prediction_table,
    season_length,
)
from fastlstm.evaluation.regression_report import regression_report
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import DifferenceSums, TargetTable, difference_sums
from fastlstm.windows.source import WindowSource

# Why a series does not count, as reports say it.
NO_WINDOW = "no test window"
TOO_SHORT = "too few train rows"
CONSTANT = "constant in train"


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
    metrics, denominators = score_test(test, dataset, table, settings)
    columns = test.columns
    if denominators is not None:
        columns[SCALE_COLUMN] = np.broadcast_to(denominators[:, None, :], test.truth.shape)
    half_widths = None
    if settings.evaluation.interval_levels:
        validation = forecast_split(networks.chosen, "validation", *sources)
        findings, bounds, half_widths = evaluate_intervals(validation, test, scalers, settings)
        metrics["intervals"] = {"validation_windows": len(validation.rows), **findings}
        columns |= bounds
    return Evaluation(metrics, prediction_table(table, test.rows, targets, columns), half_widths)


def score_test(
    test: SplitForecasts, dataset: WindowSource, table: TargetTable, settings: RetrainConfig
) -> tuple[dict[str, Any], np.ndarray | None]:
    """All metrics but those of intervals, and what errors are divided by in the primary metric.

    Args:
        test: the test windows with their forecasts.
        dataset: the windows.
        table: unscaled targets of every row.
        settings: names, season and primary metric.

    Returns:
        What ``metrics.json`` keeps, and ``(n, n_targets)``; None where errors are not scaled.
    """
    data, season = settings.data, season_length(settings, dataset.manifest)
    primary = _primary_metric(table, settings)
    sums = train_sums(dataset, table, settings, season)
    scales = sums.scales.some(table.code[test.rows])
    report = regression_report(
        test.truth, test.point_forecasts, scales, test.series, data.targets, primary
    )
    metrics = {
        "task": "regressor",
        "primary": primary_score(primary, report["overall"]["model"][primary], REGRESSION_METRICS),
        **describe_windows(dataset, table, test.rows),
        "season_length": season,
        "test": report["overall"],
        "by_step": report["by_step"],
        "by_target": report["by_target"],
        "by_series": report["by_series"],
        "over_series": report["over_series"],
        "undefined_series": undefined_series(table, test.rows, sums, primary),
    }
    return metrics, scales.denominators(primary)


def score_validation(
    network: Any,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
) -> float | None:
    """The primary metric of a network on validation windows; None where it is undefined.

    Args:
        network: the Keras network.
        dataset: the windows; validation alone is read.
        scalers: to give forecasts in the targets' units.
        table: unscaled targets of every row.
        settings: names, horizon, season and primary metric.
    """
    found = forecast_split(network, "validation", dataset, scalers, table, settings, {})
    sums = train_sums(dataset, table, settings, season_length(settings, dataset.manifest))
    scored = QuantityForecasts(
        found.truth,
        found.point_forecasts["model"],
        sums.scales.some(table.code[found.rows]),
        Groups.of(found.series)[0],
    )
    return regression_score(_primary_metric(table, settings), scored)


def primary_of(series: int, settings: RetrainConfig) -> str:
    """Key of the primary metric, by the settings and the number of series."""
    return primary_regression_metric(
        settings.evaluation.primary_metric, len(settings.data.targets), series
    )


def _primary_metric(table: TargetTable, settings: RetrainConfig) -> str:
    return primary_of(len(table.labels), settings)


def train_sums(
    dataset: WindowSource, table: TargetTable, settings: RetrainConfig, season: int | None
) -> DifferenceSums:
    """What the scales of errors come from, by train rows alone."""
    cut = table.validation_cut(settings.hyperparameters, dataset.manifest["cuts"])
    return difference_sums(table, cut, season or 1, settings.data.lookahead)


def undefined_series(
    table: TargetTable, rows: np.ndarray, sums: DifferenceSums, primary: str
) -> dict[str, Any]:
    """The series that do not count in the primary metric, and why.

    Args:
        table: all rows.
        rows: first target row of each test window, ``(n,)``.
        sums: of every series.
        primary: key of the metric.
    """
    has_windows = np.bincount(table.code[rows], minlength=len(table.labels)) > 0
    why = {NO_WINDOW: ~has_windows}
    if REGRESSION_METRICS[primary].mean_over_series:
        no_scale = has_windows & np.isnan(sums.scales.absolute).all(axis=1)
        why[TOO_SHORT] = no_scale & (sums.count == 0)
        why[CONSTANT] = no_scale & (sums.count > 0)
    names = {reason: list(map(str, table.labels[found])) for reason, found in why.items()}
    return {
        "count": sum(map(len, names.values())),
        "names": {reason: found for reason, found in names.items() if found},
    }
