"""What is done on a small disk of its own that is full, or read-only; run as a program by the tests.

``python -m tests.faults.full_disk WHAT FOLDER``, where FOLDER is a file system of a few megabytes that
only this process sees. It prints counts as JSON; anything not as promised raises.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.local_s3 import local_s3
from fastlstm.artifacts.folders import verify
from fastlstm.errors import StoreError
from fastlstm.registry.maintenance import examine
from fastlstm.registry.opening import open_store
from tests.faults.kill_points import night, seed

LATER = datetime(2026, 11, 25, 3, tzinfo=UTC)
FULL = "no space is left on the disk"


@contextlib.contextmanager
def all_but(disk: Path, left: int) -> Iterator[None]:
    """Fill the disk but for ``left`` bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - left))
    try:
        yield
    finally:
        filler.unlink()


def storing(disk: Path) -> dict[str, int]:
    """Store and promote where the disk fills up at each page in turn; then where it is read-only."""
    store = open_store(disk / "runs")
    seed(store)
    refused = 0
    for number in range(60):
        before = [entry.run_id for entry in store.runs("m")]
        champion = store.champion("m").champion
        with all_but(disk, 4096 * number):
            try:
                night(store, disk / f"work {number}")
            except StoreError as error:
                assert FULL in str(error) and str(disk) in str(error), error
                refused += 1
        entries = store.runs("m")
        assert [entry.run_id for entry in entries][: len(before)] == before
        assert store.champion("m").champion in (champion, entries[-1].run_id)
        assert examine(store).findings == []  # nothing half-made lies about
        for made in (disk / f"work {number}").glob("windows/*"):
            verify(made)
    new = night(store, disk / "work")  # with space again it is a night like any other
    assert store.champion("m").champion == new

    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    asked = 0
    for write in (
        lambda: night(store, disk / "other"),
        lambda: store.add_run("m", LATER, lambda *_: {}),
        lambda: store.update_champion("m", lambda r: r.rolled_back("by hand")),
        lambda: store.add_run("another", LATER, lambda *_: {}),
    ):
        try:
            write()
        except StoreError as error:
            assert "the file system is read-only" in str(error) and str(disk) in str(error), error
            asked += 1
    store.read_all("m", new)
    assert store.champion("m").champion == new
    return {"refused": refused, "done": 60 - refused, "read-only": asked}


def s3(disk: Path) -> dict[str, int]:
    """Store over S3 where the server's disk is full; then where it has space again."""

    def large(folder: Path, run_id: str) -> dict[str, Any]:
        (folder / "large.keras").write_bytes(os.urandom(30_000_000))
        return {}

    with local_s3(disk / "server", "models") as server, tempfile.TemporaryDirectory() as cache:
        os.environ.update(server.environment)
        store = open_store("s3://models/x", cache=Path(cache))
        seed(store)
        before = store.runs("m")
        begin = time.monotonic()
        with all_but(disk, 3_000_000):
            try:
                store.add_run("m", LATER, large)
            except StoreError as error:
                assert "large.keras: the server failed; its disk may be full" in str(error), error
            else:
                raise AssertionError("a full server took 30 MB")
        seconds = time.monotonic() - begin
        assert store.runs("m") == before and store.champion("m").champion == before[-1].run_id
        while True:  # it looks at its own disk from time to time
            try:
                new = store.add_run("m", LATER, large).run_id
                break
            except StoreError:
                assert time.monotonic() - begin < 120
        store.read_all("m", new)
    return {"seconds": round(seconds)}


def retraining(disk: Path) -> dict[str, int]:
    """Retrain with ever more space until it gets through; how often it ended in which step."""
    from fastlstm.config.reading import check_settings
    from flows.retrain import retrain
    from tasks import notify
    from tasks.settings import PipelineConfig
    from tests.conftest import build_settings
    from tests.faults.flow_kills import make_cheap

    make_cheap(steps=False, figures=False)
    ended: Counter[str] = Counter()
    said: list[str] = []

    class Listener:
        def stage(self, step: str, message: str) -> None:
            said.append(step)

        def progress(self, event: dict[str, object]) -> None:
            pass

    notify.subscribe(Listener())
    config = check_settings(build_settings(disk), PipelineConfig)
    left = 12_000.0
    while True:
        said.clear()
        with all_but(disk, int(left)):
            state = retrain(config, return_state=True)
        if state.is_completed():
            break
        assert state.is_failed() and FULL in state.message, state.message
        assert str(disk) in state.message
        ended[f"after {said[-1]}"] += 1
        assert examine(open_store(disk / "runs")).findings == []
        left *= 2.5
    store = open_store(disk / "runs")
    (entry,) = store.runs("small")
    store.read_all("small", entry.run_id)
    assert entry.run_id == state.result().run.run_id
    return dict(ended)


if __name__ == "__main__":
    known = {"storing": storing, "retraining": retraining, "s3": s3}
    print(json.dumps(known[sys.argv[1]](Path(sys.argv[2]))))
