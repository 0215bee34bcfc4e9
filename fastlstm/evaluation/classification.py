"""Test metrics of a classifier and of the baselines, at thresholds chosen on validation windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.series import rows_by_series
from fastlstm.evaluation.baselines import CLASSIFICATION_BASELINES, naive, shares_after
from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    label_columns,
    likeliest_labels,
)
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    LABEL_METRICS,
    label_scores,
    primary_classification_metric,
    primary_score,
)
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.output_report import choose_threshold, label_report, output_report
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    prediction_table,
)
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.windows.origins import output_names, target_windows
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
    columns = label_columns(hp, targets)
    forecasts = test.point_forecasts
    likelihoods = {**forecasts, "last_class": _after_last_class(test, dataset, table, settings)}
    outputs, notes = _scores_by_output(validation, test, columns, settings)
    overall = _overall(test.truth, forecasts, likelihoods, columns)
    primary = primary_classification_metric(settings.evaluation.primary_metric)
    train = dataset.read("train", columns=("y",)).y
    metrics: dict[str, Any] = {
        "task": "classifier",
        "primary": primary_score(
            primary,
            overall["model"][primary] if _has_two_classes(test.truth, columns) else None,
            {**LABEL_METRICS, **CLASSIFICATION_METRICS},
        ),
        **describe_windows(dataset, table, test.rows),
        "test": overall,
        "outputs": outputs,
        "labels": {
            column.name: label_report(test.truth, forecasts["model"], column)
            for column in columns
            if len(column.classes) > 2 or column.is_named
        },
        "by_series": {
            series: {
                name: _defined_scores(test.truth, f, likelihoods[name], columns, rows)
                for name, f in forecasts.items()
            }
            for series, rows in rows_by_series(test.series).items()
        },
        "notes": [*notes, *_absent_classes(train, test.truth, columns)],
    }
    if len(columns) == 1 and len(columns[0].classes) > 2:
        of_label = metrics["labels"][columns[0].name]
        metrics |= {name: of_label[name] for name in ("accuracy", "confusion_matrix")}
    of_table = {**test.columns, **_label_values(test, columns, settings)}
    return Evaluation(metrics, prediction_table(table, test.rows, targets, of_table))


def _label_values(
    test: SplitForecasts, columns: list[LabelColumn], settings: RetrainConfig
) -> dict[str, np.ndarray]:
    """True and forecast labels with their probability, ``(n, steps, n_targets)`` each; none where the
    classes have no names."""
    if settings.hyperparameters.classes is None:
        return {}
    found = likeliest_labels(test.point_forecasts["model"], columns, settings.evaluation.thresholds)
    truth = likeliest_labels(test.truth, columns, {})
    return {"true_label": truth["label"], **found}


def _after_last_class(
    test: SplitForecasts, dataset: WindowSource, table: TargetTable, settings: RetrainConfig
) -> np.ndarray:
    """Probabilities of the classes after the last known one, ``(n, steps, n_targets)``; see
    ``shares_after``. NaN where no class is known."""
    steps, lookahead = dataset.manifest["steps_ahead"], settings.data.lookahead
    windows = dataset.read("train", columns=())
    rows = table.rows_of(windows.series, windows.origin)
    truth = target_windows(table.targets, rows, steps)
    before = naive(table.targets, table.block, rows, steps, lookahead)
    known = ~np.isnan(before).any(axis=(1, 2))
    last, found = test.baselines["last_class"], np.full(test.truth.shape, np.nan)
    defined = ~np.isnan(last).any(axis=(1, 2))
    for column in label_columns(settings.hyperparameters, settings.data.targets):
        for step in range(steps):
            one_hot = np.eye(len(column.classes))[class_numbers(truth[known, step], column)]
            shares = shares_after(
                class_numbers(before[known, step], column),
                one_hot,
                class_numbers(last[defined, step], column),
            )
            of_outputs = shares[:, 1:] if column.is_binary else shares
            found[np.flatnonzero(defined), step, column.outputs] = of_outputs
    return found


def _scores_by_output(
    validation: SplitForecasts,
    test: SplitForecasts,
    columns: list[LabelColumn],
    settings: RetrainConfig,
) -> tuple[dict[str, Any], list[str]]:
    """Scores of each output at its threshold, and notes on what could not be chosen or scored."""
    steps, chosen_by = test.truth.shape[1], settings.evaluation
    names = output_names(settings.data.targets, steps)
    classes = [
        column.classes[-1] if column.is_binary else column.classes[number]
        for column in columns
        for number in range(len(column.names))
    ] * steps
    seen_truth, seen_probability, truth, probability, prior = (
        values.reshape(len(values), -1)
        for values in (
            validation.truth, validation.point_forecasts["model"], test.truth,
            test.point_forecasts["model"], test.baselines["prior"],
        )
    )  # fmt: skip
    # Of named classes that are absent one note names all.
    several = {name for column in columns if not column.is_binary for name in column.names}
    of_classes = {name for name in names if name.partition("_step_")[0] in several}
    outputs, notes = {}, []
    for i, (name, of_class) in enumerate(zip(names, classes, strict=True)):
        given = chosen_by.thresholds.get(name, chosen_by.thresholds.get(of_class))
        chosen = choose_threshold(
            seen_truth[:, i], seen_probability[:, i], chosen_by.threshold_metric
        )
        if chosen is None and given is None:
            notes.append(
                f"{name}: validation holds one class only, so no threshold could be chosen there; "
                f"{_DEFAULT_THRESHOLD:g} was used"
            )
        source = "nothing" if chosen is None else "validation"
        threshold = _DEFAULT_THRESHOLD if chosen is None else chosen
        if len(np.unique(truth[:, i])) == 1 and name not in of_classes:
            notes.append(
                f"{name}: test holds one class only, so this output is left out of the mean ROC AUC and "
                "average precision"
            )
        if given is not None:
            source, threshold = "settings", given
        outputs[name] = {
            **output_report(truth[:, i], probability[:, i], threshold),
            "threshold_chosen_on": source,
            "prior": float(prior[0, i]),
        }
    return outputs, notes


def _has_two_classes(truth: np.ndarray, columns: list[LabelColumn]) -> bool:
    """Whether a label column has two classes or more; else no metric tells a forecast's skill."""
    return any(len(np.unique(class_numbers(truth, column))) > 1 for column in columns)


def _absent_classes(train: np.ndarray, test: np.ndarray, columns: list[LabelColumn]) -> list[str]:
    """Notes on classes without a train or test window."""
    notes = []
    for column in columns:
        if not column.is_named:
            continue
        for split, labels, lacks in (
            ("train", train, "the network cannot learn it"),
            ("test", test, "it has no recall there and counts in no mean over classes"),
        ):
            present = np.unique(class_numbers(labels, column))
            absent = [c for i, c in enumerate(column.classes) if i not in present]
            if absent:
                names = ", ".join(map(repr, absent))
                notes.append(f"{column.name}: no {split} window of {names}; {lacks}")
    return notes


def _overall(
    truth: np.ndarray,
    forecasts: dict[str, np.ndarray],
    likelihoods: dict[str, np.ndarray],
    columns: list[LabelColumn],
) -> dict[str, dict[str, Any]]:
    """Scores of the network and each baseline."""
    overall: dict[str, dict[str, Any]] = {}
    for name, forecast in forecasts.items():
        defined = ~np.isnan(forecast).any(axis=(1, 2))
        scores = label_scores(
            truth[defined], forecast[defined], columns, likelihoods[name][defined]
        )
        overall[name] = {**scores, "windows": int(defined.sum())}
        if not defined.all():
            overall[name]["model_on_same_windows"] = label_scores(
                truth[defined], forecasts["model"][defined], columns
            )
    return overall


def _defined_scores(
    truth: np.ndarray, forecast: np.ndarray, likelihood: np.ndarray, columns: list[LabelColumn],
    rows: np.ndarray,
) -> dict[str, float | None]:  # fmt: skip
    """Scores of those of some windows for which a forecast is defined."""
    defined = rows[~np.isnan(forecast[rows]).any(axis=(1, 2))]
    return label_scores(truth[defined], forecast[defined], columns, likelihood[defined])
