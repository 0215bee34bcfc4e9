"""Prefect's temporary server, started while the command line still imports what the flow needs.

Prefect starts one by itself where none is named, but only when the flow begins, and imports the whole
server into the flow's own process to do so; beside the imports it costs 5 seconds less on 2 cores.
Run as a program, this module is that server: ``python -m flows.temporary_server PORT``.
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


class TemporaryServer:
    """A server of this process alone, on loopback; it ends with the process, however that ends.

    Made before Prefect is imported, so that it is stopped after Prefect has sent it the last events.
    Where the settings name a server, or forbid a temporary one, it ends unused.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.environ.get("PREFECT_API_URL"):
            return  # a profile may name one too, which only Prefect knows
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "flows.temporary_server", str(self._port)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the flow, which then still tells the server
        )
        atexit.register(self._stop)

    def use(self) -> None:
        """Wait until it answers, and have Prefect use it; does nothing where Prefect has another.

        Raises:
            FastLSTMError: it did not start.
        """
        if self._process is None:
            return
        from prefect.context import refresh_global_settings_context
        from prefect.settings import get_current_settings

        if not _is_wanted():
            self._stop()
            return
        limit = get_current_settings().server.ephemeral.startup_timeout_seconds
        end = time.monotonic() + limit
        url = f"http://127.0.0.1:{self._port}/api"
        while not _answers(f"{url}/health"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise FastLSTMError(
                    "Prefect's temporary server did not start; run 'prefect server start' to see why, "
                    "and set PREFECT_API_URL to a server that runs"
                )
            time.sleep(0.05)
        os.environ["PREFECT_API_URL"] = url
        refresh_global_settings_context()

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


def _end_with_caller() -> None:
    # The caller holds the other end open; its end, even by kill -9, closes it.
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(port: int) -> None:
    if not _is_wanted():
        return
    import uvicorn
    from prefect.server.api.server import create_app

    # Without background services and pages, as Prefect's own temporary server.
    app = create_app(ephemeral=True, final=True)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
