"""A Dask cluster of separate processes: the same bytes as this machine, and what its failures cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import PREDICTIONS_FILE
from fastlstm.artifacts.folders import read_manifest
from fastlstm.config.reading import check_settings
from fastlstm.errors import DataError, EngineError, WorkerKilledError
from fastlstm.registry.folder_store import FolderStore
from fastlstm.runs.saved_run import SavedRun
from tasks.engine import close_engines, engine_map, engine_of
from tasks.settings import PipelineConfig
from tests.conftest import build_settings, make_panel

pytestmark = pytest.mark.soak
CALLS = "tests.steps.engine_calls"


class Cluster:
    """A scheduler and two workers, each a process started by hand."""

    def __init__(self, folder):
        from deployments.local_s3 import free_ports

        (port,) = free_ports(1)
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        self.workers = [self._start("worker", self.address, "--nthreads", "1") for _ in range(2)]

    def _start(self, kind, *arguments):
        module = f"distributed.cli.dask_{kind}"
        local = ["--no-nanny", "--no-dashboard", "--local-directory", str(self._folder)]
        options = local if kind == "worker" else []
        with (self._folder / f"{kind}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments, *options],
                stdout=log, stderr=log, cwd=Path.cwd(),
            )  # fmt: skip

    def end(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    started = Cluster(tmp_path)
    yield started
    close_engines()
    started.end()


def config(tmp_path, **execution):
    given = build_settings(tmp_path, execution=execution)
    return check_settings(given, PipelineConfig)


def on(cluster, tmp_path):
    found = config(tmp_path, engine="dask", cluster=cluster.address)
    engine = engine_of(found)
    engine._client.wait_for_workers(2, timeout=900)
    return found


def test_its_results_are_those_of_this_machine(cluster, tmp_path):
    calls = [{"number": number, "seconds": 0} for number in range(50)]
    found = engine_map(on(cluster, tmp_path))(f"{CALLS}:slowly", calls)
    assert [one["value"] for one in found] == [2 * number for number in range(50)]
    assert {one["process"] for one in found} <= {process.pid for process in cluster.workers}


def test_a_worker_that_is_killed_costs_no_result(cluster, tmp_path):
    run = engine_map(on(cluster, tmp_path))
    victim = cluster.workers[0]
    threading.Timer(1.0, lambda: os.kill(victim.pid, signal.SIGKILL)).start()
    calls = [{"number": number, "seconds": 0.3} for number in range(12)]
    assert [one["value"] for one in run(f"{CALLS}:slowly", calls)] == [2 * n for n in range(12)]
    assert victim.wait(60) == -signal.SIGKILL


def test_a_call_that_kills_each_worker_waits_for_none(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.dask_engine._SECONDS_BETWEEN_LOOKS", 1.0)
    monkeypatch.setattr("tasks.dask_engine._SECONDS_WITHOUT_WORKER", 3.0)
    engine = engine_of(on(cluster, tmp_path))
    with pytest.raises(
        EngineError, match=rf"{cluster.address} has no worker any more; start workers"
    ):
        engine.call(f"{CALLS}:killed", {})


def test_a_scheduler_that_is_gone_is_one_sentence(cluster, tmp_path):
    run = engine_map(on(cluster, tmp_path))
    threading.Timer(1.0, lambda: os.kill(cluster.scheduler.pid, signal.SIGKILL)).start()
    begin = time.monotonic()
    with pytest.raises(
        EngineError,
        match=rf"execution\.cluster: the scheduler of {cluster.address} does not answer any more .*"
        "run the same command again, which uses what is finished",
    ):
        run(f"{CALLS}:slowly", [{"number": n, "seconds": 0.3} for n in range(200)])
    assert time.monotonic() - begin < 60


def test_ray_gives_the_same_and_retries_a_killed_worker(tmp_path):
    pytest.importorskip("ray")
    found = config(tmp_path, engine="ray", workers=2)
    run = engine_map(found)
    calls = [{"number": number, "seconds": 0} for number in range(50)]
    results = run(f"{CALLS}:slowly", calls)
    assert [one["value"] for one in results] == [2 * number for number in range(50)]
    flags = [{"flag": str(tmp_path / f"{number}")} for number in range(2)]
    assert run(f"{CALLS}:killed_once", flags) == ["done", "done"]
    with pytest.raises(DataError, match="number -1 is negative"):
        run(f"{CALLS}:doubled", [{"number": 1}, {"number": -1}])
    with pytest.raises(WorkerKilledError, match="workers died while they ran"):
        engine_of(found).call(f"{CALLS}:killed", {})
    forked = engine_of(found).call(
        "tests.steps.test_forks:marks", {}, prepare="tests.steps.test_forks:prepared"
    )
    assert forked["marks"] == ["prepared"]
    close_engines()


def weights(store, model):
    """All weights of the newest run of a model."""
    ids = [entry.run_id for entry in store.runs(model)]
    network = SavedRun(store.run_folder(model, ids[-1])).network
    return np.concatenate([np.ravel(weight) for weight in network.get_weights()])


def test_a_panel_in_shards_has_the_run_of_this_machine(prefect_server, cluster, tmp_path):
    """Each step's output has the same bytes, whichever workers made its parts, and so has the comparison
    with the champion."""
    from flows.retrain import retrain

    table, found = make_panel(240, tuple(f"site {number}" for number in range(12))), []
    for execution in ({"workers": 2}, {"engine": "dask", "cluster": cluster.address}):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        outcomes = []
        for seed in (1, 2):
            given = build_settings(
                folder, table, execution={**execution, "shard_rows": 1000},
                hyperparameters={"seed": seed},
            )  # fmt: skip
            state = retrain(check_settings(given, PipelineConfig), return_state=True)
            assert state.is_completed(), state.message
            outcomes.append(state.result())
            first = outcomes[0].run.run_id
            FolderStore(folder / "runs").update_champion(
                "small", lambda record, first=first: record.promoted(first, "for a comparison")
            )
            assert not list((folder / "work" / "unfinished").glob("*.shards"))
        scored = min(
            (folder / "work" / "evaluate").glob("[0-9a-f]*"), key=lambda f: f.stat().st_mtime
        )
        contents = [
            read_manifest(made)["content_sha256"]
            for step in ("load", "validate", "scale", "windows")
            for made in (folder / "work" / step).glob("[0-9a-f]*")
        ]
        found.append((contents, pd.read_parquet(scored / PREDICTIONS_FILE), outcomes[1]))
    assert found[0][0] == found[1][0] and len(found[0][0]) == 4
    np.testing.assert_allclose(found[0][1]["prediction"], found[1][1]["prediction"], rtol=1e-4)
    np.testing.assert_array_equal(found[0][1]["truth"], found[1][1]["truth"])
    assert found[0][2].champion and found[1][2].champion
    assert found[0][2].champion_score == pytest.approx(found[1][2].champion_score, rel=1e-4)


def test_models_of_groups_are_those_of_this_machine_and_of_a_process_of_their_own(
    prefect_server, cluster, tmp_path, monkeypatch
):
    from flows.retrain import retrain

    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    names = ("north", "south")
    parts = [make_panel(series=("1",), seed=n).assign(region=name) for n, name in enumerate(names)]
    found = []
    for execution in ({"workers": 2}, {"engine": "dask", "cluster": cluster.address}):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        given = build_settings(
            folder, pd.concat(parts), models_by=["region"], execution=execution,
            groups={"minimum_rows": 100},
        )  # fmt: skip
        state = retrain(check_settings(given, PipelineConfig), return_state=True)
        assert state.is_completed() and not state.result().failed, state.message
        store = FolderStore(folder / "runs")
        found.append([weights(store, f"small/region={name}") for name in names])
    alone = tmp_path / "alone"
    alone.mkdir()
    (rows,) = (tmp_path / "0" / "work" / "groups").glob("*/region=south.parquet")
    given = build_settings(alone, data={"path": str(rows)})
    retrain(check_settings(given | {"data": {**given["data"], "path": str(rows)}}, PipelineConfig))
    own = weights(FolderStore(alone / "runs"), "small")
    for local, dask in zip(*found, strict=True):
        np.testing.assert_array_equal(local, dask)
    np.testing.assert_array_equal(own, found[0][1])
