"""Metrics of a classifier on the test windows, beside the baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.series import rows_by_series
from fastlstm.evaluation.baselines import last_value
from fastlstm.evaluation.classification_metrics import choose_threshold, mean_scores, output_report
from fastlstm.evaluation.predictions import describe_windows, forecast_split, long_format
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.inference import point_of
from fastlstm.windows.origins import output_names, target_windows
from fastlstm.windows.source import WindowSource


def evaluate_classification(
    model: Any, judged: Any, dataset: WindowSource, scalers: Scalers, table: TargetTable,
    settings: RetrainConfig,
) -> Evaluation:  # fmt: skip
    data, hp = settings.data, settings.hyperparameters
    names = output_names(data.targets, hp.steps_ahead)

    def labelled(network: Any, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        series, origin, each = forecast_split(network, dataset, split, scalers)
        rows, forecast = table.rows_of(series, origin), point_of(each)
        truth = target_windows(table.targets, rows, hp.steps_ahead)
        return rows, origin, truth.reshape(len(rows), -1), forecast.reshape(len(rows), -1)

    _, _, seen, seen_probability = labelled(judged, "validation")
    rows, origin, truth, probability = labelled(model, "test")
    train = dataset.read("train", columns=("y",)).y
    prior = np.broadcast_to(train.reshape(len(train), -1).mean(axis=0), truth.shape)
    known = last_value(table.targets, table.segment, rows, hp.steps_ahead, data.lookahead)
    forecasts = {
        "model": probability,
        "prior": prior.astype(np.float64),
        "last_class": known.reshape(len(rows), -1),
    }
    softmax = hp.last_layer_activation == "softmax"
    outputs, notes = {}, []
    for i, name in enumerate(names):
        chosen = choose_threshold(
            seen[:, i], seen_probability[:, i], settings.evaluation.threshold_metric
        )
        if chosen is None:
            notes.append(
                f"{name}: validation holds one class only, so no threshold could be chosen there; "
                "0.5 was used"
            )
        threshold = 0.5 if chosen is None else chosen
        outputs[name] = {
            **output_report(truth[:, i], probability[:, i], threshold),
            "threshold_chosen_on": "nothing" if chosen is None else "validation",
            "prior": float(prior[0, i]),
        }
    overall: dict[str, dict[str, Any]] = {}
    for name, forecast in forecasts.items():
        defined = ~np.isnan(forecast).any(axis=1)
        overall[name] = {**mean_scores(truth, forecast, defined), "windows": int(defined.sum())}
        if not defined.all():
            overall[name]["model_on_same_windows"] = mean_scores(truth, probability, defined)
    metrics: dict[str, Any] = {
        "task": "classifier",
        "primary": {
            "name": "average_precision",
            "value": overall["model"]["average_precision"],
            "better": "higher",
        },
        **describe_windows(dataset, origin),
        "test": overall,
        "outputs": outputs,
        "by_series": {
            name: {
                kind: mean_scores(truth, forecast, mine[~np.isnan(forecast[mine]).any(axis=1)])
                for kind, forecast in forecasts.items()
            }
            for name, mine in rows_by_series(table.series(rows)).items()
        },
        "notes": notes,
    }
    if softmax:
        from sklearn.metrics import confusion_matrix

        actual, chosen_class = truth.argmax(axis=1), probability.argmax(axis=1)
        metrics["accuracy"] = float((actual == chosen_class).mean())
        metrics["confusion_matrix"] = confusion_matrix(
            actual, chosen_class, labels=range(len(names))
        ).tolist()
    columns = {"truth": truth, "prediction": probability}
    columns |= {name: forecasts[name] for name in ("prior", "last_class")}
    return Evaluation(metrics, long_format(table, rows, data.targets, hp.steps_ahead, columns))
