"""One Prefect server for a data folder, which lives as long as a process uses it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from deployments import local_server as module
from deployments import serve
from deployments.local_s3 import free_ports
from tests.conftest import ROOT, build_settings


def refused(*_):
    raise AssertionError("a second server was started")


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A folder in which a server runs, as far as its file says."""
    (tmp_path / "server.json").write_text(json.dumps({"address": "http://127.0.0.1:4300"}))
    monkeypatch.setattr(module, "_answers", lambda address: address == "http://127.0.0.1:4300")
    monkeypatch.setattr(module, "_start", refused)
    return tmp_path


def test_a_second_start_finds_the_first(running):
    with module.local_server(running, 4200) as first, module.local_server(running, 4200) as found:
        assert found == first and found["PREFECT_API_URL"] == "http://127.0.0.1:4300/api"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": "http://127.0.0.1:1"}'])
def test_a_server_that_has_gone_is_not_found(running, text):
    (running / "server.json").write_text(text)
    with pytest.raises(AssertionError), module.local_server(running, 4200):
        pass


def test_the_server_ends_with_its_last_user(running, monkeypatch):
    ended = []
    monkeypatch.setattr(module.os, "killpg", lambda _, number: ended.append(number))
    monkeypatch.setattr(module, "_STOP_LIMIT", 0.0)
    with module.local_server(running, 4200), module.local_server(running, 4200):
        watch = threading.Thread(target=module._end_without_users, args=(running,))
        watch.start()
        time.sleep(0.6)
        assert ended == []
    watch.join(5)
    assert ended == [signal.SIGTERM, signal.SIGKILL]


def test_a_port_in_use_is_refused_with_what_to_do(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for answers, advice in ((False, "choose one with --port"), (True, "PREFECT_API_URL=http")):
            monkeypatch.setattr(module, "_answers", lambda _, known=answers: known)
            with pytest.raises(OSError, match=advice), module.local_server(tmp_path, port):
                pass


def test_data_does_not_lie_in_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "a work"
    data = serve.data_folder(str(work))
    assert data == tmp_path / "fastlstm-data" == serve.data_folder("s3://bucket/work")
    serve._refuse_data_in_work(data, str(work))
    for name in ("prefect", "forecasts"):
        (work / name).mkdir(parents=True)
    with pytest.raises(SystemExit) as error:
        serve._refuse_data_in_work(data, str(work))
    subprocess.run(str(error.value).rpartition("again: ")[2], shell=True, check=True)
    serve._refuse_data_in_work(data, str(work))
    assert {path.name for path in data.iterdir()} == {"prefect", "forecasts"}


def test_a_model_is_served_once(tmp_path):
    with (
        serve._only_server_of("sales", tmp_path),
        serve._only_server_of("other", tmp_path),
        pytest.raises(SystemExit, match=f"'sales' is served already by process {os.getpid()}"),
        serve._only_server_of("sales", tmp_path),
    ):
        pass
    with serve._only_server_of("sales", tmp_path):
        pass


@pytest.mark.soak
def test_a_killed_serve_leaves_no_server(tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(build_settings(tmp_path)))
    (port,) = free_ports(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PREFECT_API_URL", None)
    serving = subprocess.Popen(
        [sys.executable, "-m", "deployments.serve", str(config), "--port", str(port)],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert serving.stdout.readline().startswith(f"Prefect: http://127.0.0.1:{port}/")
        data = Path(serving.stdout.readline().partition(": ")[2].strip())
        assert data == tmp_path / "fastlstm-data"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=30):
            pass
    finally:
        serving.kill()
        serving.wait()
    deadline = time.monotonic() + 900
    while module._answers(f"http://127.0.0.1:{port}"):
        assert time.monotonic() < deadline, "the server runs on"
        time.sleep(0.5)
    with (data / "prefect" / "users.lock").open() as users:
        while not module._locked(users, fcntl.LOCK_EX):  # the server's process has ended too
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert (data / "prefect" / "prefect.db").stat().st_size


def test_events_that_repeat_records_are_kept_for_a_day(running, monkeypatch):
    """Prefect reads the setting, and keeps all other events for seven days."""
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    for name, value in module._DEFAULTS.items():
        monkeypatch.setenv(name, value)
    kept = ServerServicesDBVacuumSettings().event_retention_overrides
    assert {*kept.values()} == {timedelta(days=1)}
    assert {"prefect.task-run.Running", "prefect.artifact-collection.updated"} <= {*kept}
    assert not any(name.endswith(("Failed", "Crashed", "Retrying", "Late")) for name in kept)
