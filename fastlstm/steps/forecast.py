"""The pipeline step that forecasts what follows the last row of each series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.config.file_formats import FormatName
from fastlstm.data.checked_shards import Cutting
from fastlstm.data.tables import write_table
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.network.build import use_fitting_threads
from fastlstm.reporting.text import forecast_name
from fastlstm.runs.saved_run import SavedRun


def prepare() -> None:
    """Import what a forecast by onnxruntime needs, beside this module."""
    import onnxruntime  # noqa: F401 (a later import is then at once)


def forecast_latest_into(
    output: str,
    run: str,
    source: str,
    on_event: Callable[[dict[str, Any]], None],
    file_format: FormatName = "auto",
    intervals: str | None = None,
    interval_windows: int = 500,
    baseline: str | None = None,
    shard_rows: int | None = None,
    joined: list[str] | None = None,
    history: str | None = None,
) -> dict[str, Any]:
    """Forecast with a stored run and write the forecasts as the Parquet file ``output``.

    Takes and returns JSON-like values, to run in a process of its own. The files appear whole.

    Args:
        output: file for the forecasts.
        run: folder of the run.
        source: a file with the newest rows, or a folder of files.
        on_event: unused; a scoring has no events.
        file_format: the source's format; 'auto' goes by the ending.
        intervals: file for the bounds of intervals; without it, or where the run has no intervals, none
            are written.
        interval_windows: most past forecasts of a series that its intervals adapt to.
        baseline: key of the naive baseline that forecasts in place of the run's network; the file then
            has a column ``forecaster`` with its name.
        shard_rows: rows that are held in memory at a time; a panel with more is cut into shards. None:
            it is never cut.
        joined: where the tables joined to the run's rows lie; None: where its settings say.
        history: file for the windows' rows of the series that a picture shows; None: none are written.
    """
    past_windows, opened = interval_windows if intervals else 0, SavedRun(Path(run))
    if baseline is None and not opened.has_onnx:
        data, train_windows = opened.data, opened.metrics.get("split_windows", {}).get("train")
        use_fitting_threads(opened.hyperparameters, data.features, data.targets, train_windows)
    cutting = Cutting(shard_rows, Path(output).parent)
    with writing_to(Path(output)):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    latest = forecast_latest(
        opened, source, file_format, past_windows, baseline, cutting, joined,
        history=history is not None,
    )  # fmt: skip
    frame = latest.frame
    if baseline is not None:
        frame = frame.assign(forecaster=forecast_name(baseline))
    for file, table in ((output, frame), (intervals, latest.intervals), (history, latest.history)):
        if file is None or table is None or not len(table):
            continue
        target = Path(file)
        with writing_to(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            write_table(table, temporary)
    return {
        "rows": len(latest.frame),
        "series": int(latest.frame["series"].nunique()),
        "skipped": latest.skipped,
        "interval_levels": sorted(set(latest.intervals["level"].tolist())),
        "intervals_learned_from": sorted(set(latest.intervals["learned_from"].tolist())),
        "warnings": latest.warnings,
        "inputs": latest.inputs,
        "first": latest.first.isoformat(),
        "through": latest.through.isoformat(),
    }
