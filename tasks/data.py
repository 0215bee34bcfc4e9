"""Steps that read and check the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts import read_manifest
from fastlstm.changes import find_changes
from fastlstm.config import RetrainConfig
from fastlstm.loading import TABLE_FILE, load_into
from fastlstm.store import FolderStore
from fastlstm.validation import validate_into
from tasks.caching import make
from tasks.references import Source, StepOutput
from tasks.reporting import say
from tasks.steps import cached_step, fresh_step


@fresh_step("look", "data", retries=3)
def look(config: RetrainConfig) -> Source:
    """Fingerprint the source and look for a finished run made from it."""
    found = find_changes(config, FolderStore(config.store))
    say("look", f"source {config.data.path}, content {found.data_fingerprint[:12]}")
    return Source(
        data_sha256=found.data_fingerprint,
        run_fingerprint=found.run_fingerprint,
        unchanged_run=found.unchanged.run_id if found.unchanged else None,
    )


@cached_step("load", "data", retries=3)
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


@cached_step("validate", "data", retries=2)
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
