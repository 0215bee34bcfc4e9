"""Killed with -9 anywhere, a retraining goes on where it was, to the run an undisturbed one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fastlstm.artifacts.folders import verify
from fastlstm.registry.folder_store import FolderStore
from fastlstm.runs.saved_run import SavedRun
from tests.conftest import ROOT
from tests.faults.flow_kills import MOMENTS, NEVER, STAGES


@pytest.mark.soak
def test_killed_again_and_again(prefect_server, tmp_path):
    from prefect.settings import PREFECT_API_URL

    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.flow_kills", str(tmp_path), *MOMENTS],
        cwd=ROOT, env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    attempts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [attempt["moment"] for attempt in attempts] == [*MOMENTS, NEVER]
    store = FolderStore(tmp_path / "runs")
    first, second = (entry.run_id for entry in store.runs("small"))
    order = [*MOMENTS, NEVER]
    for attempt in attempts:
        # No finished stage is begun again, and one that was cut off is begun once.
        assert not set(attempt["begun"]) & set(attempt["whole"]), attempt
        assert len(set(attempt["begun"])) == len(attempt["begun"]), attempt
        # The run is seen from the moment it is whole; the champion serves all the time.
        is_stored = order.index(attempt["moment"]) >= order.index("after save")
        assert attempt["runs"] == ([first, second] if is_stored else [first])
        assert attempt["champion"] == first
        # What verify finds is what a killed process left half-made, which no reader sees.
        assert all(name.startswith(".20") for name in attempt["problems"]), attempt
    assert {stage for attempt in attempts for stage in attempt["begun"]} == set(STAGES)
    for folder in (tmp_path / "work").glob("*/[0-9a-f]*"):
        verify(folder)
    assert list((tmp_path / "work" / "unfinished").iterdir()) == []

    # Whether the new run serves is decided once, though the record's writing was cut off once.
    record = store.champion("small")
    assert [decision.run for decision in record.history] == [first, first, second]
    run = SavedRun(store.run_folder("small", second))
    (entry,) = FolderStore(tmp_path / "undisturbed" / "runs").runs("small")
    same = SavedRun(tmp_path / "undisturbed" / "runs" / "small" / entry.run_id)
    assert run.metrics["test"]["model"] == same.metrics["test"]["model"]
    for file in ("history", "predictions"):
        assert run.path(file).read_bytes() == same.path(file).read_bytes()
