"""Where intermediate results lie on this machine."""

from __future__ import annotations

from pathlib import Path

from fastlstm.artifacts.fingerprint import fingerprint
from fastlstm.artifacts.user_cache import user_cache
from fastlstm.config.locations import S3_PREFIX

# Longer than a flow may take, so that nothing a running one uses is old.
FEWEST_DAYS = 2


def local_work(work: str) -> Path:
    """The folder of this machine in which intermediate results lie.

    Args:
        work: a folder, which it is then, or ``s3://bucket/prefix``, for which it is one in the user's
            cache folder (``XDG_CACHE_HOME``, by default ``~/.cache``).
    """
    if not work.startswith(S3_PREFIX):
        return Path(work)
    return user_cache() / "work" / fingerprint(work.rstrip("/"))[:32]
