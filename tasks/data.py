"""Steps that read and check the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import prefect.runtime

from fastlstm.artifacts.file_names import TABLE_FILE
from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.tables import read_table
from fastlstm.errors import DataError
from fastlstm.registry.unchanged import check_for_changes
from fastlstm.steps.prepare import load_into, validate_into
from tasks.caching import make
from tasks.places.sources import local_source
from tasks.places.sql import shown
from tasks.references import Source, StepOutput
from tasks.reporting import say
from tasks.settings import PipelineConfig, store_of
from tasks.steps import cached_step, fresh_step
from tasks.ui import report_refusal


@fresh_step("look", "data", retries=3)
def look(config: PipelineConfig, full: bool = False) -> Source:
    """Bring and fingerprint the source, and look for a finished run made from it.

    A full retraining takes no earlier run for finished, however alike it is.
    """
    path = local_source(config.data.path, config.data.query, config.s3, Path(config.work))
    found = check_for_changes(config, store_of(config), path)
    say("look", f"source {shown(config.data.path)}, content {found.data_fingerprint[:12]}")
    again = [str(prefect.runtime.flow_run.id)] if full else []
    return Source(
        data_sha256=found.data_fingerprint,
        path=path,
        run_fingerprint=fingerprint(found.run_fingerprint, again)
        if full
        else found.run_fingerprint,
        unchanged_run=found.unchanged.run_id if found.unchanged and not full else None,
    )


@cached_step("load", "data", retries=3)
def load(config: PipelineConfig, source: Source) -> StepOutput:
    """Read the source: declared columns and types, times in UTC, sorted."""
    hp = config.hyperparameters
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead

    def build(folder: Path) -> dict[str, Any]:
        return load_into(
            folder, config.data.model_copy(update={"path": source.path, "query": None}), window_rows
        )

    output, manifest = make("load", config, [source], build, lambda m: int(m["rows"]))
    say(
        "load",
        f"{manifest['rows']:,} rows of {manifest['series']} series, "
        f"{manifest['first'][:16].replace('T', ' ')} to "
        f"{manifest['last'][:16].replace('T', ' ')} UTC",
    )
    return output


@cached_step("validate", "data", retries=2)
def validate(config: PipelineConfig, table: StepOutput) -> StepOutput:
    """Check every rule on the rows, then fill or drop missing values by policy."""
    loaded = read_manifest(Path(table.path))
    refused = Path(config.work) / "refused" / f"{table.content_sha256[:32]}.json"

    def build(folder: Path) -> dict[str, Any]:
        return validate_into(
            folder,
            read_table(Path(table.path) / TABLE_FILE),
            config.data,
            labels=not config.hyperparameters.is_regressor,
            rows_out_of_order=loaded["rows_out_of_order"],
            skipped_series=loaded["skipped_series"],
            refused_report=refused,
        )

    try:
        output, manifest = make("validate", config, [table], build, lambda m: int(m["rows"]))
    except DataError as error:
        if refused.exists():
            found = json.loads(refused.read_text(encoding="utf-8"))["errors"]
            report_refusal(config.model_name, str(error), found)
        raise
    filled, dropped = sum(manifest["filled"].values()), table.rows - manifest["rows"]
    say(
        "validate",
        f"{manifest['checks_run']} checks, {len(manifest['warnings'])} warnings; "
        f"{filled:,} values filled, {dropped:,} rows dropped, {manifest['rows']:,} rows left",
    )
    for warning in manifest["warnings"]:
        say("validate", f"warning: {warning}")
    return output
