"""The pipeline step that writes one report on the models of all groups."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from fastlstm.reporting.groups import GroupLine, groups_report
from fastlstm.runs.figures import first_series
from fastlstm.runs.saved_run import SavedRun

# How many of the worst groups have a picture.
_PICTURES = 3


def write_groups_report(
    folder: Path, run_id: str, model_name: str, models_by: Sequence[str], message: str,
    lines: Sequence[GroupLine], pooled: dict[str, int], reason: str,
    open_run: Callable[[str, str], SavedRun],
) -> None:  # fmt: skip
    """Write the report, the table of all groups as CSV, and pictures of the worst three.

    Args:
        folder: where to write.
        run_id: the report's id, with which every file name begins.
        model_name: name of the model.
        models_by: the columns of the groups.
        message: how the retraining ended.
        lines: the groups, worst first.
        pooled: rows of the groups that share one model, by name.
        reason: why the retraining was started; may be empty.
        open_run: the run of a group, by the group's name and the run's id.
    """
    figures = {}
    for number, line in enumerate([one for one in lines if one.run][:_PICTURES], start=1):
        name = f"{run_id} - WORST FORECAST {number} - {model_name}.png"
        _draw(open_run(line.group, line.run), folder / name)
        figures[line.group] = name
    heading = f"{model_name} by {', '.join(models_by)} · {run_id} UTC"
    (folder / f"{run_id} - REPORT OF LSTM MODELS - {model_name}.md").write_text(
        groups_report(heading, message, lines, pooled, figures, reason), encoding="utf-8"
    )
    table = folder / f"{run_id} - GROUPS OF LSTM MODELS - {model_name}.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(GroupLine)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def _draw(run: SavedRun, file: Path) -> None:
    """The forecasts of a run's first target over its test period."""
    from fastlstm.reporting.classification_figures import forecast_over_time
    from fastlstm.reporting.figure_style import save_axes, save_figure
    from fastlstm.reporting.regression_figures import forecast_against_truth

    predictions, target = first_series(run.path("predictions")), run.data.targets[0]
    if run.hyperparameters.is_regressor:
        unit = run.data.rules(target).unit
        save_figure(forecast_against_truth(predictions, target, unit), file)
        return
    first_step = target if run.hyperparameters.steps_ahead == 1 else f"{target}_step_1"
    threshold = run.metrics["outputs"][first_step]["threshold"]
    save_axes(forecast_over_time(predictions, target, threshold), file)
