"""SIGTERM and Ctrl-C: a retraining ends at once, Prefect knows, and the next one goes on there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from fastlstm.registry.folder_store import FolderStore
from tests.conftest import build_settings
from tests.prefect_client import prefect_client


def processes_in(session: int) -> list[str]:
    """Command lines of the processes whose parent, or whose parent's parent, began this session."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,ppid,sid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]
    return [line for line in listed if str(session) in line.split()[:3]]


INTERRUPTED = (signal.SIGINT, "interrupt signal")
TERMINATED = (signal.SIGTERM, "termination signal")
EPOCHS = 80


@pytest.mark.soak
@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param([TERMINATED], id="terminated"),
        pytest.param([INTERRUPTED, TERMINATED], id="both"),
    ],
)
def test_ended_by_a_signal_and_run_again(rounds, prefect_server, tmp_path):
    from prefect.settings import PREFECT_API_URL

    # The server keeps the flow runs of all tests; a name of this one's own finds its own again.
    name = f"signalled-{len(rounds)}"
    long = {"model_name": name, "epochs": EPOCHS, "early_stop_patience": EPOCHS}
    settings = build_settings(tmp_path, hyperparameters=long)
    config = tmp_path / "my.yaml"
    config.write_text(yaml.safe_dump(settings))
    api = str(PREFECT_API_URL.value())

    def start():
        return subprocess.Popen(
            # A shell that runs the tests in the background lets them ignore an interrupt.
            ["env", "--default-signal=INT", sys.executable, "-m", "flows", "retrain", str(config)],
            env={**os.environ, "PREFECT_API_URL": api}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def states():
        asked = {"flow_runs": {"name": {"like_": name}}, "sort": "START_TIME_ASC"}
        with prefect_client(api) as client:
            runs = client.post("/flow_runs/filter", json=asked).json()
        return [(run["state"]["type"], run["state"]["message"]) for run in runs]

    for number, (signalled, words) in enumerate(rounds):
        process = start()
        deadline = time.monotonic() + 900
        before = {f: f.stat().st_mtime_ns for f in (tmp_path / "work").glob("unfinished/*.npz")}
        while {
            f: f.stat().st_mtime_ns for f in (tmp_path / "work").glob("unfinished/*.npz")
        } == before:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)  # an epoch of this training has not ended yet
        begin = time.monotonic()
        process.send_signal(signalled)
        told = process.communicate(timeout=900)[0]
        assert time.monotonic() - begin < 10, told
        assert process.returncode != 0 and "Traceback" not in told
        assert processes_in(process.pid) == []
        found = states()
        assert len(found) == number + 1
        assert found[-1][0] == "CRASHED" and words in found[-1][1]
    assert FolderStore(tmp_path / "runs").runs(name) == []

    last = start()
    told = last.communicate(timeout=900)[0]
    assert last.returncode == 0, told
    assert "resumed after epoch" in told and "windows unchanged: " in " ".join(told.split())
    assert [kind for kind, _ in states()] == ["CRASHED"] * len(rounds) + ["COMPLETED"]
    (entry,) = FolderStore(tmp_path / "runs").runs(name)
    assert entry.manifest["training"]["epochs"] == EPOCHS
    assert list((tmp_path / "work" / "unfinished").iterdir()) == []
