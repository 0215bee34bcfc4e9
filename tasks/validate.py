"""The step that checks the rows and treats missing values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.validation import LoadingFacts
from fastlstm.errors import DataError
from fastlstm.reporting.text import rows_sentence
from fastlstm.steps.prepare import validate_into
from tasks.caching import make, shard_map
from tasks.notify import is_relayed, notify
from tasks.prefect_artifacts import report_refusal
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step
from tasks.work_place import local_work


@pipeline_step("validate")
def validate(config: PipelineConfig, table: StepOutput) -> StepOutput:
    """Check the rows by all rules, then fill or drop missing values as the settings say."""
    loaded = read_manifest(Path(table.path))
    refused = local_work(config.work) / "refused" / f"{table.content_sha256[:32]}.json"

    def build(folder: Path) -> dict[str, Any]:
        return validate_into(
            folder,
            Path(table.path),
            config.data,
            labels=not config.hyperparameters.is_regressor,
            loading=LoadingFacts.of_manifest(loaded),
            refused_report=refused,
            shards=shard_map(config, "validate", table),
        )

    try:
        output, manifest = make("validate", config, [table], build)
    except DataError as error:
        if refused.exists() and not is_relayed():
            found = json.loads(refused.read_text(encoding="utf-8"))["errors"]
            report_refusal(config.model_name, str(error), found)
        raise
    rows = rows_sentence(
        sum(manifest["filled"].values()), table.rows, manifest["rows_in"], manifest["rows"]
    )
    notify(
        "validate",
        f"{manifest['checks_run']} checks, {len(manifest['warnings'])} warnings; {rows}",
    )
    for warning in manifest["warnings"]:
        notify("validate", f"warning: {warning}")
    return output
