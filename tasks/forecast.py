"""The step that forecasts the rows after each series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.artifacts.folders import publish
from fastlstm.data.files import skipped_files_lines
from fastlstm.data.source_content import with_joins
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.forecast_job import forecast_newest
from tasks.notify import notify
from tasks.references import ChosenForecaster, LocalTable, Scored
from tasks.settings import ScoringConfig, store_of
from tasks.steps import pipeline_step
from tasks.storage.sources import local_joins
from tasks.work_place import local_work

# Forecasts by the keywords of ``forecast_latest_into``.
Call = Callable[[dict[str, Any]], dict[str, Any]]
FORECASTS_FILE, INTERVALS_FILE = "forecasts.parquet", "intervals.parquet"


@pipeline_step("forecast")
def forecast(config: ScoringConfig, forecaster: ChosenForecaster, table: LocalTable) -> Scored:
    """Check the rows by the rules of the run's training, and forecast the rows after each series.

    A large source, or a run without an ONNX model, gets a process of its own.
    """
    scored = forecast_table(config, forecaster, table, forecast_newest)
    notify("forecast", f"{scored.forecasts:,} forecasts of {scored.series} series")
    for warning in scored.warnings:
        notify("forecast", f"warning: {warning}")
    for name, why in scored.skipped.items():
        notify("forecast", f"skipped {name or 'the table'}: {why}")
    return scored


def forecast_table(
    config: ScoringConfig, forecaster: ChosenForecaster, table: LocalTable, call: Call
) -> Scored:
    """Forecast the rows after each series of a table.

    Args:
        config: all settings of the model's scoring.
        forecaster: who forecasts.
        table: the newest rows.
        call: forecasts by the keywords of ``fastlstm.steps.forecast.forecast_latest_into``.
    """
    run = forecaster.run
    stored = str(store_of(config).run_folder(run.model_name, run.run_id))
    data = SavedRun(Path(stored)).data
    joined = local_joins(data, config.s3, local_work(config.work))
    key = fingerprint(
        run.content_sha256,
        forecaster.baseline or "",
        with_joins(table.sha256, data.at(table.path, joined)),
        config.input.format,
        config.interval_windows,
        code_version(),
    )
    folder = local_work(config.work) / "forecast" / key[:32]

    def build(target: Path) -> dict[str, Any]:
        return call(
            {
                "output": str(target / FORECASTS_FILE),
                "run": stored,
                "source": table.path,
                "file_format": config.input.format,
                "intervals": str(target / INTERVALS_FILE),
                "interval_windows": config.interval_windows,
                "baseline": forecaster.baseline,
                "shard_rows": config.shard_rows,
                "joined": joined,
            },
        )

    manifest = publish(folder, build)
    warnings = [*skipped_files_lines(table.skipped), *manifest["warnings"]]
    return Scored(
        path=str(folder),
        content_sha256=manifest["content_sha256"],
        forecaster=forecaster,
        forecasts=manifest["rows"],
        series=manifest["series"],
        skipped=manifest["skipped"],
        warnings=warnings,
    )
