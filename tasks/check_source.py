"""The step that brings and fingerprints the source and looks for a finished run made from it."""

from __future__ import annotations

from pathlib import Path

import prefect.runtime

from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.registry.unchanged import check_for_changes
from tasks.notify import notify
from tasks.references import Source
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step
from tasks.storage.sources import local_source
from tasks.storage.sql import redacted


@pipeline_step("check source")
def check_source(config: PipelineConfig, full: bool = False) -> Source:
    """Bring and fingerprint the source, and look for a finished run made from it.

    A full retraining takes no earlier run for finished, however alike it is.
    """
    path = local_source(config.data.path, config.data.query, config.s3, Path(config.work))
    found = check_for_changes(config, store_of(config), path)
    notify("look", f"source {redacted(config.data.path)}, content {found.data_fingerprint[:12]}")
    again = [str(prefect.runtime.flow_run.id)] if full else []
    return Source(
        data_sha256=found.data_fingerprint,
        path=path,
        run_fingerprint=fingerprint(found.run_fingerprint, again)
        if full
        else found.run_fingerprint,
        unchanged_run=found.unchanged.run_id if found.unchanged and not full else None,
    )
