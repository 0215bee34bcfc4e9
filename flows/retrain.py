"""The flow ``retrain``: from a table to a stored run, promoted if it earned it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import prefect.runtime
from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from fastlstm.steps import worker
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.combine_folds import combine_folds
from tasks.concurrency import AlreadyRunning, only_one
from tasks.evaluate import evaluate
from tasks.find_champion import find_champion
from tasks.load import load
from tasks.notify import ended, failed, flow_run_name, skipped
from tasks.plan_folds import plan_folds
from tasks.promote import promote
from tasks.references import Outcome
from tasks.report import report
from tasks.save import save
from tasks.scale import scale
from tasks.settings import PipelineConfig
from tasks.task_runners import run_folds
from tasks.train import train
from tasks.unchanged import unchanged
from tasks.validate import validate
from tasks.windows import windows

_DAY = 24 * 3600


@flow(
    name="retrain",
    flow_run_name=flow_run_name,
    timeout_seconds=_DAY,
    # A few hundred bytes; a state that is read back from a busy server has no result otherwise.
    persist_result=True,
    result_serializer="json",
)
def retrain(config: PipelineConfig, full: bool = False, reason: str = "") -> Any:
    """Load, validate, train, evaluate, store, and promote or keep.

    With the same data, settings and code as a finished run it ends at once, saying so. What earlier
    runs finished is used again where its inputs are the same.

    Args:
        config: All settings.
        full: Make everything anew: take nothing from earlier runs, and train even if nothing changed.
        reason: Why this run was started; shown in its report.

    Returns:
        A completed state that says the outcome; its result is an ``Outcome``. A failed state says
        what is wrong; a cancelled one that another run of the model is going on.
    """
    try:
        with only_one("retrain", config.model_name):
            return ended(_steps(absolute(config, Path.cwd()), full, reason))
    except AlreadyRunning as busy:
        return skipped(busy)
    except FastLSTMError as error:
        return failed(error)


def _steps(config: PipelineConfig, full: bool, reason: str) -> Outcome:
    source = check_source(config, full)
    if source.unchanged_run is not None:
        return unchanged(config, source)
    if not full:
        return _train_and_decide(config, source, reason)
    # Steps are known by the folder they write to, so in a folder of its own all are made anew.
    own = Path(config.work) / "full" / str(prefect.runtime.flow_run.id)
    try:
        return _train_and_decide(config.model_copy(update={"work": str(own)}), source, reason)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _train_and_decide(config: PipelineConfig, source: Any, reason: str) -> Outcome:
    worker.start_ahead()  # TensorFlow is imported beside the steps that prepare the data
    table = verified(load, config, source)
    clean = verified(validate, config, table)
    scaled = verified(scale, config, clean)
    dataset = verified(windows, config, scaled)
    champion = find_champion(config) if config.warm_start else None
    network = verified(train, config, dataset, champion)
    evaluation = verified(evaluate, config, network, dataset, scaled, clean)
    run = save(config, source, clean, scaled, network, evaluation)
    tested = None
    if config.backtest.decides:
        tested = combine_folds(config, clean, run_folds(config, clean, plan_folds(config, clean)))
    outcome = promote(config, run, clean, tested)
    report(config, outcome, reason)
    return outcome
