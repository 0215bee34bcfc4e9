"""Storing, promoting, pruning, verifying, forecasting and cleaning in any mixture: no alarm, no loss."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastlstm.registry.opening import open_store
from tests.faults.upkeep_crowd import ROLES, losses, play

# Processes of each role in a soak.
CROWD = ("retrain", "retrain", "retrain", *(role for role in ROLES if role != "retrain"))


def test_upkeep_beside_writers(tmp_path):
    store, rounds = open_store(tmp_path / "runs"), 12
    with ThreadPoolExecutor(len(ROLES)) as pool:
        played = pool.map(
            lambda role: play(role, 0, rounds, open_store(tmp_path / "runs"), tmp_path / "work"),
            ROLES,
        )
    assert [line for _, wrong in played for line in wrong] == []
    assert losses(store, rounds) == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kind", "rounds", "least"), [("folder", 100, 1000), ("s3", 20, 200)])
def test_upkeep_beside_writers_for_long(kind, rounds, least, tmp_path, request):
    place, work = str(tmp_path / "runs"), tmp_path / "work"
    work.mkdir()
    if kind == "s3":
        request.getfixturevalue("s3_server")
        place = f"s3://models/{uuid.uuid4().hex}"
    playing = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.upkeep_crowd", role, str(number),
             str(rounds if role == "retrain" else 10**9), place, str(work)],
            stdout=subprocess.PIPE, text=True,
        )
        for number, role in enumerate(CROWD)
    ]  # fmt: skip
    for process, role in zip(playing, CROWD, strict=True):
        if role == "retrain":
            process.wait()
    (work / "ended").touch()
    ended = [json.loads(process.communicate()[0]) for process in playing]
    done = dict(zip(CROWD, (times for times, _ in ended), strict=False))
    assert [line for _, wrong in ended for line in wrong] == []
    assert losses(open_store(place), CROWD.count("retrain") * rounds) == []
    print(done)
    assert sum(times for times, _ in ended) >= least, done
