"""Steps that read and check the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task

from fastlstm.artifacts import read_manifest
from fastlstm.changes import find_changes
from fastlstm.config import RetrainConfig
from fastlstm.loading import TABLE_FILE, load_into
from fastlstm.store import FolderStore
from fastlstm.validation import validate_into
from tasks.caching import cache_key, make
from tasks.references import Source, StepOutput
from tasks.reporting import say, task_run_name
from tasks.retrying import DELAYS, JITTER, may_heal


@task(
    name="look",
    task_run_name=task_run_name,
    tags=["fastlstm", "data"],
    retries=3,
    retry_delay_seconds=DELAYS,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_heal,
    persist_result=False,
)
def look(config: RetrainConfig) -> Source:
    """Fingerprint the source and look for a finished run made from it."""
    found = find_changes(config, FolderStore(config.store))
    say("look", f"source {config.data.path}, content {found.data_fingerprint[:12]}")
    return Source(
        data_sha256=found.data_fingerprint,
        run_fingerprint=found.run_fingerprint,
        unchanged_run=found.unchanged.run_id if found.unchanged else None,
    )


@task(
    name="load",
    task_run_name=task_run_name,
    tags=["fastlstm", "data"],
    cache_key_fn=cache_key,
    persist_result=True,
    result_serializer="json",
    retries=3,
    retry_delay_seconds=DELAYS,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_heal,
)
def load(config: RetrainConfig, source: Source) -> StepOutput:
    """Read the source: declared columns and types, times in UTC, sorted."""
    hp = config.hyperparameters
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead

    def build(folder: Path) -> dict[str, Any]:
        return load_into(folder, config.data, window_rows)

    output, manifest = make("load", config, [source], build, lambda m: int(m["rows"]))
    say(
        "load",
        f"{manifest['rows']:,} rows of {manifest['series']} series, "
        f"{manifest['first'][:16].replace('T', ' ')} to "
        f"{manifest['last'][:16].replace('T', ' ')} UTC",
    )
    return output


@task(
    name="validate",
    task_run_name=task_run_name,
    tags=["fastlstm", "data"],
    cache_key_fn=cache_key,
    persist_result=True,
    result_serializer="json",
    retries=2,
    retry_delay_seconds=DELAYS,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_heal,
)
def validate(config: RetrainConfig, table: StepOutput) -> StepOutput:
    """Check every rule on the rows, then fill or drop missing values by policy."""
    loaded = read_manifest(Path(table.path))
    refused = Path(config.work) / "refused" / f"{table.content_sha256[:32]}.json"

    def build(folder: Path) -> dict[str, Any]:
        return validate_into(
            folder,
            pd.read_parquet(Path(table.path) / TABLE_FILE),
            config.data,
            labels=not config.hyperparameters.is_regressor,
            rows_out_of_order=loaded["rows_out_of_order"],
            skipped_series=loaded["skipped_series"],
            refused_report=refused,
        )

    output, manifest = make("validate", config, [table], build, lambda m: int(m["rows"]))
    filled, dropped = sum(manifest["filled"].values()), table.rows - manifest["rows"]
    say(
        "validate",
        f"{manifest['checks_run']} checks, {len(manifest['warnings'])} warnings; "
        f"{filled:,} values filled, {dropped:,} rows dropped, {manifest['rows']:,} rows left",
    )
    for warning in manifest["warnings"]:
        say("validate", f"warning: {warning}")
    return output
