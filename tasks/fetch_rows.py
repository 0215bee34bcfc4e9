"""The step that brings the newest rows to this machine."""

from __future__ import annotations

from pathlib import Path

from fastlstm.data.files import source_fingerprint
from tasks.notify import notify
from tasks.references import LocalTable
from tasks.settings import ScoringConfig
from tasks.steps import fresh_step
from tasks.storage.sources import local_source
from tasks.storage.sql import redacted


@fresh_step("fetch rows", "data", retries=3)
def fetch_rows(config: ScoringConfig) -> LocalTable:
    """Bring the newest rows to this machine."""
    source = config.input
    path = local_source(source.path, source.query, config.s3, Path(config.work))
    table = LocalTable(path=path, sha256=source_fingerprint(path, source.format))
    notify("fetch", f"source {redacted(source.path)}, content {table.sha256[:12]}")
    return table
