"""Draw the figures of a run and write them to its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.runs.file_names import KINDS

# Series that the figures of a regressor show.
_SHOWN_SERIES = 3
# Takes the kind of a file and a detail of its name, returns the file.
Target = Callable[..., Path]


def write_figures(
    target: Target, hp: Hyperparameters, data: DataConfig, metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:  # fmt: skip
    """Write every figure of a run as PNG.

    Args:
        target: the files of the run, by kind and detail; history and predictions exist.
        hp: the hyperparameters.
        data: the settings of the table.
        metrics: metrics on test.
        training: facts of the training.
    """
    from fastlstm.reporting.figure_style import save_axes, save_figure
    from fastlstm.reporting.importance_figure import importance_figure
    from fastlstm.reporting.training_figures import learning_curve, logged_unit

    history = pd.read_csv(target("history"))
    file = target("predictions")
    predictions = first_series(file)
    for name in ["loss", *hp.metrics]:
        curve = learning_curve(history, name, training["best_epoch"], logged_unit(name, hp))
        save_axes(curve, target("curve", name))
    if "importance" in metrics:
        save_figure(importance_figure(metrics["importance"]), target("importance"))
    if hp.is_regressor:
        _write_regression(target, data, metrics, predictions)
    else:
        _write_classification(target, hp, data, metrics, predictions)


def captioned_figures(folder: Path, run_id: str) -> list[tuple[str, Path]]:
    """The figures in a run's folder with a caption each: forecasts first, learning curves last.

    Args:
        folder: of the run.
        run_id: the run's id, with which every file name begins.
    """
    order = [words for words, ending in KINDS.values() if ending == "png"]
    found = []
    for file in sorted(folder.glob("*.png")):
        words = file.name.removeprefix(f"{run_id} - ").rpartition(" - ")[0]
        place = next((n for n, kind in enumerate(order) if words.startswith(kind)), len(order))
        first = words.startswith(KINDS["forecast"][0])
        found.append((0 if first else 1, place, words, file))
    return [(words.capitalize(), file) for _, _, words, file in sorted(found)]


def first_series(file: Path) -> pd.DataFrame:
    """The test predictions of the first series that figures show, and maybe of more."""
    parts: list[pd.DataFrame] = []
    labels: set[str] = set()
    with pq.ParquetFile(file) as stored:
        for number in range(stored.num_row_groups):
            parts.append(stored.read_row_group(number).to_pandas())
            labels |= set(parts[-1]["series"].unique())
            if len(labels) > _SHOWN_SERIES:  # those before the last are complete
                break
    return pd.concat(parts, ignore_index=True)


def _write_regression(
    target: Target, data: DataConfig, metrics: dict[str, Any], predictions: pd.DataFrame
) -> None:
    """Figures of a regressor: error by step, forecasts and interval coverage."""
    from fastlstm.reporting.figure_style import save_axes, save_figure
    from fastlstm.reporting.regression_figures import (
        coverage_by_step,
        error_by_step,
        forecast_against_truth,
    )

    units = {data.rules(name).unit for name in data.targets}
    common_unit = units.pop() if len(units) == 1 else ""
    figure = error_by_step(metrics["by_step"], common_unit, metric=metrics["primary"]["name"])
    save_axes(figure, target("error_by_step"))
    for name in data.targets:
        forecasts = forecast_against_truth(predictions, name, data.rules(name).unit)
        save_figure(forecasts, target("forecast", name if len(data.targets) > 1 else ""))
    if "intervals" in metrics:
        save_axes(coverage_by_step(metrics["intervals"]["by_step"]), target("coverage"))


def _write_classification(
    target: Target, hp: Hyperparameters, data: DataConfig, metrics: dict[str, Any],
    predictions: pd.DataFrame,
) -> None:  # fmt: skip
    """Figures of a classifier: confusion, reliability, precision and recall, and forecasts."""
    from fastlstm.reporting.classification_figures import (
        confusion_matrix,
        forecast_over_time,
        precision_recall,
        reliability_diagram,
    )
    from fastlstm.reporting.figure_style import save_axes

    outputs, labels = metrics["outputs"], metrics.get("labels", {})
    for name, scores in labels.items():
        detail = name if len(labels) > 1 else ""
        save_axes(
            confusion_matrix(scores["confusion_matrix"], scores["classes"]),
            target("confusion", detail),
        )
        save_axes(
            reliability_diagram(scores["reliability"], scores["calibration_error"]),
            target("reliability", detail),
        )
    of_label = data.label_outputs if labels else {}
    for name, scores in outputs.items():
        detail = name if len(outputs) > 1 else ""
        if name.partition("_step_")[0] not in of_label:
            save_axes(
                confusion_matrix(scores["confusion_matrix"], [f"not {name}", name]),
                target("confusion", detail),
            )
            save_axes(
                reliability_diagram(scores["reliability"], scores["calibration_error"]),
                target("reliability", detail),
            )
        if scores["precision_recall"]:
            save_axes(
                precision_recall(scores["precision_recall"], scores["threshold"], scores["prior"]),
                target("precision_recall", detail),
            )
    for name in data.targets:
        first_step = name if hp.steps_ahead == 1 else f"{name}_step_1"
        save_axes(
            forecast_over_time(predictions, name, outputs[first_step]["threshold"]),
            target("forecast", name if len(data.targets) > 1 else ""),
        )
