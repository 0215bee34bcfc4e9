"""The step that fetches and hashes the source and looks for a finished run built from it."""

from __future__ import annotations

import prefect.runtime

from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.registry.unchanged import check_for_changes
from tasks.notify import notify
from tasks.references import Source
from tasks.settings import PipelineConfig, store_of
from tasks.source_handover import current_source
from tasks.steps import pipeline_step
from tasks.storage.sql import redacted


@pipeline_step("check source")
def check_source(config: PipelineConfig, full: bool = False) -> Source:
    """Fetch and hash the source, and look for a finished run that was built from it.

    A full retraining counts no earlier run as finished, even one from the same data and settings.
    """
    found = current_source(config)
    changes = check_for_changes(config, store_of(config), found.sha256)
    notify("check source", f"source {redacted(config.data.path)}, content {found.sha256[:12]}")
    again = [str(prefect.runtime.flow_run.id)] if full else []
    return Source(
        data_sha256=found.sha256,
        path=found.path,
        skipped=found.skipped,
        joined=list(found.joined),
        run_fingerprint=fingerprint(changes.run_fingerprint, again)
        if full
        else changes.run_fingerprint,
        unchanged_run=changes.unchanged.run_id if changes.unchanged and not full else None,
    )
