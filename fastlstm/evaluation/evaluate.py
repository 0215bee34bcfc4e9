"""Score a trained network and the naive baselines on the test windows, once.

Thresholds and prediction intervals come from validation windows; only here are test windows read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import (
    INTERVALS_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    SPREADS_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.tables import write_table
from fastlstm.evaluation.classification import evaluate_classification
from fastlstm.evaluation.importance import explain
from fastlstm.evaluation.intervals import MEDIAN_PAIR, write_half_widths
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.regression import evaluate_regression
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.series_spreads import write_spreads
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.windows.source import WindowSource, require_same_shape


def write_evaluation(folder: Path, evaluated: Evaluation) -> dict[str, Any]:
    """Write the files of an evaluation; return what the manifest keeps of it."""
    write_json(folder / METRICS_FILE, evaluated.metrics)
    write_table(evaluated.predictions, folder / PREDICTIONS_FILE)
    if evaluated.half_widths is not None:
        write_half_widths(evaluated.half_widths, folder / INTERVALS_FILE)
        spreads = evaluated.half_widths[MEDIAN_PAIR].spreads
        if spreads is not None:
            write_spreads(spreads, folder / SPREADS_FILE)
    return {key: evaluated.metrics[key] for key in ("primary", "windows")}


def evaluate(
    networks: EvaluatedNetworks,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:
    """Metrics of the network and the baselines on the test windows, and every prediction.

    Args:
        networks: the network that is scored, and the one that gives thresholds, intervals and feature
            importance.
        dataset: the windows; validation is read for thresholds and intervals, test for everything
            else.
        scalers: to give forecasts in the targets' units.
        table: unscaled targets of every row, also those before the test period.
        settings: names, horizon, season, threshold metric, levels of the intervals.

    Raises:
        ConfigError: the windows have other ``timesteps`` or ``steps_ahead`` than the settings.
    """
    require_same_shape(dataset, settings.hyperparameters)
    is_regressor = settings.hyperparameters.is_regressor
    evaluate_task = evaluate_regression if is_regressor else evaluate_classification
    evaluated = evaluate_task(networks, dataset, scalers, table, settings)
    if settings.evaluation.explain_windows:
        evaluated.metrics["importance"] = explain(networks, dataset, settings)
    return evaluated
