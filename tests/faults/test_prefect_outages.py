"""Prefect's server is killed while a training runs: the training ends as without the outage."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from deployments.local_server import local_server
from fastlstm.registry.folder_store import FolderStore
from tests.conftest import build_settings
from tests.prefect_client import prefect_client

EPOCHS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, environment, name):
    """The command in a process that has finished an epoch."""
    long = {"model_name": name, "epochs": EPOCHS, "early_stop_patience": EPOCHS}
    config = folder / "my.yaml"
    config.write_text(yaml.safe_dump(build_settings(folder, hyperparameters=long)))
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "retrain", str(config)],
        env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    while not list((folder / "work").glob("unfinished/*.npz")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    return process


def kill_server(home: Path) -> None:
    """Kill a server and the processes it started, which are of its session."""
    listed = subprocess.run(
        ["pgrep", "-f", "--", f"deployments.local_server {home} "],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = map(int, listed.stdout.split())
    os.killpg(found, signal.SIGKILL)


def check_outcome(process, folder, name) -> str:
    told = process.communicate(timeout=900)[0]
    assert process.returncode == 0, told
    assert "Traceback" not in told
    (entry,) = FolderStore(folder / "runs").runs(name)
    assert entry.manifest["training"]["epochs"] == EPOCHS
    assert FolderStore(folder / "runs").champion(name).decision_on(entry.run_id) is not None
    return told


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_killed_and_started_again(tmp_path):
    home, port, name = tmp_path / "prefect", free_port(), "away"
    with local_server(home, port) as environment:
        process = start(tmp_path, environment, name)
        kill_server(home)
    time.sleep(15)
    with local_server(home, port) as environment:
        check_outcome(process, tmp_path, name)
        asked = {"flow_runs": {"name": {"like_": name}}}
        with prefect_client(environment["PREFECT_API_URL"]) as client:
            (run,) = client.post("/flow_runs/filter", json=asked).json()
        assert run["state"]["type"] == "COMPLETED", run["state"]


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_killed_for_good(tmp_path):
    home = {
        "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": "",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600",
    }  # fmt: skip
    process = start(tmp_path, home, "gone")
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "flows.temporary_server"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    os.kill(int(children.stdout), signal.SIGKILL)
    assert "it does not know of this outcome" in " ".join(
        check_outcome(process, tmp_path, "gone").split()
    )


def engine(run, environment):
    """A process that runs a flow as a worker starts it, for a run that exists on the server."""
    return subprocess.Popen(
        [sys.executable, "-m", "prefect.engine"],
        env={
            **os.environ, **environment, "PREFECT__FLOW_RUN_ID": run,
            "PREFECT__FLOW_ENTRYPOINT": "flows/retrain.py:retrain",
            "FASTLSTM_PREFECT_PATIENCE_SECONDS": "3",
        },
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def flow_run(environment, settings=None, run=None):
    """Create a run of the flow with some settings, or read one."""
    with prefect_client(environment["PREFECT_API_URL"]) as client:
        if run is not None:
            return client.get(f"/flow_runs/{run}").json()
        flow = client.post("/flows/", json={"name": "retrain"}).json()["id"]
        given = {"flow_id": flow, "parameters": {"config": settings}, "state": {"type": "PENDING"}}
        return client.post("/flow_runs/", json=given).json()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_away_for_longer_than_a_run_waits(tmp_path):
    """The run ends by its outcome, and the next one tells the server that is back."""
    home, port = tmp_path / "prefect", free_port()
    long = {"model_name": "late", "epochs": EPOCHS, "early_stop_patience": EPOCHS}
    settings = build_settings(tmp_path, hyperparameters=long)
    with local_server(home, port) as environment:
        first = flow_run(environment, settings)["id"]
        process = engine(first, environment)
        while not list((tmp_path / "work").glob("unfinished/*.npz")):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        kill_server(home)
    check_outcome(process, tmp_path, "late")
    (report,) = (tmp_path / "work" / "late-reports").iterdir()
    with local_server(home, port) as environment:
        assert flow_run(environment, run=first)["state"]["type"] == "RUNNING"
        second = flow_run(environment, settings)["id"]
        again = engine(second, environment)
        assert again.wait(timeout=900) == 0, again.communicate()[0]
        told = flow_run(environment, run=first)
        assert told["state"]["type"] == "COMPLETED", told["state"]
        assert told["name"].split(" · ")[-1] in told["state"]["message"]
    assert not report.exists()
