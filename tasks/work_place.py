"""Where intermediate results lie: on this machine, and where ``work`` is in S3, there too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.config.locations import S3_PREFIX

if TYPE_CHECKING:
    from tasks.settings import S3Settings
    from tasks.storage.shared_folders import SharedFolders


def local_work(work: str) -> Path:
    """The folder of this machine in which intermediate results lie.

    Args:
        work: a folder, which it is then, or ``s3://bucket/prefix``, for which it is one in the user's
            cache folder (``XDG_CACHE_HOME``, by default ``~/.cache``).
    """
    if not work.startswith(S3_PREFIX):
        return Path(work)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "fastlstm" / "work" / fingerprint(work.rstrip("/"))[:32]


def shared_folders(work: str, s3: S3Settings) -> SharedFolders | None:
    """The finished results that machines share; None where ``work`` is a folder.

    Raises:
        ConfigError: the URL or a setting cannot be used.
    """
    if not work.startswith(S3_PREFIX):
        return None
    from tasks.storage.shared_folders import SharedFolders

    return SharedFolders(work, s3)
