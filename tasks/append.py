"""The step that appends forecasts to the stored ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.tables import read_table
from fastlstm.forecasting.monitoring import input_rows
from tasks.forecast import FORECASTS_FILE, INTERVALS_FILE
from tasks.model_events import INCOMPLETE, emit_model_event
from tasks.notify import notify, with_warnings
from tasks.prefect_artifacts import report_scoring
from tasks.references import Scored, ScoringOutcome
from tasks.settings import ScoringConfig
from tasks.steps import pipeline_step
from tasks.storage.forecasts import open_forecasts


@pipeline_step("append")
def append(config: ScoringConfig, scored: Scored) -> ScoringOutcome:
    """Append the forecasts that are not stored yet, their intervals, and the summary of their inputs."""
    manifest = read_manifest(Path(scored.path))
    outcome = append_scored(config, scored)
    notify("append", outcome.message)
    report_scoring(config.model_name, outcome, manifest, scored.forecaster)
    return outcome


def append_scored(config: ScoringConfig, scored: Scored) -> ScoringOutcome:
    """Append what one model forecast, and delete the intermediate files."""
    folder = Path(scored.path)
    manifest = read_manifest(folder)
    forecaster = scored.forecaster
    rows = read_table(folder / FORECASTS_FILE).assign(run_id=forecaster.id)
    # Its id says who forecasts, so that all stored forecasts have the same columns.
    rows = rows.drop(columns="forecaster", errors="ignore")
    place = open_forecasts(config.output, config.model_name, config.s3)
    added = place.append("forecasts", rows)
    if (folder / INTERVALS_FILE).exists():
        bounds = read_table(folder / INTERVALS_FILE).assign(run_id=forecaster.id)
        place.append("intervals", bounds)
    inputs = input_rows(forecaster.id, manifest)
    if len(inputs):
        place.append("inputs", inputs)
    known = scored.forecasts - added
    message = f"Scored {scored.series} series with {forecaster.text}: {added:,} forecasts"
    message += f" appended, {known:,} stored already" if known else " appended"
    if scored.skipped:
        name, why = next(iter(scored.skipped.items()))
        message += f"; skipped {len(scored.skipped)} series, first {name!r}: {why}"
    share = len(scored.skipped) / max(1, scored.series + len(scored.skipped))
    if share > config.max_skipped_share:
        message = f"Incomplete: {share:.0%} of the series skipped; {message}"
        emit_model_event(INCOMPLETE, config.model_name, message)
    message = with_warnings(message, scored.warnings)
    outcome = ScoringOutcome(
        run=forecaster.run,
        baseline=forecaster.baseline,
        forecasts=scored.forecasts,
        added=added,
        skipped=scored.skipped,
        warnings=scored.warnings,
        message=message,
    )
    # An hourly scoring must not fill the disk.
    shutil.rmtree(folder, ignore_errors=True)
    return outcome
