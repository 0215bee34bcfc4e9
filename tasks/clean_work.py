"""The step that deletes intermediate results that no run has used lately."""

from __future__ import annotations

from tasks.notify import notify
from tasks.settings import UpkeepConfig
from tasks.steps import pipeline_step
from tasks.unused_results import delete_unused


@pipeline_step("clean work")
def clean_work(config: UpkeepConfig) -> tuple[list[str], int]:
    """Paths of the deleted results, and their bytes."""
    deleted = delete_unused(config.work, config.s3, config.retention.work_days)
    freed = sum(item.size for item in deleted)
    notify("clean work", f"{len(deleted):,} results deleted, {freed / 1e6:,.1f} MB")
    return [str(item.path) for item in deleted], freed
