"""A run goes on while Prefect's server is away: what the server misses, and what it is told later.

Progress and artifacts of that time are dropped, steps run without Prefect, and the end of the run waits
for the server, so that it hears the outcome.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import Task
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed
from websockets.exceptions import WebSocketException

from fastlstm.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

# How long the end of a run waits for the server, in seconds, unless this variable says otherwise.
PATIENCE_VARIABLE = "FASTLSTM_PREFECT_PATIENCE_SECONDS"
_PATIENCE_SECONDS = 600.0
_SECONDS_BETWEEN_LOOKS = 2.0
# How long nothing is sent after an attempt failed; twice that of an attempt that took longer.
_PAUSE_SECONDS = 5.0
# An answer to a look takes no longer from a server that works.
_SECONDS_TO_ANSWER = 5.0


def _patience() -> float:
    """How long the end of a run waits for the server, in seconds.

    Raises:
        ConfigError: the variable holds no such number.
    """
    given = os.environ.get(PATIENCE_VARIABLE)
    if given is None:
        return _PATIENCE_SECONDS
    if not given.isdecimal():
        raise ConfigError(f"{PATIENCE_VARIABLE}: is {given!r}; give a whole number of seconds")
    return float(given)


class _Outage:
    """What this process knows of an outage of the server.

    Attributes:
        since: when the server was found away, in seconds of the monotonic clock; None while it answers.
        again: when the next attempt may be made.
        patience: how long the end of a run waits for the server, in seconds.
        gave_up: whether the end of a run has waited for so long in vain.
        own: whether the server is this process' own.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self.patience = _patience()
        self.again = 0.0
        self.gave_up = self.own = False

    def begin(self, error: BaseException, took: float) -> None:
        """Note that a request failed; log the first one."""
        if self.since is None:
            self.since = time.monotonic()
            get_logger("fastlstm").warning(
                f"Prefect's server does not answer ({type(error).__name__}); this run goes on, without "
                "progress and artifacts until it answers again"
            )
        self.again = time.monotonic() + max(_PAUSE_SECONDS, 2 * took)

    def end(self) -> None:
        """Note that a request was answered; log it after an outage."""
        if self.since is not None:
            seconds = time.monotonic() - self.since
            get_logger("fastlstm").info(f"Prefect's server answers again, after {seconds:.0f} s")
        self.since, self.gave_up = None, False


_outage = _Outage()


class _WithoutLostEvents(logging.Filter):
    """Drops what Prefect logs of each event that it could not send, with a traceback each."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, OSError | httpx.TransportError | WebSocketException)


logging.getLogger("prefect._internal.concurrency").addFilter(_WithoutLostEvents())


def is_outage(error: BaseException) -> bool:
    """Whether a request failed because the server is away or broken, not because of what was sent."""
    if isinstance(error, ConcurrencySlotAcquisitionError):
        cause = error.__cause__
        return cause is not None and is_outage(cause)
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, httpx.TransportError)


def or_dropped(send: Callable[[], R], *, once: bool = False) -> R | None:
    """Send something to the server that a run can do without; None where it is away.

    Args:
        send: makes one request.
        once: whether Prefect shall not repeat the request, for about a minute, before it fails.
    """
    if _outage.since is not None and time.monotonic() < _outage.again:
        return None
    begin = time.monotonic()
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}) if once else nullcontext():
            answer = send()
    except (httpx.HTTPError, ConcurrencySlotAcquisitionError) as error:
        if not is_outage(error):
            raise
        _outage.begin(error, time.monotonic() - begin)
        return None
    _outage.end()
    return answer


@contextmanager
def lost_slots_released_later() -> Iterator[None]:
    """Within the block a slot is given back; without the server its lease ends by itself."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        _outage.begin(error, 0)


def _answers() -> bool:
    """Whether the server answers now."""
    settings = {"timeout": _SECONDS_TO_ANSWER}
    with get_client(httpx_settings=settings, sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        _outage.begin(error, 0)
        return False
    _outage.end()
    return True


def wait_for_server() -> bool:
    """After an outage, wait for some minutes until the server answers; whether it does."""
    if _outage.since is None:
        return True
    end = time.monotonic() + _outage.patience
    if not _answers() and _outage.patience:
        get_logger("fastlstm").warning(
            f"The run is over; for up to {_outage.patience:.0f} s it waits for Prefect's server"
        )
        while time.monotonic() < end and not _answers():
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    _outage.gave_up = _outage.since is not None
    return not _outage.gave_up


def gave_up() -> bool:
    """Whether the end of a run has waited for the server in vain."""
    return _outage.gave_up


def expect_no_return() -> None:
    """Do not wait at the end of a run: the server is this process' own, and nobody starts it again."""
    _outage.patience, _outage.own = 0.0, True


def own_server() -> bool:
    """Whether the server is this process' own, which ends with it."""
    return _outage.own


class PipelineStep(Task[P, R]):
    """A task that runs without Prefect where the server is away when it begins."""

    def __call__(self, *args: Any, return_state: bool = False, **kwargs: Any) -> Any:  # type: ignore[override]
        """Run the step; see ``prefect.Task``."""
        if _outage.since is None or _answers():
            try:
                run: Any = super().__call__
                return run(*args, return_state=return_state, **kwargs)
            except Exception as error:
                if not is_outage(error):
                    raise
                _outage.begin(error, 0)
        result = self.fn(*args, **kwargs)
        return Completed(data=result) if return_state else result
