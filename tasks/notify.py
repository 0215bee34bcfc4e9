"""Messages of the steps: to Prefect's log, to subscribers in this process, and as final states."""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

import httpx
import prefect.runtime
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from fastlstm.errors import DataError, FastLSTMError
from fastlstm.escaping import one_line, visible


class Subscriber(Protocol):
    """Receives the messages of flows that run in its process, such as the command line."""

    def stage(self, step: str, message: str) -> None:
        """A step ended; ``message`` says in one line what it did."""

    def progress(self, event: dict[str, Any]) -> None:
        """An event of a training; see ``fastlstm.training.fit.fit``."""


# Letters of an outcome behind the name of a flow run.
_HEADLINE = 48

_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Send ``subscriber`` the messages of every flow that runs in this process from now on."""
    _subscribers.append(subscriber)


# Where messages of steps go that Prefect does not run.
_relay: ContextVar[Callable[[dict[str, Any]], None] | None] = ContextVar("relay", default=None)


@contextmanager
def relayed(send: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Within the block Prefect does not run the steps, and their messages go to ``send``."""
    token = _relay.set(send)
    try:
        yield
    finally:
        _relay.reset(token)


def is_relayed() -> bool:
    """Whether Prefect does not run the steps at this moment."""
    return _relay.get() is not None


def notify(step: str, message: str) -> None:
    """Log in one line what a step did, and send it to the subscribers."""
    message = one_line(message)
    send = _relay.get()
    if send is not None:
        send({"event": "stage", "step": step, "message": message})
        return
    # A step whose output came from the cache has no task run that would name it in the log.
    own = prefect.runtime.task_run.id is not None
    get_run_logger().info(message if own else f"{step}: {message}")
    for subscriber in _subscribers:
        subscriber.stage(step, message)


def with_warnings(message: str, warnings: list[str]) -> str:
    """A message for a flow's state, and the first of some warnings."""
    if not warnings:
        return message
    more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
    return f"{message}; warning: {warnings[0]}{more}"


def run_name(step: str, model_name: str) -> str:
    """A run's name, e.g. ``train · weather · 2026-11-24 03:00`` (UTC)."""
    moment = prefect.runtime.flow_run.scheduled_start_time
    return f"{step} · {model_name} · {moment:%Y-%m-%d %H:%M}"


def task_run_name() -> str:
    """Name of the task run that is about to start."""
    config = prefect.runtime.task_run.parameters["config"]
    return run_name(prefect.runtime.task_run.task_name, config.model_name)


def flow_run_name() -> str:
    """Name of the flow run that is about to start; its settings may still be plain JSON."""
    config: Any = prefect.runtime.flow_run.parameters["config"]
    flow = prefect.runtime.flow_run.flow_name or "run"
    if isinstance(config, dict):
        found = config.get("model_name") or config.get("hyperparameters", {}).get("model_name")
        return run_name(flow, found or "LSTM")
    return run_name(flow, config.model_name)


def headline(message: str) -> str:
    """The first words of an outcome's message, short enough for a list of runs."""
    words = re.split(r"[:;,] ", message, maxsplit=1)[0]
    return textwrap.shorten(words, _HEADLINE, placeholder=" …")


def name_by_outcome(message: str) -> None:
    """Put an outcome behind the name of the flow run, which lists of runs and artifacts show.

    Nothing happens outside a flow run. A name that the server does not take is only logged.

    Args:
        message: of the final state.
    """
    run, name = prefect.runtime.flow_run.id, prefect.runtime.flow_run.name
    words = headline(message)
    if run is None or name is None or name.endswith(f" · {words}"):
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(run), name=f"{name} · {words}")
    except (httpx.HTTPError, RuntimeError) as error:
        get_run_logger().warning(f"the run keeps its name without the outcome: {error}")


def notify_progress(event: dict[str, Any]) -> None:
    """Send an event of a training to the subscribers."""
    for subscriber in _subscribers:
        subscriber.progress(event)


def ended(outcome: Any) -> Any:
    """The completed state of a flow, with the outcome's message."""
    return Completed(message=one_line(outcome.message), data=outcome)


def failed(error: FastLSTMError) -> Any:
    """The failed state of a flow, with an error that a person can correct, in one sentence."""
    text = str(error)
    if isinstance(error, DataError) and not text.lower().startswith("data refused"):
        text = f"data refused: {text}"
    if text.split(" ", 1)[0].isalpha():  # a word, and not the name of a file or setting
        text = text[:1].upper() + text[1:]
    return Failed(message=visible(text), data=error)


def skipped(reason: Exception) -> Any:
    """The state 'Skipped' of a flow that did not run because another one was running.

    It is a kind of completed: a cancelled run is logged as an error, with a traceback.
    """
    return Completed(name="Skipped", message=one_line(str(reason)))


class _WithoutExpectedErrors(logging.Filter):
    """Drops log records of errors that a state explains, so that no traceback repeats them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, FastLSTMError)


for _logger in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_logger).addFilter(_WithoutExpectedErrors())
