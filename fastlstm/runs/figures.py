"""Draw the figures of a run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.tables import read_table


def write_figures(
    target: Any, hp: Hyperparameters, data: DataConfig, metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:  # fmt: skip
    # These import Matplotlib.
    from fastlstm.reporting.classification_figures import (
        confusion_matrix,
        forecast_over_time,
        precision_recall,
        reliability_diagram,
    )
    from fastlstm.reporting.figure_style import save_axes, save_figure
    from fastlstm.reporting.importance_figure import importance_figure
    from fastlstm.reporting.regression_figures import (
        coverage_by_step,
        error_by_step,
        forecast_against_truth,
    )
    from fastlstm.reporting.training_figures import learning_curve

    history = pd.read_csv(target("history"))
    predictions = read_table(target("predictions"))
    unit = "scaled units" if hp.scale_targets else ""
    for name in ["loss", *hp.metrics]:
        save_axes(
            learning_curve(history, name, training["best_epoch"], unit),
            target("curve", name),
        )
    if "importance" in metrics:
        save_figure(importance_figure(metrics["importance"]), target("importance"))
    several = len(data.targets) > 1
    if hp.is_regressor:
        units = {data.rules(name).unit for name in data.targets}
        common = units.pop() if len(units) == 1 else ""
        save_axes(error_by_step(metrics["by_step"], common), target("error_by_step"))
        for name in data.targets:
            figure = forecast_against_truth(predictions, name, data.rules(name).unit)
            save_figure(figure, target("forecast", name if several else ""))
        if "intervals" in metrics:
            save_axes(coverage_by_step(metrics["intervals"]["by_step"]), target("coverage"))
        return
    for name, scores in metrics["outputs"].items():
        detail = name if len(metrics["outputs"]) > 1 else ""
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
        first = name if hp.steps_ahead == 1 else f"{name}_step_1"
        save_axes(
            forecast_over_time(predictions, name, metrics["outputs"][first]["threshold"]),
            target("forecast", name if several else ""),
        )
