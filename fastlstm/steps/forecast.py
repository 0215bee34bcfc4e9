"""The pipeline step that forecasts what follows the last row of each series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.config.file_formats import FormatName
from fastlstm.data.tables import write_table
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.network.build import use_fitting_threads
from fastlstm.runs.saved_run import SavedRun


def forecast_latest_into(
    output: str,
    run: str,
    source: str,
    on_event: Callable[[dict[str, Any]], None],
    file_format: FormatName = "auto",
    intervals: str | None = None,
    interval_windows: int = 500,
) -> dict[str, Any]:
    """Write ``forecast_latest`` of a run folder and a source as the Parquet file ``output``.

    Takes and returns JSON-like values, to run in a process of its own. The files appear whole.
    ``intervals`` is the Parquet file for their bounds; without it, or where the run has none, those are
    not written.
    """
    windows, opened = interval_windows if intervals else 0, SavedRun(Path(run))
    data, trained_on = opened.data, opened.metrics.get("split_windows", {}).get("train")
    use_fitting_threads(opened.hyperparameters, data.features, data.targets, trained_on)
    made = forecast_latest(opened, source, file_format, windows)
    for place, table in ((output, made.frame), (intervals, made.intervals)):
        if place is None or not len(table):
            continue
        target = Path(place)
        with writing_to(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            write_table(table, temporary)
    return {
        "rows": len(made.frame),
        "series": int(made.frame["series"].nunique()),
        "skipped": made.skipped,
        "interval_levels": sorted(set(made.intervals["level"].tolist())),
        "intervals_learned_from": sorted(set(made.intervals["learned_from"].tolist())),
        "warnings": made.warnings,
        "inputs": made.inputs,
        "first": made.first.isoformat(),
        "through": made.through.isoformat(),
    }
