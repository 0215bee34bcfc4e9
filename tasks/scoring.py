"""Steps of batch scoring: bring rows, choose a run, forecast, append."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.data.files import source_fingerprint
from fastlstm.data.tables import read_table
from fastlstm.errors import StoreError
from fastlstm.forecasting.monitoring import input_rows
from fastlstm.steps import worker
from tasks.places.forecasts import open_forecasts
from tasks.places.sources import local_source
from tasks.places.sql import shown
from tasks.references import LocalTable, RunReference, Scored, ScoringOutcome
from tasks.reporting import say
from tasks.runs import stored
from tasks.settings import ScoringConfig, store_of
from tasks.steps import fresh_step
from tasks.ui import report_scoring

_FORECASTS, _INTERVALS = "forecasts.parquet", "intervals.parquet"


@fresh_step("choose run", "store", retries=3)
def choose(config: ScoringConfig) -> RunReference:
    """The champion, or the run that is named."""
    store = store_of(config)
    run_id = config.run or store.champion(config.model_name).champion
    if run_id is None:
        raise StoreError(
            f"{store}: model {config.model_name!r} has no champion; retrain, or name a run"
        )
    say("choose", f"{'run' if config.run else 'champion'} {run_id}")
    return stored(store, config.model_name, run_id)


@fresh_step("fetch rows", "data", retries=3)
def fetch(config: ScoringConfig) -> LocalTable:
    """Bring the newest rows to this machine."""
    source = config.input
    path = local_source(source.path, source.query, config.s3, Path(config.work))
    table = LocalTable(path=path, sha256=source_fingerprint(path, source.format))
    say("fetch", f"source {shown(source.path)}, content {table.sha256[:12]}")
    return table


@fresh_step("forecast", "network", retries=1)
def forecast(config: ScoringConfig, run: RunReference, table: LocalTable) -> Scored:
    """Check the rows by the rules the run was trained with, and forecast what follows each series.

    In a process of its own, which loads the network once.
    """
    made_from = fingerprint(
        run.content_sha256,
        table.sha256,
        config.input.format,
        config.interval_windows,
        code_version(),
    )
    folder = Path(config.work) / "forecast" / made_from[:32]

    def build(target: Path) -> dict[str, Any]:
        made: dict[str, Any] = worker.call(
            "fastlstm.steps.forecast:forecast_latest_into",
            {
                "output": str(target / _FORECASTS),
                "run": str(store_of(config).run_folder(run.model_name, run.run_id)),
                "source": table.path,
                "file_format": config.input.format,
                "intervals": str(target / _INTERVALS),
                "interval_windows": config.interval_windows,
            },
        )
        return made

    manifest = publish(folder, build)
    say("forecast", f"{manifest['rows']:,} forecasts of {manifest['series']} series")
    for warning in manifest["warnings"]:
        say("forecast", f"warning: {warning}")
    for name, why in manifest["skipped"].items():
        say("forecast", f"skipped {name or 'the table'}: {why}")
    return Scored(
        path=str(folder),
        content_sha256=manifest["content_sha256"],
        run=run,
        forecasts=manifest["rows"],
        series=manifest["series"],
        skipped=manifest["skipped"],
    )


@fresh_step("append", "store", retries=3)
def append(config: ScoringConfig, scored: Scored) -> ScoringOutcome:
    """Append the forecasts that are not there yet, their intervals, and the summary of their inputs."""
    folder = Path(scored.path)
    manifest = read_manifest(folder)
    rows = read_table(folder / _FORECASTS).assign(run_id=scored.run.run_id)
    place = open_forecasts(config.output, config.model_name, config.s3)
    added = place.append("forecasts", rows)
    if (folder / _INTERVALS).exists():
        bounds = read_table(folder / _INTERVALS).assign(run_id=scored.run.run_id)
        place.append("intervals", bounds)
    inputs = input_rows(scored.run.run_id, manifest)
    if len(inputs):
        place.append("inputs", inputs)
    known = scored.forecasts - added
    message = f"Scored {scored.series} series with run {scored.run.run_id}: {added:,} forecasts"
    message += f" appended, {known:,} there already" if known else " appended"
    if scored.skipped:
        name, why = next(iter(scored.skipped.items()))
        message += f"; skipped {len(scored.skipped)} series, first {name!r}: {why}"
    outcome = ScoringOutcome(
        run=scored.run,
        forecasts=scored.forecasts,
        added=added,
        skipped=scored.skipped,
        message=message,
    )
    say("append", message)
    report_scoring(config.model_name, outcome, manifest)
    shutil.rmtree(folder, ignore_errors=True)  # appended: an hourly scoring must not fill the disk
    return outcome
