"""What a work folder keeps from run to run, and deletion of what no run has used lately.

Each step's output is identified by what it was built from. With new rows every night all outputs are
rebuilt, and those of earlier nights stay. Only what has the name of an intermediate result and lies in a
folder of the table of steps may be deleted: anything else belongs to the user.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.folders import delete_folder
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


def clean(work: Path, days: float, *, dry_run: bool = False) -> list[Unused]:
    """Delete what no run has used for so many days; return it.

    A run that needs what was deleted rebuilds it. A folder disappears in one step.

    Args:
        work: the work folder.
        days: how long unused, ``FEWEST_DAYS`` or more.
        dry_run: delete nothing, only list.

    Raises:
        ValueError: ``days`` is below ``FEWEST_DAYS``.
        StoreError: the folder may not be written.
    """
    if days < FEWEST_DAYS:
        raise ValueError(
            f"days is {days}; a running flow may use what is younger than {FEWEST_DAYS} days"
        )
    now = time.time()
    found = []
    for path in _entries(work):
        try:
            states = [f.lstat() for f in (path, *(path.rglob("*") if path.is_dir() else ()))]
        except FileNotFoundError:
            continue  # its writer renamed it, or another cleaning removed it, at this moment
        unused = (now - max(state.st_mtime for state in states)) / _DAY
        if unused >= days:
            found.append(Unused(path, unused, sum(state.st_size for state in states[1:] or states)))
    if not dry_run:
        for item in found:
            _delete(Path(item.path))
    return found


def _entries(work: Path) -> Iterator[Path]:
    """Every intermediate file or folder; links are left out."""
    for name in FOLDERS:
        home = work / name
        if home.is_dir() and not home.is_symlink():
            for entry in sorted(home.iterdir()):
                if _NAME.fullmatch(entry.name) and not entry.is_symlink():
                    yield entry


def _delete(path: Path) -> None:
    """Delete a file or folder that another cleaning may delete at the same time."""
    with writing_to(path):
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):  # another cleaning was first
            delete_folder(path, "deleting")
