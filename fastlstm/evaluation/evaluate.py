"""Score a trained network on the test windows, once, beside naive baselines.

Thresholds and prediction intervals come from validation windows; the test windows are read here and
nowhere before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.artifacts.file_names import INTERVALS_FILE, METRICS_FILE, PREDICTIONS_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.tables import write_table
from fastlstm.evaluation.classification import evaluate_classification
from fastlstm.evaluation.importance import lag_importance, scaled_error
from fastlstm.evaluation.intervals import write_half_widths
from fastlstm.evaluation.regression import evaluate_regression
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.inference import windows_at_once
from fastlstm.windows.source import WindowSource


def write_evaluation(folder: Path, evaluated: Evaluation) -> dict[str, Any]:
    """Write the files of an evaluation; return what a manifest tells."""
    write_json(folder / METRICS_FILE, evaluated.metrics)
    write_table(evaluated.predictions, folder / PREDICTIONS_FILE)
    if evaluated.half_widths is not None:
        write_half_widths(evaluated.half_widths, folder / INTERVALS_FILE)
    return {key: evaluated.metrics[key] for key in ("primary", "windows")}


def evaluate(
    model: Any,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
    *,
    judged: Any,
) -> Evaluation:
    """Metrics on the test windows beside the baselines, and the predictions one by one.

    Args:
        model: the Keras network that is scored.
        dataset: the windows; validation is read for thresholds and intervals, test for everything
            else.
        scalers: to give forecasts in the targets' units.
        table: unscaled targets of every row, also those before the test period.
        settings: names, horizon, season, threshold metric, levels of the intervals.
        judged: the network whose outputs for validation windows give thresholds and intervals: one
            that has not learned from them (``fastlstm.training.result.Trained.judged``).
    """
    score = (
        evaluate_regression if settings.hyperparameters.is_regressor else evaluate_classification
    )
    found = score(model, judged, dataset, scalers, table, settings)
    if settings.evaluation.explain_windows:
        found.metrics["importance"] = _explained(judged, dataset, settings)
    return found


def _explained(
    model: Any, dataset: WindowSource, settings: RetrainConfig
) -> list[dict[str, str | float]]:
    """What the network looks at, by some validation windows; see ``fastlstm.evaluation.importance``."""
    hp, wanted = settings.hyperparameters, settings.evaluation.explain_windows
    count = dataset.count("validation")
    chosen = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))
    taken: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    # All of them would be too many to hold.
    for x, y in dataset.batches("validation", windows_at_once(dataset.manifest)):
        mine = chosen[(chosen >= start) & (chosen < start + len(x))] - start
        taken.append((x[mine], y[mine]))
        start += len(x)
    x, y = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    truth = y.reshape(len(y), -1)
    table = lag_importance(
        model, lambda given: scaled_error(model, given, truth, hp.is_regressor), x,
        settings.data.features, hp.seed,
    )  # fmt: skip
    return [{str(key): value for key, value in line.items()} for line in table.to_dict("records")]
