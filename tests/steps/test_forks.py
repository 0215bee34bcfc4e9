"""Calls that forks of a prepared process serve, and the pool of such processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fastlstm import errors
from fastlstm.steps import worker
from fastlstm.steps.worker_pool import WorkerPool, default_workers

HERE = "tests.steps.test_forks"
_MARKS: list[str] = []


def prepared():
    _MARKS.append("prepared")


def marks(on_event):
    """What the process of this call found, and leaves."""
    found = list(_MARKS)
    _MARKS.append("left")
    on_event({"event": "step", "marks": found})
    return {"marks": found, "process": os.getpid(), "parent": os.getppid()}


def nested(on_event):
    """Calls from within a fork."""
    one, other = (worker.call(f"{HERE}:marks", {}, on_event) for _ in range(2))
    try:
        worker.call(f"{HERE}:refusing", {})
    except errors.DataError as error:
        refused = str(error)
    try:
        worker.call(f"{HERE}:sleeping", {"file": "/dev/null"}, time_limit=0.3)
    except errors.TrainingError as error:
        late = str(error)
    try:
        worker.call("tests.steps.engine_calls:killed", {})
    except errors.WorkerKilledError:
        killed = True
    return {"own": os.getpid(), "calls": [one, other], "errors": [refused, late, killed]}


def refusing(on_event):
    raise errors.DataError("column 'x' is bad")


def sleeping(file, on_event):
    Path(file).write_text(str(os.getpid()))
    time.sleep(60)


@pytest.fixture
def pool():
    made = WorkerPool(1, 1)
    yield made
    made.close()


def test_each_fork_finds_what_was_prepared_and_nothing_else(pool):
    events = []
    calls = [
        pool.call(f"{HERE}:marks", {}, events.append, prepare=f"{HERE}:prepared") for _ in "ab"
    ]
    assert [call["marks"] for call in calls] == [["prepared"], ["prepared"]]
    assert len({call["process"] for call in calls}) == 2
    assert len({call["parent"] for call in calls}) == 1  # one process serves all
    assert [event["marks"] for event in events] == [["prepared"], ["prepared"]]


def test_a_fork_forks_for_its_own_calls(pool):
    events = []
    found = pool.call(f"{HERE}:nested", {}, events.append, prepare=f"{HERE}:prepared")
    assert [call["marks"] for call in found["calls"]] == [["prepared"], ["prepared"]]
    assert {call["parent"] for call in found["calls"]} == {found["own"]}
    assert len(events) == 2
    assert found["errors"][0] == "column 'x' is bad" and found["errors"][2] is True
    assert found["errors"][1].startswith("stopped after the time limit of 0.3 s")


def test_a_process_that_has_served_other_calls_is_replaced_for_a_fork(pool):
    plain = pool.call(f"{HERE}:marks", {})
    assert pool.call(f"{HERE}:marks", {})["marks"] == ["left"]
    forked = pool.call(f"{HERE}:marks", {}, prepare=f"{HERE}:prepared")
    assert forked["marks"] == ["prepared"] and forked["parent"] != plain["process"]


def test_a_fork_ends_with_the_time_limit(pool, tmp_path):
    file = tmp_path / "process"
    pool.call(f"{HERE}:marks", {}, prepare=f"{HERE}:prepared")
    with pytest.raises(errors.TrainingError, match=r"time limit of 0\.8 s"):
        pool.call(
            f"{HERE}:sleeping", {"file": str(file)}, time_limit=0.8, prepare=f"{HERE}:prepared"
        )
    deadline = time.monotonic() + 200
    while Path(f"/proc/{file.read_text()}").exists():
        assert time.monotonic() < deadline, "the fork outlives its process"
        time.sleep(0.05)
    assert pool.call(f"{HERE}:marks", {}, prepare=f"{HERE}:prepared")["marks"] == ["prepared"]


def test_there_is_a_worker_for_each_core_and_memory_for_each(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    memory = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 9_000_000_000 // 4096}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    assert default_workers() == 4
    memory["SC_PHYS_PAGES"] = 100
    assert default_workers() == 1
