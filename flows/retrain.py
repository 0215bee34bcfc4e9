"""The flow ``retrain``: from a table to a stored run, promoted if it is better."""

from __future__ import annotations

import shutil
from typing import Any

import prefect.runtime
from prefect import flow

from fastlstm.steps import worker
from flows.model_steps import Running, train_and_decide
from flows.outcomes import DAY, final_state, flow_settings
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.plan_groups import plan_groups
from tasks.references import GroupsOutcome, Outcome, Source
from tasks.report import report
from tasks.report_groups import report_groups
from tasks.retrain_group import retrain_groups
from tasks.run_folds import run_folds
from tasks.settings import PipelineConfig
from tasks.split_groups import split_groups
from tasks.unchanged import unchanged
from tasks.work_place import local_work


@flow(**flow_settings("retrain", DAY))
def retrain(config: PipelineConfig, full: bool = False, reason: str = "") -> Any:
    """Load, validate, train, evaluate, store, and promote the run or keep the champion.

    If a run with the same data, settings and code exists, the flow ends at once and says so. Steps
    that an earlier run finished are used again where their inputs are the same.

    Args:
        config: All settings.
        full: Rebuild every step without using the cache, and train even if nothing changed.
        reason: Why this run was started; shown in its report.

    With ``models_by`` all this is done for each group of rows, on the engine; a group that fails stops
    no other, and only groups whose rows or settings changed are retrained.

    Returns:
        A completed state with the outcome; its result is an ``Outcome``, with ``models_by`` a
        ``GroupsOutcome``. A failed state with what is wrong; a cancelled one while another retraining
        of the model is running.
    """
    return final_state(
        config,
        lambda placed: _steps(placed, full, reason),
        only_one_of=("retrain", config.model_name),
    )


def _steps(config: PipelineConfig, full: bool, reason: str) -> Outcome | GroupsOutcome:
    config.check_overrides()
    source = check_source(config, full)
    if source.unchanged_run is not None:
        return unchanged(config, source)
    if not full:
        return _retrain(config, source, [], reason)
    # Outputs are looked up by their folder, so in a work folder of its own every step is rebuilt.
    own = local_work(config.work) / "full" / str(prefect.runtime.flow_run.id)
    try:
        placed = config.model_copy(update={"work": str(own)})
        return _retrain(placed, source, [str(prefect.runtime.flow_run.id)], reason)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _retrain(
    config: PipelineConfig, source: Source, again: list[str], reason: str
) -> Outcome | GroupsOutcome:
    """Retrain one model, or the models of all groups.

    Args:
        config: all settings.
        source: the rows.
        again: what makes a full retraining differ from any before; empty for one that is not.
        reason: why it was started.
    """
    if config.models_by:
        return _retrain_groups(config, source, again, reason)
    return _train_and_decide(config, source, reason)


def _train_and_decide(config: PipelineConfig, source: Source, reason: str) -> Outcome:
    worker.start_ahead()  # TensorFlow is imported while the steps prepare the data
    outcome = train_and_decide(config, source, Running(verified, _run, run_folds))
    report(config, outcome, reason)
    return outcome


def _run(task: Any, *arguments: Any) -> Any:
    return task(*arguments)


def _retrain_groups(
    config: PipelineConfig, source: Source, again: list[str], reason: str
) -> GroupsOutcome:
    plan = plan_groups(config, verified(split_groups, config, source), source.joined, again)
    return report_groups(config, source, plan, retrain_groups(config, plan), reason)
