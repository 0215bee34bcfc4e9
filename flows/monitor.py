"""The flow ``monitor``: live error and input drift, and an event where they are too large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.check_health import check_health
from tasks.notify import ended, failed, flow_run_name
from tasks.report_degraded import report_degraded
from tasks.settings import MonitorConfig

_HOUR = 3600


@flow(
    name="monitor",
    flow_run_name=flow_run_name,
    timeout_seconds=_HOUR,
    # A few hundred bytes; a state that is read back from a busy server has no result otherwise.
    persist_result=True,
    result_serializer="json",
)
def monitor(config: MonitorConfig) -> Any:
    """Compare live forecasts with what came, and their inputs with the training data.

    Over a threshold the event ``fastlstm.model.degraded`` is emitted, which a retraining deployment
    may be triggered by.

    Args:
        config: All settings.

    Returns:
        A completed state that says what was found; its result is a ``Health``.
    """
    try:
        placed = absolute(config, Path.cwd())
        health = check_health(placed)
        if health.degraded:
            report_degraded(placed, health)
        return ended(health)
    except FastLSTMError as error:
        return failed(error)
