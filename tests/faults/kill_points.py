"""Kill a process with -9 at each operation of storing in turn; run as a program by the tests.

``python -m tests.faults.kill_points FOLDER PLACE`` lays a store for n = 1, 2, … and has a process of its
own make a step's output, store a run and promote it there, killed just before its n-th operation, until
one gets through. It prints how many were killed. PLACE is ``folder``, where each operation on files
counts, or a prefix ``s3://…``, where each request does.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import publish
from fastlstm.registry.opening import open_store
from fastlstm.registry.store import Store

FIRST = datetime(2026, 11, 1, 3, tzinfo=UTC)
# Python calls its audit hooks before each of these.
OPERATIONS = {
    "open",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "shutil.copyfile",
    "fcntl.flock",
}


def build(folder: Path, run_id: str = "") -> dict[str, Any]:
    (folder / f"{run_id}model.keras").write_bytes(b"weights " * 5000)
    (folder / "deep").mkdir()
    (folder / "deep" / "table.csv").write_text("a\n1\n")
    return {"fingerprint": run_id, "rows": 1}


def seed(store: Store) -> None:
    """A store as the night before left it: two runs, one of them the champion."""
    ids = [store.add_run("m", FIRST + timedelta(days=day), build).run_id for day in range(2)]
    store.update_champion("m", lambda r: r.promoted(ids[1], "the night before"))


def night(store: Store, work: Path) -> str:
    """What a retraining does to disk and store; the id of the new run."""
    publish(work / "windows" / "key", build)
    run_id = store.add_run("m", FIRST + timedelta(days=9), build).run_id
    store.update_champion("m", lambda r: r.promoted(run_id, "better"))
    return run_id


def open_at(place: str, number: int, folder: Path) -> Store:
    """The store of one kill point: a folder of its own, or a prefix of its own in a bucket."""
    if place == "folder":
        return open_store(folder / str(number) / "runs")
    return open_store(f"{place}/{number}", cache=folder / str(number) / "cache")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def was_killed(child: int, what: str) -> bool:
    """Whether a forked child was killed, once it has ended.

    Raises:
        SystemExit: it failed.
    """
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code > 0:
        raise SystemExit(f"{what}: ended with {code}")
    return code < 0


class _Counter:
    """Kills this process before its n-th operation."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            die()


def _killed_before(place: str, number: int, folder: Path) -> bool:
    child = os.fork()
    if child == 0:
        counter, own = _Counter(number), str(folder / str(number))
        store: Any = open_at(place, number, folder)
        if place == "folder":

            def hook(event: str, arguments: tuple[Any, ...]) -> None:
                if event == "fcntl.flock" or (
                    event in OPERATIONS and any(own in str(a) for a in arguments)
                ):
                    counter()

            sys.addaudithook(hook)
        else:
            store.objects.client.meta.events.register("before-send.s3", lambda **_: counter())
        night(store, folder / str(number) / "work")
        os._exit(0)
    return was_killed(child, f"kill point {number}")


def main() -> None:
    """Kill until one gets through."""
    folder, place = Path(sys.argv[1]), sys.argv[2]
    number = 1
    while True:
        (folder / str(number)).mkdir()
        seed(open_at(place, number, folder))
        if not _killed_before(place, number, folder):
            break
        number += 1
    print(number - 1)


if __name__ == "__main__":
    main()
