"""Several processes on one store: every run is kept, no decision is lost, the best one serves."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fastlstm.errors import StoreError
from fastlstm.registry.maintenance import examine
from fastlstm.registry.opening import open_store
from tests.conftest import ROOT

MOMENT = datetime(2026, 11, 24, 3, tzinfo=UTC)
# Processes without threads or open files of this one, that import this file once for all of them.
START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload([__name__])


def contend(place: str, cache: Path, score: float, ready) -> None:
    """Store a run in the very same second as others, and promote it if it beats the champion."""
    store = open_store(place, **({"cache": cache} if "://" in place else {}))

    def build(folder, run_id):
        (folder / "score.json").write_text(json.dumps(score))
        return {"fingerprint": str(score), "score": score}

    ready.wait()
    run_id = store.add_run("m", MOMENT, build).run_id

    def decide(record):
        scores = {entry.run_id: entry.manifest["score"] for entry in store.runs("m")}
        if record.champion is None or score < scores[record.champion]:
            return record.promoted(run_id, str(score))
        return record.kept(run_id, str(score))

    store.update_champion("m", decide)


def in_environment(environment, target, arguments) -> None:
    """In a process that was started for other tests: their S3 server is not this one's."""
    os.environ.update(environment)
    target(*arguments)


def run_all(target, argument_lists) -> None:
    processes = [
        START.Process(target=in_environment, args=(dict(os.environ), target, arguments))
        for arguments in argument_lists
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(processes)


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path) -> str:
    if request.param == "folder":
        return str(tmp_path / "runs")
    request.getfixturevalue("s3_server")
    return f"s3://models/{uuid.uuid4().hex}"


def test_eight_at_once(place, tmp_path):
    scores = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0]
    ready = START.Barrier(8)
    run_all(contend, [(place, tmp_path / str(score), score, ready) for score in scores])
    store = open_store(place, **({"cache": tmp_path / "mine"} if "://" in place else {}))
    entries = store.runs("m")
    assert len({entry.run_id for entry in entries}) == 8
    assert sorted(entry.manifest["score"] for entry in entries) == sorted(scores)
    record = store.champion("m")
    found = {entry.run_id: entry.manifest["score"] for entry in entries}
    assert found[record.champion] == 1.0
    assert sorted(float(decision.reason) for decision in record.history) == sorted(scores)
    assert examine(store).whole == 8 and examine(store).findings == []


@pytest.mark.soak
def test_eight_whole_retrainings_at_once(place, prefect_server, tmp_path):
    retrain_at_once(8, place, tmp_path)


def retrain_at_once(count: int, place: str, folder: Path) -> None:
    """Have processes retrain on one table against one store, and see what it holds then."""
    from prefect.settings import PREFECT_API_URL

    (folder / "shared").mkdir()
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.faults.many_retrainings", str(folder / "shared"), place,
            str(count),
        ],
        cwd=ROOT, env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    store = open_store(place, **({"cache": folder / "mine"} if "://" in place else {}))
    entries = store.runs("small")
    assert len({entry.run_id for entry in entries}) == count
    assert len({entry.manifest["fingerprint"] for entry in entries}) == count
    record = store.champion("small")
    assert sorted(d.run for d in record.history) == sorted(entry.run_id for entry in entries)
    scores = {entry.run_id: entry.manifest["primary"]["value"] for entry in entries}
    assert len(set(scores.values())) == count
    promoted = [d.run for d in record.history if d.action == "promoted"]
    assert promoted == sorted(promoted, key=scores.__getitem__, reverse=True)  # ever better
    assert record.champion == promoted[-1] == min(scores, key=scores.__getitem__)
    assert examine(store).whole == count and examine(store).findings == []


def promote_often(folder: str, run_id: str, times: int, ready) -> None:
    store = open_store(folder)
    ready.wait()
    for number in range(times):
        store.update_champion("m", lambda r, n=number: r.promoted(run_id, f"round {n}"))


def roll_back_often(folder: str, times: int, refused, ready) -> None:
    store = open_store(folder)
    ready.wait()
    for number in range(times):
        try:
            store.update_champion("m", lambda r, n=number: r.rolled_back(f"round {n}"))
        except StoreError:  # there was no earlier champion at that moment
            refused.value += 1


def test_promotion_against_rollback_two_hundred_rounds(tmp_path):
    store = open_store(tmp_path)

    def build(folder, run_id):
        (folder / "x").write_text(run_id)
        return {}

    one, two = (store.add_run("m", MOMENT, build).run_id for _ in range(2))
    store.update_champion("m", lambda r: r.promoted(one, "first"))
    refused, ready = START.Value("i", 0), START.Barrier(2)
    processes = [
        START.Process(target=promote_often, args=(str(tmp_path), two, 200, ready)),
        START.Process(target=roll_back_often, args=(str(tmp_path), 200, refused, ready)),
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    record = store.champion("m")
    promoted = [d for d in record.history if d.action == "promoted"]
    rolled = [d for d in record.history if d.action == "rolled back"]
    assert len(promoted) == 201 and len(rolled) == 200 - refused.value
    # The record adds up: replayed from its history it is what it is.
    champion, previous = None, []
    for decision in record.history:
        assert decision.replaced == champion
        if decision.action == "promoted":
            previous += [champion] if champion else []
            champion = decision.run
        else:
            champion = previous.pop()
            assert champion == decision.run
    assert (champion, previous) == (record.champion, record.previous)
