"""What a work folder keeps from run to run, and deleting what no run has used lately.

Each step's output is known by what it was made from, so with new rows every night all of them are made
anew, and those of earlier nights stay. Only what bears the name of an intermediate file, in a folder of
them, is ever looked at: whatever else lies in the work folder is the user's own.
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

# Longer than a flow may take, so that nothing a running one uses is old.
FEWEST_DAYS = 2
_DAY = 24 * 3600.0
_FOLDERS = (
    "load", "validate", "scale", "windows", "train", "evaluate", "folds", "backtest",
    "unfinished", "refused", "forecast", "tune", "full",
    "s3", "s3/manifests", "sources", "sources/objects",
)  # fmt: skip
# A hash or a flow run's id, what is in the making beside it, and what a killed run left.
_NAME = re.compile(
    r"[0-9a-f]{32,64}(\.json|\.npz)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\.([0-9a-f]{32}\.|damaged\.|doomed\.)?[0-9a-f]{32}|\.upload-\w+|\.[0-9a-f]{32}\.(json|npz)\.[0-9a-f]{32}"
)


@dataclass(frozen=True)
class Unused:
    """An intermediate file or folder.

    Attributes:
        path: where it lies.
        days: how long ago it was last used.
        size: its bytes.
    """

    path: Path
    days: float
    size: int


def clean(work: Path, days: float, *, dry_run: bool = False) -> list[Unused]:
    """Delete what no run has used for so many days; return it.

    What is deleted is made anew should a run need it. A folder vanishes in one step.

    Args:
        work: the work folder.
        days: how long unused, ``FEWEST_DAYS`` or more.
        dry_run: delete nothing, only tell.

    Raises:
        ValueError: ``days`` is below ``FEWEST_DAYS``.
        StoreError: the folder may not be written.
    """
    if days < FEWEST_DAYS:
        raise ValueError(
            f"days is {days}; a running flow may use what is younger than {FEWEST_DAYS}"
        )
    now = time.time()
    found = []
    for path in _entries(work):
        try:
            states = [f.lstat() for f in (path, *(path.rglob("*") if path.is_dir() else ()))]
        except FileNotFoundError:
            continue  # its writer put it in place, or another cleaning removed it, at this moment
        unused = (now - max(state.st_mtime for state in states)) / _DAY
        if unused >= days:
            found.append(Unused(path, unused, sum(state.st_size for state in states[1:] or states)))
    if not dry_run:
        for item in found:
            _delete(item.path)
    return found


def _entries(work: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        home = work / name
        if home.is_dir() and not home.is_symlink():
            for entry in sorted(home.iterdir()):
                if _NAME.fullmatch(entry.name) and not entry.is_symlink():
                    yield entry


def _delete(path: Path) -> None:
    with writing_to(path):
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):  # another cleaning was first
            delete_folder(path, "doomed")
