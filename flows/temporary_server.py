"""A temporary Prefect server that starts while the command line imports what the flow needs.

Prefect starts one by itself if none is configured, but only when the flow begins, and it imports the
whole server into the flow's process first. Run as a program, this module is that server:
``python -m flows.temporary_server SOCKET``, where SOCKET is the number of an inherited socket, so that
no other program can take its port in between.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from fastlstm.errors import FastLSTMError

_SECONDS_TO_STOP = 5
# A first start creates the database: 25 s of a processor, which on a busy machine are minutes (Prefect's
# own limit is 20 s). A server that failed has ended, which is seen at once.
_SECONDS_TO_START = 600


class TemporaryServer:
    """A server for this process alone, on loopback; it ends with the process, even by a kill.

    Create it before Prefect is imported: then it is stopped after Prefect has sent the last events.
    If Prefect's settings name a server, or forbid a temporary one, it ends unused.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.environ.get("PREFECT_API_URL"):
            return  # a profile may name one too; Prefect reads it later, see use()
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            self._port = bound.getsockname()[1]
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-m", "flows.temporary_server", str(bound.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[bound.fileno()],
                # Ctrl-C then reaches only the flow, which still sends its last state to the server.
                start_new_session=True,
            )
        atexit.register(self._stop)

    @property
    def starts(self) -> bool:
        """Whether a server was started."""
        return self._process is not None

    def use(self) -> bool:
        """Wait until it answers, and set it as Prefect's server, unless another one is configured.

        Returns:
            Whether it is Prefect's server.

        Raises:
            FastLSTMError: it did not start.
        """
        if self._process is None:
            return False
        from prefect.context import refresh_global_settings_context

        if not _is_wanted():
            self._stop()
            return False
        limit = _seconds_to_start()
        end = time.monotonic() + limit
        url = f"http://127.0.0.1:{self._port}/api"
        while not _answers(f"{url}/health"):
            ended = self._process.poll()
            if ended is not None or time.monotonic() > end:
                found = (
                    f"does not answer after {limit} s" if ended is None else f"ended with {ended}"
                )
                raise FastLSTMError(
                    f"Prefect's temporary server {found}; run 'prefect server start' to see why and set "
                    "PREFECT_API_URL to a server that runs, or give a slow machine more time by "
                    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"
                )
            time.sleep(0.05)
        os.environ["PREFECT_API_URL"] = url
        refresh_global_settings_context()
        return True

    def _stop(self) -> None:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101 (a pipe)
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()


def _answers(url: str) -> bool:
    """Whether an HTTP request is answered with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own http address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_wanted() -> bool:
    """Whether Prefect's settings name no server and allow a temporary one."""
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    return not settings.api.url and bool(settings.server.ephemeral.enabled)


def _seconds_to_start() -> int:
    """The limit that the user set, else ours."""
    from prefect.settings import get_current_settings

    ephemeral = get_current_settings().server.ephemeral
    if "startup_timeout_seconds" in ephemeral.model_fields_set:
        return ephemeral.startup_timeout_seconds
    return _SECONDS_TO_START


def _end_with_caller() -> None:
    """Wait until the caller has ended, then end this process."""
    # The caller holds the other end of the pipe open; when it ends, even by kill -9, it closes.
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(bound: socket.socket) -> None:
    """Serve Prefect's API on a socket until the caller ends."""
    if not _is_wanted():
        return
    import uvicorn
    from prefect.server.api.server import create_app

    # Without background services and web pages, like Prefect's own temporary server.
    app = create_app(ephemeral=True, final=True)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")).run(sockets=[bound])


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
