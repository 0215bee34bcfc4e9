"""Temporary folders that do not stay, however their process ends.

A folder is deleted with its owner. What a killed process left is deleted by the next one that makes a
folder: the lock on a folder ends with its owner.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_PREFIX = "fastlstm-scratch-"
# A folder is locked right after it was made.
_SECONDS_TO_LOCK = 60


class ScratchFolder:
    """A temporary folder below ``TMPDIR``; as a context manager, its path.

    Attributes:
        path: the folder.
    """

    def __init__(self) -> None:
        _remove_left_overs()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_SH)
        self._finalizer = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def remove(self) -> None:
        """Delete the folder, unless that was done."""
        self._finalizer()

    def __enter__(self) -> Path:
        """The folder."""
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Delete the folder."""
        self.remove()


def _remove(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # a fork leaves it to the process that made it
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_left_overs() -> None:
    """Delete the folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another user's, or was deleted at this moment
            if time.time() - folder.lstat().st_mtime < _SECONDS_TO_LOCK:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
