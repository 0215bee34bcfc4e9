"""A Prefect server on loopback that runs for as long as a process uses it.

``local_server`` starts one with its database in a folder, or finds the one that another process has
started there. Every user holds a shared lock on a file of the folder; a killed process loses it too.
Run as a program, ``python -m deployments.local_server FOLDER PORT``, this module is the server, which
ends once it can lock the file for itself.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_START_LIMIT = 600.0
_STOP_LIMIT = 20.0
_USERS, _STARTING, _ADDRESS, _LOG = "users.lock", "starting.lock", "server.json", "server.log"
_DAYS = 86_400
# Events that repeat what runs, states and artifacts keep for thirty days; Prefect keeps others, of
# failures among them, for seven days. Nothing reads them later but the page of events.
_REPEATED_EVENTS = (
    *(f"prefect.task-run.{state}" for state in ("Pending", "Running", "Completed", "Cached")),
    *(f"prefect.flow-run.{state}" for state in ("Scheduled", "Pending", "Running", "heartbeat")),
    *(f"prefect.artifact.{change}" for change in ("created", "updated")),
    *(f"prefect.artifact-collection.{change}" for change in ("created", "updated")),
)
# What the server is told unless the user's environment says otherwise.
_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Prefect deletes old events by itself, but old runs with their logs and artifacts only if asked.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * _DAYS),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(
        dict.fromkeys(_REPEATED_EVENTS, _DAYS)
    ),
}


@contextmanager
def local_server(home: Path, port: int) -> Iterator[dict[str, str]]:
    """A Prefect server on loopback with its database in a folder.

    Args:
        home: the folder; one server runs for it, whichever process has started it.
        port: where a new server listens.

    Yields:
        Environment variables by which other processes find it.

    Raises:
        OSError: the port is in use by something else.
        TimeoutError: the server does not answer, or one before it does not end.
    """
    home.mkdir(parents=True, exist_ok=True)
    started: subprocess.Popen[bytes] | None = None
    with (home / _USERS).open("a") as users:
        _lock_as_user(users)
        try:
            with (home / _STARTING).open("a") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)  # another process may start it at this moment
                address = _address(home)
                if address is None:
                    started, address = _start(home, port)
            yield _environment(home, address)
        finally:
            if started is not None and _is_last_user(users):
                _stop(started)


def _lock_as_user(users: IO[str]) -> None:
    """Hold the shared lock; a server that is ending holds the file for itself."""
    deadline = time.monotonic() + 2 * _STOP_LIMIT
    while not _locked(users, fcntl.LOCK_SH):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{users.name} is locked by a server that does not end")
        time.sleep(0.2)


def _is_last_user(users: IO[str]) -> bool:
    """Whether nobody else uses the server; no new user comes then until the file is closed."""
    return _locked(users, fcntl.LOCK_EX)


def _locked(file: IO[str], kind: int) -> bool:
    """Whether a file could be locked at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _environment(home: Path, address: str) -> dict[str, str]:
    given = {name: os.environ.get(name, value) for name, value in _DEFAULTS.items()}
    return {**given, "PREFECT_HOME": str(home), "PREFECT_API_URL": f"{address}/api"}


def _address(home: Path) -> str | None:
    """Address of the server that runs for a folder; None where there is none."""
    try:
        address = str(json.loads((home / _ADDRESS).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if _answers(address) else None


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=5):  # noqa: S310 (our own)
            return True
    except (urllib.error.URLError, OSError):
        return False


def _start(home: Path, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server and wait until it answers."""
    address = f"http://127.0.0.1:{port}"
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            found = (
                f"by another Prefect server; use that one with PREFECT_API_URL={address}/api, or"
                if _answers(address)
                else "by another program;"
            )
            raise OSError(errno.EADDRINUSE, f"port {port} is in use {found} choose one with --port")
    with (home / _LOG).open("w") as log:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "deployments.local_server", str(home), str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, **_environment(home, address)},
            # Ctrl-C reaches only this process, which stops the server after everything else.
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_LIMIT
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            _stop(process)
            tail = (home / _LOG).read_text(errors="replace")[-2000:]
            raise TimeoutError(f"the Prefect server did not start: {tail}")
        time.sleep(0.3)
    (home / _ADDRESS).write_text(json.dumps({"address": address}), encoding="utf-8")
    return process, address


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and its processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_without_users(home: Path) -> None:
    """Wait until no process uses the server, then end it."""
    with (home / _USERS).open("a") as users:
        while not _is_last_user(users):
            time.sleep(0.5)
        os.killpg(0, signal.SIGTERM)
        time.sleep(_STOP_LIMIT)
        os.killpg(0, signal.SIGKILL)


def _serve(home: Path, port: int) -> None:
    """Be the server."""
    threading.Thread(target=_end_without_users, args=(home,), daemon=True).start()
    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
