"""What a step says: to Prefect's log of the run, and to whoever started the flow in this process."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import prefect.runtime
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from fastlstm.errors import DataError, FastLSTMError


class Listener(Protocol):
    """Someone who follows a flow in the process it runs in, such as the command line."""

    def stage(self, step: str, message: str) -> None:
        """A step ended and says what it did."""

    def progress(self, event: dict[str, Any]) -> None:
        """Training went on; see ``fastlstm.training.fit.fit``."""


_listeners: list[Listener] = []


def subscribe(listener: Listener) -> None:
    """Tell ``listener`` of every flow run in this process from now on."""
    _listeners.append(listener)


def notify(step: str, message: str) -> None:
    """Tell in one line what a step did."""
    # A step that was taken from the cache did not run, so the log has no name beside the line.
    own = prefect.runtime.task_run.id is not None
    get_run_logger().info(message if own else f"{step}: {message}")
    for listener in _listeners:
        listener.stage(step, message)


def run_name(step: str, model_name: str) -> str:
    """A run's name for people, e.g. ``train · weather · 2026-11-24 03:00`` (UTC)."""
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


def notify_progress(event: dict[str, Any]) -> None:
    """Tell listeners how far training is."""
    for listener in _listeners:
        listener.progress(event)


def ended(outcome: Any) -> Any:
    """The state of a flow that came to an outcome, saying it."""
    return Completed(message=outcome.message, data=outcome)


def failed(error: FastLSTMError) -> Any:
    """The state of a flow that met an error a person can act on, saying it in one sentence."""
    text = str(error)
    if isinstance(error, DataError) and not text.lower().startswith("data refused"):
        text = f"data refused: {text}"
    if text.split(" ", 1)[0].isalpha():  # a word, and not the name of a file or setting
        text = text[:1].upper() + text[1:]
    return Failed(message=text, data=error)


def skipped(reason: Exception) -> Any:
    """The state of a flow that had no turn."""
    return Cancelled(message=str(reason))


class _SaidOnce(logging.Filter):
    """An error meant for people is told by the state it ends in, without a traceback above it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, FastLSTMError)


for _logger in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_logger).addFilter(_SaidOnce())
