"""Test metrics of a classifier and of the baselines, at thresholds chosen on validation windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.series import rows_by_series
from fastlstm.evaluation.baselines import CLASSIFICATION_BASELINES
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    PRIMARY_CLASSIFICATION_METRIC,
    mean_classification_scores,
    primary_score,
)
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.output_report import choose_threshold, output_report
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    prediction_table,
)
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.windows.origins import output_names
from fastlstm.windows.source import WindowSource

_DEFAULT_THRESHOLD = 0.5


def evaluate_classification(
    networks: EvaluatedNetworks,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:
    """Score a classifier; see ``fastlstm.evaluation.evaluate.evaluate``."""
    hp, targets = settings.hyperparameters, settings.data.targets
    sources = dataset, scalers, table, settings
    validation = forecast_split(networks.chosen, "validation", *sources, {})
    test = forecast_split(networks.served, "test", *sources, CLASSIFICATION_BASELINES)
    names = output_names(targets, hp.steps_ahead)
    truth = _by_output(test.truth)
    forecasts = {name: _by_output(values) for name, values in test.point_forecasts.items()}
    outputs, notes = _scores_by_output(
        names, validation, truth, forecasts, settings.evaluation.threshold_metric
    )
    overall = _overall(truth, forecasts)
    primary = PRIMARY_CLASSIFICATION_METRIC
    metrics: dict[str, Any] = {
        "task": "classifier",
        "primary": primary_score(primary, overall["model"][primary], CLASSIFICATION_METRICS),
        **describe_windows(dataset, table, test.rows),
        "test": overall,
        "outputs": outputs,
        "by_series": {
            series: {name: _defined_scores(truth, f, rows) for name, f in forecasts.items()}
            for series, rows in rows_by_series(test.series).items()
        },
        "notes": notes,
    }
    if hp.last_layer_activation == "softmax":
        metrics |= _multiclass_scores(truth, forecasts["model"])
    return Evaluation(metrics, prediction_table(table, test.rows, targets, test.columns))


def _by_output(values: np.ndarray) -> np.ndarray:
    """Values of steps and targets ``(n, steps, n_targets)`` by output ``(n, n_outputs)``."""
    return values.reshape(len(values), -1)


def _scores_by_output(
    names: list[str],
    validation: SplitForecasts,
    truth: np.ndarray,
    forecasts: dict[str, np.ndarray],
    threshold_metric: str,
) -> tuple[dict[str, Any], list[str]]:
    """Scores of each output at its threshold, and notes on what could not be chosen or scored."""
    seen_truth = _by_output(validation.truth)
    seen_probability = _by_output(validation.point_forecasts["model"])
    outputs, notes = {}, []
    for i, name in enumerate(names):
        chosen = choose_threshold(seen_truth[:, i], seen_probability[:, i], threshold_metric)
        if chosen is None:
            notes.append(
                f"{name}: validation holds one class only, so no threshold could be chosen there; "
                f"{_DEFAULT_THRESHOLD:g} was used"
            )
        threshold = _DEFAULT_THRESHOLD if chosen is None else chosen
        if len(np.unique(truth[:, i])) == 1:
            notes.append(
                f"{name}: test holds one class only, so this output is left out of the mean ROC AUC and "
                "average precision"
            )
        outputs[name] = {
            **output_report(truth[:, i], forecasts["model"][:, i], threshold),
            "threshold_chosen_on": "nothing" if chosen is None else "validation",
            "prior": float(forecasts["prior"][0, i]),
        }
    return outputs, notes


def _overall(truth: np.ndarray, forecasts: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Scores of the network and each baseline, means over the outputs with both classes."""
    overall: dict[str, dict[str, Any]] = {}
    for name, forecast in forecasts.items():
        defined = ~np.isnan(forecast).any(axis=1)
        scores = mean_classification_scores(truth[defined], forecast[defined])
        overall[name] = {**scores, "windows": int(defined.sum())}
        if not defined.all():
            overall[name]["model_on_same_windows"] = mean_classification_scores(
                truth[defined], forecasts["model"][defined]
            )
    return overall


def _defined_scores(
    truth: np.ndarray, forecast: np.ndarray, rows: np.ndarray
) -> dict[str, float | None]:
    """Scores of those of some windows for which a forecast is defined."""
    defined = rows[~np.isnan(forecast[rows]).any(axis=1)]
    return mean_classification_scores(truth[defined], forecast[defined])


def _multiclass_scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Accuracy and confusion matrix of exclusive classes, of which the most probable is forecast."""
    from sklearn.metrics import confusion_matrix

    actual, forecast = truth.argmax(axis=1), probability.argmax(axis=1)
    matrix = confusion_matrix(actual, forecast, labels=range(truth.shape[1]))
    return {"accuracy": float((actual == forecast).mean()), "confusion_matrix": matrix.tolist()}
