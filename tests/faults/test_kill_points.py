"""Killed with -9 before any operation on files or any request, a retraining leaves the store as good."""

from __future__ import annotations

import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from fastlstm.artifacts.folders import verify
from fastlstm.registry.maintenance import examine
from tests.conftest import ROOT
from tests.faults.kill_points import night, open_at


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "least"), [("folder", 30), ("s3", 6)])
def test_every_operation(kind, least, request, tmp_path):
    place = kind
    if kind == "s3":
        request.getfixturevalue("s3_server")
        place = f"s3://models/{uuid.uuid4().hex}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kill_points", str(tmp_path), place],
        cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count = int(done.stdout)
    assert count >= least
    later = datetime.now(UTC) + timedelta(hours=2)
    for number in range(1, count + 2):  # the last one was not killed
        store, work = open_at(place, number, tmp_path), tmp_path / str(number) / "work"
        before = [entry.run_id for entry in store.runs("m")]
        assert before[:2] == ["2026-11-01 03-00-00", "2026-11-02 03-00-00"]
        for run_id in before:  # every run that is seen is whole
            store.read_all("m", run_id)
        champion = store.champion("m").champion
        assert champion in (before[1], before[-1])
        if (work / "windows" / "key").exists():
            verify(work / "windows" / "key")
        # What is left half-made no reader sees; verify finds it, and --repair moves it.
        for finding in examine(store, repair=True, now=later).findings:
            assert finding.name not in before and finding.moved_to is not None
        # No lock is left behind, and the next night is like any other.
        new = night(store, work)
        assert store.champion("m").champion == new
        assert len(store.runs("m")) == len(before) + 1
        assert examine(store, now=later).findings == []
    print(f"{count} kill points ({kind})")
