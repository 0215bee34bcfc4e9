"""The step that runs all steps of one group's model on a worker."""

from __future__ import annotations

from typing import Any

from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner

from fastlstm.config.execution import ExecutionConfig
from fastlstm.errors import EngineError, first_line
from tasks.engine import engine_of
from tasks.notify import notify
from tasks.references import GroupOutcome, GroupPlan, GroupWork, Outcome, Source
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step

# The worker's side; it chains the steps that a retraining of one model has.
_FUNCTION, _PREPARE = "flows.group:retrain_group", "flows.group:prepare"


@pipeline_step("retrain group")
def retrain_group(config: PipelineConfig, work: GroupWork) -> Outcome:
    """Retrain the model of one group on a worker, and decide on its promotion there.

    Args:
        config: the settings of the group, and the engine.
        work: its rows.
    """
    source = Source(
        data_sha256=work.data_sha256, path=work.path, joined=work.joined,
        run_fingerprint=work.run_fingerprint,
    )  # fmt: skip
    # Its own parts, the folds of a backtest for example, run one after the other on the worker.
    alone = ExecutionConfig(workers=1, threads_per_worker=config.execution.threads_per_worker)
    settings = config.model_copy(update={"execution": alone})
    logger = get_run_logger()
    found = engine_of(config).call(
        _FUNCTION,
        {"config": settings.model_dump(), "source": source.model_dump()},
        lambda event: logger.info(f"{event['step']}: {event['message']}"),
        prepare=_PREPARE,
    )
    return Outcome.model_validate(found)


def retrain_groups(config: PipelineConfig, plan: GroupPlan) -> list[GroupOutcome]:
    """Retrain every group that changed, as many at a time as the engine has workers; one more waits.

    A group that fails stops no other.

    Raises:
        EngineError: the engine is gone; groups that are finished are found by the next run.
    """
    changed = [work for work in plan.groups if not work.unchanged]
    found = {work.name: _unchanged(work) for work in plan.groups if work.unchanged}
    if changed:
        # One more than can run, so that no worker waits while Prefect records the end of a task.
        tasks = min(engine_of(config).slots + 1, len(changed))
        runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=tasks)
        with runner:
            futures = [
                (work, runner.submit(retrain_group, {
                    "config": config.of_group(work.name, work.path, work.settings), "work": work,
                }))
                for work in changed
            ]  # fmt: skip
            for number, (work, future) in enumerate(futures, start=1):
                found[work.name] = _outcome(work, future)
                notify(
                    "retrain group",
                    f"{number} of {len(changed)}, {work.name}: {found[work.name].message}",
                )
    refused = [
        GroupOutcome(
            name=name, status="refused",
            message=f"has {rows:,} rows, fewer than groups.minimum_rows, {plan.minimum_rows:,}",
        )
        for name, rows in plan.refused.items()
    ]  # fmt: skip
    return [*(found[work.name] for work in plan.groups), *refused]


def _unchanged(work: GroupWork) -> GroupOutcome:
    return GroupOutcome(
        name=work.name, status="unchanged", message="the same rows and settings as before"
    )


def _outcome(work: GroupWork, future: PrefectFuture[Outcome]) -> GroupOutcome:
    """How a group ended.

    Raises:
        EngineError: the engine is gone.
    """
    result: Any = future.result(raise_on_failure=False)
    if isinstance(result, EngineError):
        raise result
    if isinstance(result, Outcome):
        kind = result.message.partition(":")[0]
        status: Any = {"Promoted": "promoted", "Kept champion": "kept"}.get(kind, "not promoted")
        return GroupOutcome(name=work.name, status=status, message=result.message)
    message = first_line(result) if isinstance(result, Exception) else str(result)
    return GroupOutcome(name=work.name, status="failed", message=message)
