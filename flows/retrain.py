"""The flow ``retrain``: from a table to a stored run, promoted if it is better."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import prefect.runtime
from prefect import flow

from fastlstm.steps import worker
from flows.outcomes import DAY, final_state, flow_settings
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.combine_folds import combine_folds
from tasks.evaluate import evaluate
from tasks.find_champion import find_champion
from tasks.load import load, with_calendar
from tasks.plan_folds import plan_folds
from tasks.promote import promote, with_left_out
from tasks.references import Outcome
from tasks.refit import refit
from tasks.report import report
from tasks.run_folds import run_folds
from tasks.save import save
from tasks.scale import scale
from tasks.settings import PipelineConfig
from tasks.train import train
from tasks.unchanged import unchanged
from tasks.validate import validate
from tasks.windows import windows


@flow(**flow_settings("retrain", DAY))
def retrain(config: PipelineConfig, full: bool = False, reason: str = "") -> Any:
    """Load, validate, train, evaluate, store, and promote the run or keep the champion.

    If a run with the same data, settings and code exists, the flow ends at once and says so. Steps
    that an earlier run finished are used again where their inputs are the same.

    Args:
        config: All settings.
        full: Rebuild every step without using the cache, and train even if nothing changed.
        reason: Why this run was started; shown in its report.

    Returns:
        A completed state with the outcome; its result is an ``Outcome``. A failed state with what is
        wrong; a cancelled one while another retraining of the model is running.
    """
    return final_state(
        config,
        lambda placed: _steps(placed, full, reason),
        only_one_of=("retrain", config.model_name),
    )


def _steps(config: PipelineConfig, full: bool, reason: str) -> Outcome:
    source = check_source(config, full)
    if source.unchanged_run is not None:
        return unchanged(config, source)
    if not full:
        return _train_and_decide(config, source, reason)
    # Outputs are looked up by their folder, so in a work folder of its own every step is rebuilt.
    own = Path(config.work) / "full" / str(prefect.runtime.flow_run.id)
    try:
        return _train_and_decide(config.model_copy(update={"work": str(own)}), source, reason)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _train_and_decide(config: PipelineConfig, source: Any, reason: str) -> Outcome:
    worker.start_ahead()  # TensorFlow is imported while the steps prepare the data
    table = verified(load, config, source)
    config = with_calendar(config, table)
    clean = verified(validate, config, table)
    scaled = verified(scale, config, clean)
    dataset = verified(windows, config, scaled)
    champion = find_champion(config) if config.warm_start else None
    network = verified(train, config, dataset, champion)
    evaluation = verified(evaluate, config, network, dataset, scaled, clean)
    served = None
    if config.hyperparameters.refit == "all":
        served = verified(refit, config, network, dataset, evaluation)
    run = save(config, source, clean, scaled, network, evaluation, served)
    tested = None
    if config.backtest.decides:
        tested = combine_folds(config, clean, run_folds(config, clean, plan_folds(config, clean)))
    outcome = with_left_out(promote(config, run, clean, tested), clean)
    report(config, outcome, reason)
    return outcome
