"""What a work folder keeps from run to run, and deletion of what no run has used lately.

Each step's output is identified by what it was built from. With new rows every night all outputs are
rebuilt, and those of earlier nights stay. Only what has the name of an intermediate result and lies in a
folder of the table of steps may be deleted: anything else belongs to the user.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastlstm.artifacts.disk import writing_to
from tasks.step_table import FOLDERS
from tasks.work_place import FEWEST_DAYS

_DAY = 24 * 3600.0
# A hash or a flow run's id, a temporary name while it is written, and what a killed run left.
_HASH = "[0-9a-f]{32}"
_NAME = re.compile(
    rf"{_HASH}({_HASH})?(\.json|\.shards|(-[a-z]+)?\.npz)?"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    rf"|\.({_HASH}\.|damaged\.|deleting\.|doomed\.)?{_HASH}"
    rf"|\.{_HASH}(\.json|(-[a-z]+)?\.npz)\.{_HASH}"
    r"|\.upload-\w+"
)


@dataclass(frozen=True)
class Unused:
    """An intermediate file or folder.

    Attributes:
        path: its path, or its URL in S3.
        days: how long ago it was last used, in days.
        size: its size in bytes.
    """

    path: Path | str
    days: float
    size: int


def clean(
    work: Path, days: float, *, dry_run: bool = False, now: float | None = None
) -> list[Unused]:
    """Delete what no run has used for so many days; return it.

    A run that needs what was deleted rebuilds it. A folder disappears in one step, and what a run took
    into use meanwhile stays.

    Args:
        work: the work folder.
        days: how long unused, ``FEWEST_DAYS`` or more.
        dry_run: delete nothing, only list.
        now: the current time in seconds since 1970; for tests.

    Raises:
        ValueError: ``days`` is below ``FEWEST_DAYS``.
        StoreError: the folder may not be written.
    """
    if days < FEWEST_DAYS:
        raise ValueError(
            f"days is {days}; a running flow may use what is younger than {FEWEST_DAYS} days"
        )
    now = time.time() if now is None else now
    found = []
    for path in _entries(work):
        try:
            used, size = _use(path)
        except FileNotFoundError:
            continue  # its writer renamed it, or another cleaning removed it, at this moment
        if now - used >= days * _DAY:
            found.append((Unused(path, (now - used) / _DAY, size), used))
    return [item for item, used in found if dry_run or _delete(Path(item.path), used)]


def _use(path: Path) -> tuple[float, int]:
    """When a file or anything in a folder was last used, in seconds since 1970, and its size in bytes.

    Raises:
        FileNotFoundError: it is gone.
    """
    states = [f.lstat() for f in (path, *(path.rglob("*") if path.is_dir() else ()))]
    size = sum(state.st_size for state in states[1:] or states)
    return max(state.st_mtime for state in states), size


def _entries(work: Path) -> Iterator[Path]:
    """Every intermediate file or folder; links are left out."""
    for name in FOLDERS:
        home = work / name
        if home.is_dir() and not home.is_symlink():
            for entry in sorted(home.iterdir()):
                if _NAME.fullmatch(entry.name) and not entry.is_symlink():
                    yield entry


def _delete(path: Path, last_use: float) -> bool:
    """Delete a file or folder unless a run has used it since; whether it was deleted.

    It is renamed first and looked at once more then. A run marks what it takes before it verifies it, so
    either the mark is seen here, or the run finds nothing and builds it.
    """
    hidden = path.with_name(f".deleting.{uuid.uuid4().hex}")
    with writing_to(path), suppress(FileNotFoundError):  # another cleaning was first
        path.rename(hidden)
        if _use(hidden)[0] > last_use:
            _put_back(hidden, path)
            return False
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()
        return True
    return False


def _put_back(hidden: Path, path: Path) -> None:
    """Give a file or folder its name back, unless it was built again meanwhile."""
    if hidden.is_dir():
        with suppress(OSError):
            hidden.rename(path)
            return
        shutil.rmtree(hidden)
    else:
        with suppress(FileExistsError):
            os.link(hidden, path)
        hidden.unlink()
