"""The flow ``predict``: the champion's forecasts for the newest rows, appended where they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.append import append
from tasks.choose_run import choose_run
from tasks.concurrency import AlreadyRunning, only_one
from tasks.fetch_rows import fetch_rows
from tasks.forecast import forecast
from tasks.notify import ended, failed, flow_run_name, skipped
from tasks.settings import ScoringConfig

_HOUR = 3600


@flow(
    name="predict",
    flow_run_name=flow_run_name,
    timeout_seconds=_HOUR,
    # A few hundred bytes; a state that is read back from a busy server has no result otherwise.
    persist_result=True,
    result_serializer="json",
)
def predict(config: ScoringConfig) -> Any:
    """Forecast what follows the latest window of each series, and append it.

    Args:
        config: All settings.

    Returns:
        A completed state that says how many series were scored and skipped; its result is a
        ``ScoringOutcome``. A failed state says what is wrong.
    """
    try:
        with only_one("predict", config.model_name):
            placed = absolute(config, Path.cwd())
            run = choose_run(placed)
            scored = forecast(placed, run, fetch_rows(placed))
            return ended(append(placed, scored))
    except AlreadyRunning as busy:
        return skipped(busy)
    except FastLSTMError as error:
        return failed(error)
