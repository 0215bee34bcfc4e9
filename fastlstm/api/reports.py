"""What the class shows: evaluation reports output by output, and its state in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report

from fastlstm.api.prepared_rows import PreparedRows
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SERIES
from fastlstm.errors import ConfigError
from fastlstm.escaping import html_text
from fastlstm.evaluation.labels import label_columns, likeliest_labels
from fastlstm.evaluation.metrics import QuantityForecasts, regression_score
from fastlstm.network.ensemble import members_of
from fastlstm.network.seeded_layers import MEMBER
from fastlstm.reporting.text import forecast_name, number, title

StateLines = list[tuple[str, str]]

# What follows a label column's name in that of its probability.
PROBABILITY = " probability"


def decided_labels(probability: pd.DataFrame, cut_off: float, *, exclusive: bool) -> pd.DataFrame:
    """Decisions 0 and 1 by probabilities.

    Args:
        probability: one column per output.
        cut_off: outputs above it are 1.
        exclusive: whether the columns are the classes of one choice; the most probable one is 1 then,
            whatever the cut-off.
    """
    if not exclusive:
        return (probability > cut_off).astype(int)
    chosen = probability.to_numpy().argmax(axis=1)
    decided = np.eye(probability.shape[1], dtype=int)[chosen]
    return pd.DataFrame(decided, probability.index, probability.columns)


def label_table(
    outputs: np.ndarray, hp: Hyperparameters, targets: list[str], index: Any = None,
    thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The likeliest class of each label column and step, and its probability.

    Args:
        outputs: probabilities, or indicators of true classes, ``(n, n_outputs)``.
        hp: the label columns and steps.
        targets: names of the targets.
        index: of the rows.
        thresholds: see ``fastlstm.evaluation.labels.given_threshold``.
    """
    columns = label_columns(hp, targets)
    by_step = outputs.reshape(len(outputs), hp.steps_ahead, len(targets))
    found = likeliest_labels(by_step, columns, thresholds or {})
    table = {}
    for step, column in product(range(hp.steps_ahead), columns):
        name = column.name if hp.steps_ahead == 1 else f"{column.name}_step_{step + 1}"
        label = found["label"][:, step, column.outputs.start]
        if label.dtype == object:  # columns of several types hold their names
            label = column.values[pd.Index(column.classes).get_indexer(pd.Index(label))]
        table[name] = label
        table[f"{name}{PROBABILITY}"] = found["probability"][:, step, column.outputs.start]
    return pd.DataFrame(table, index)


def label_text(truth: pd.DataFrame, forecast: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """scikit-learn's report of each label column by its classes; see ``classification_text``."""
    texts, reports = [], {}
    for name in truth:
        given = {
            "y_true": truth[name].astype(str), "y_pred": forecast[name].astype(str),
            "zero_division": 0,
        }  # fmt: skip
        text = classification_report(**given)
        texts.append(text if truth.shape[1] == 1 else f"{name}\n{text}")
        reports[str(name)] = classification_report(**given, output_dict=True)
    only = next(iter(reports.values()))
    return "\n".join(texts), only if len(reports) == 1 else reports


def classification_text(truth: pd.DataFrame, decided: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """scikit-learn's report of every output.

    Args:
        truth: labels 0 and 1, one column per output.
        decided: decisions 0 and 1, the same columns.

    Returns:
        The text, and scikit-learn's dict for one output, or that dict by output name.
    """
    texts, reports = [], {}
    for name in truth:
        given = {"y_true": truth[name], "y_pred": decided[name], "zero_division": 0}
        text = classification_report(**given)
        texts.append(text if truth.shape[1] == 1 else f"{name}\n{text}")
        reports[str(name)] = classification_report(**given, output_dict=True)
    only = next(iter(reports.values()))
    return "\n".join(texts), only if len(reports) == 1 else reports


def regression_table(
    truth: pd.DataFrame, forecast: pd.DataFrame
) -> tuple[str, dict[str, dict[str, float]]]:
    """Errors of every output in the targets' own units.

    Args:
        truth: one column per output (target and step).
        forecast: the same columns.

    Returns:
        The text, and ``mae``, ``rmse`` and ``r2`` by output name.
    """
    rows = {}
    for name in truth:
        actual, predicted = (
            frame[name].to_numpy(np.float64)[:, None, None] for frame in (truth, forecast)
        )
        scored = QuantityForecasts.unscaled(actual, predicted)
        scores = {key: regression_score(key, scored) for key in ("mae", "rmse", "r2")}
        rows[str(name)] = {
            key: float("nan") if score is None else score for key, score in scores.items()
        }
    text = pd.DataFrame(rows).T.to_string(float_format=lambda v: f"{v:.4g}")
    return text, rows


def precision_recall_table(
    actual: np.ndarray, probability: np.ndarray, first_cutoff: int
) -> pd.DataFrame:
    """Precision and recall of class 1 by cutoff, in steps of 0.01 up to 0.99.

    Precision is 0 where no probability lies above the cutoff.

    Args:
        actual: whether a window is of class 1, ``(n,)``.
        probability: forecast probability of class 1, ``(n,)``.
        first_cutoff: the first cutoff in hundredths.

    Returns:
        Columns ``Cutoff``, ``Precision``, ``Recall``.

    Raises:
        ConfigError: the first cutoff is out of range.
    """
    if not 0 <= first_cutoff <= 99:
        raise ConfigError(f"n_points: {first_cutoff} given; the first cutoff is n_points / 100")
    rows = []
    for cutoff in np.arange(first_cutoff, 100) / 100:
        positive = probability > cutoff
        hits = int((positive & actual).sum())
        rows.append((cutoff, hits / max(positive.sum(), 1), hits / max(actual.sum(), 1)))
    return pd.DataFrame(rows, columns=["Cutoff", "Precision", "Recall"])


def logged_quantity(
    history: pd.DataFrame, wanted: str | None, hyperparameters: Hyperparameters
) -> str:
    """The column of a training history to draw: the wanted one, or the usual one of the task.

    Raises:
        ConfigError: the history lacks it on train or validation windows.
    """
    usual = "loss" if hyperparameters.is_regressor else hyperparameters.metrics[0]
    name = wanted or usual
    if name not in history or f"val_{name}" not in history:
        logged = [str(column) for column in history if f"val_{column}" in history]
        raise ConfigError(
            f"metric: {name!r} is not in the history; it has {', '.join(logged) or 'nothing'}"
        )
    return name


def data_lines(rows: PreparedRows | None) -> StateLines:
    """State of the data: its size and its splits."""
    if rows is None:
        return [("data", "none")]
    frame = rows.table.frame
    size = (
        f"{len(frame):,} rows, {frame[SERIES].nunique()} series; {len(rows.features)} features, "
        f"targets {', '.join(rows.targets)}"
    )
    spans = [(s, rows.table.span(s, rows.cuts)) for s in ("train", "validation", "test")]
    return [("data", size), *spans]


def network_line(network: Any, hyperparameters: Hyperparameters, outputs: int) -> tuple[str, str]:
    """State of the network: its layers and its size."""
    if network is None:
        return "network", "not built"
    recurrent = [layer for layer in network.layers if type(layer).__name__ == "LSTM"]
    # Layers of an ensemble's members repeat those of the first.
    units = [str(layer.units) for layer in recurrent if MEMBER not in layer.name]
    size = members_of(network)
    members = f"{size} x " if size > 1 else ""
    return "network", (
        f"{hyperparameters.timesteps} rows in, {members}LSTM {' + '.join(units)}, {outputs} outputs, "
        f"{network.count_params():,} weights"
    )


def score_lines(metrics: dict[str, Any]) -> StateLines:
    """The primary test metric and that of the baselines; nothing without metrics."""
    if not metrics:
        return []
    primary = metrics["primary"]
    baselines = ", ".join(
        f"{forecast_name(name)} {number(scores[primary['name']])}"
        for name, scores in metrics["test"].items()
        if name != "model"
    )
    score = f"{title(primary['name'])} {number(primary['value'])}"
    return [("test score", f"{score}; baselines: {baselines}" if baselines else score)]


def state_text(heading: str, lines: StateLines) -> str:
    """State as text, one line each under a heading."""
    return "\n".join([heading, *(f"  {key}: {value}" for key, value in lines)])


def state_html(heading: str, lines: StateLines) -> str:
    """State as an HTML table, for notebooks."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{key}</th>"
        f"<td style='text-align:left'>{html_text(value)}</td></tr>"
        for key, value in lines
    )
    return f"<table><caption>{html_text(heading)}</caption>{rows}</table>"
