"""The step that fetches the newest rows."""

from __future__ import annotations

from fastlstm.data.files import source_fingerprint
from tasks.notify import notify
from tasks.references import LocalTable
from tasks.settings import ScoringConfig
from tasks.steps import pipeline_step
from tasks.storage.sources import local_source
from tasks.storage.sql import redacted
from tasks.work_place import local_work


@pipeline_step("fetch rows")
def fetch_rows(config: ScoringConfig) -> LocalTable:
    """Fetch the newest rows, from files, S3 or a database."""
    source = config.input
    local = local_source(source.path, source.query, config.s3, local_work(config.work))
    table = LocalTable(
        path=local.path,
        sha256=source_fingerprint(local.path, source.format),
        skipped=local.skipped,
    )
    notify("fetch rows", f"source {redacted(source.path)}, content {table.sha256[:12]}")
    return table
