"""The command line's own temporary Prefect server: it records all, and outlives nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.temporary_server import TemporaryServer

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import time
from flows.temporary_server import TemporaryServer
server = TemporaryServer()
from prefect import flow, task
@task
def one():
    pass
@flow
def small():
    one()
    print("running", server._process.pid, flush=True)
    time.sleep(600)
server.use()
small()
"""


def begun(home: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_API_")}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], cwd=_ROOT, text=True,
        stdout=subprocess.PIPE, env={**environment, "PREFECT_HOME": str(home)},
    )  # fmt: skip
    return process


def server_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("running"):
            return int(line.split()[1])
    raise AssertionError("the flow did not begin")


def is_gone(pid: int, seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.soak
def test_it_ends_with_its_process_even_by_kill(tmp_path):
    """That it records a flow, and ends with one that ends by itself, ``test_cli.py`` shows."""
    process = begun(tmp_path)
    server = server_of(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert is_gone(server)


def test_a_server_that_is_named_is_used(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    TemporaryServer().use()
    assert not started and os.environ["PREFECT_API_URL"] == "http://127.0.0.1:1/api"


def test_a_server_that_the_profile_names_is_used(prefect_server, monkeypatch):
    # The fixture names it in Prefect's settings, not in the environment, as a profile does.
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    server = TemporaryServer()
    assert server._process is not None
    server.use()
    assert server._process.poll() is not None and "PREFECT_API_URL" not in os.environ
