"""The flow ``tune``: a search for hyperparameters, judged by validation alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.begin_search import begin_search
from tasks.best_trial import best_trial
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.concurrency import AlreadyRunning, only_one
from tasks.load import load
from tasks.notify import ended, failed, flow_run_name, skipped
from tasks.settings import PipelineConfig
from tasks.trial import trial
from tasks.validate import validate

_WEEK = 7 * 24 * 3600


@flow(
    name="tune",
    flow_run_name=flow_run_name,
    timeout_seconds=_WEEK,
    # A few hundred bytes; a state that is read back from a busy server has no result otherwise.
    persist_result=True,
    result_serializer="json",
)
def tune(config: PipelineConfig) -> Any:
    """Search the declared ranges for the hyperparameters that validate best.

    Test rows are never looked at, nothing is stored as a run and nothing promoted. A search that was
    cut off goes on where it was.

    Args:
        config: All settings; those of ``tune`` say what is searched.

    Returns:
        A completed state that says the best settings; its result is a ``TuneOutcome``.
    """
    placed = absolute(config, Path.cwd())
    try:
        with only_one("tune", placed.model_name):
            source = check_source(placed, full=True)
            clean = verified(validate, placed, verified(load, placed, source))
            study = begin_search(placed, clean)
            for _ in range(study.left):
                trial(placed, clean, study)
            return ended(best_trial(placed, study))
    except AlreadyRunning as busy:
        return skipped(busy)
    except FastLSTMError as error:
        return failed(error)
