"""Deletion of the intermediate results that no run has used lately, on this machine and in S3."""

from __future__ import annotations

from tasks import work_folder
from tasks.settings import S3Settings
from tasks.step_table import STEPS
from tasks.storage.shared_folders import shared_folders
from tasks.work_folder import Unused
from tasks.work_place import local_work


def delete_unused(work: str, s3: S3Settings, days: int, *, dry_run: bool = False) -> list[Unused]:
    """Delete what no run has used for so many days; return it.

    Args:
        work: a folder, or ``s3://bucket/prefix``; there, and in this machine's copies.
        s3: how S3 is reached.
        days: how long unused.
        dry_run: delete nothing, only list.
    """
    deleted = work_folder.clean(local_work(work), days, dry_run=dry_run)
    shared = shared_folders(work, s3)
    if shared is not None:
        steps = tuple(step.folders[0] for step in STEPS.values() if step.folders)
        deleted += shared.clean(steps, days, dry_run=dry_run)
    return deleted
