"""What a step says: to Prefect's log of the run, and to whoever started the flow in this process."""

from __future__ import annotations

from typing import Any, Protocol

import prefect.runtime
from prefect.logging import get_run_logger


class Listener(Protocol):
    """Someone who follows a flow in the process it runs in, such as the command line."""

    def stage(self, step: str, message: str) -> None:
        """A step ended and says what it did."""

    def progress(self, event: dict[str, Any]) -> None:
        """Training went on; see ``fastlstm.training.fit``."""


_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Tell ``listener`` of every flow run in this process from now on."""
    _listeners.append(listener)


def say(step: str, message: str) -> None:
    """Tell in one line what a step did."""
    get_run_logger().info(message)
    for listener in _listeners:
        listener.stage(step, message)


def training_progress(event: dict[str, Any]) -> None:
    """Tell of an epoch, and listeners of parts of it."""
    if event["event"] == "epoch":
        get_run_logger().info(
            "epoch %d of %d: loss %.4g, val_loss %.4g",
            event["epoch"], event["epochs"], event["loss"], event["val_loss"],
        )  # fmt: skip
    for listener in _listeners:
        listener.progress(event)


def run_name(step: str, model_name: str) -> str:
    """A run's name for people, e.g. ``train · weather · 2026-11-24 03:00`` (UTC)."""
    moment = prefect.runtime.flow_run.scheduled_start_time
    return f"{step} · {model_name} · {moment:%Y-%m-%d %H:%M}"


def task_run_name() -> str:
    """Name of the task run that is about to start."""
    config = prefect.runtime.task_run.parameters["config"]
    return run_name(prefect.runtime.task_run.task_name, config.hyperparameters.model_name)
