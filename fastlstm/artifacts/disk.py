"""Errors of a disk that is full or may not be written, in one sentence that names the place."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastlstm.errors import StoreError

_FULL = "no space is left on the disk; free some and run again"
_FORBIDDEN = "may not be written by this user; grant it, or choose another folder"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the disk quota is used up; free some space, or have it raised, and run again",
    errno.EFBIG: "the system allows no larger file (see 'ulimit -f'); have it raised",
    errno.EROFS: "the file system is read-only; choose another folder, or mount it for writing",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ELOOP: "is a link, which nobody here makes; remove it and run again",
}


# HDF5 and NumPy raise their errors without a number; with less than this free, the disk is full.
_NOTHING_LEFT = 1 << 20


@contextmanager
def writing_to(place: Path) -> Iterator[None]:
    """Turn the error of a disk that refuses a write into one sentence; any other error passes.

    Args:
        place: named in the error where the system names no file.

    Raises:
        StoreError: the disk is full, or the place may not be written.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None and error.errno is None and _is_full(place):
            remedy = _FULL
        if remedy is None:
            raise
        raise StoreError(f"{error.filename or place}: {remedy}") from None


def _is_full(place: Path) -> bool:
    """Whether the disk of a path has next to no space left."""
    existing = next(
        folder for folder in [place.absolute(), *place.absolute().parents] if folder.exists()
    )
    return shutil.disk_usage(existing).free < _NOTHING_LEFT
