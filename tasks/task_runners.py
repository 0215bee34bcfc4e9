"""Run the folds of a backtest in parallel: with threads, Dask or Ray."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fastlstm.errors import ConfigError
from tasks.caching import verified
from tasks.evaluate_folds import evaluate_folds
from tasks.references import StepOutput
from tasks.settings import PipelineConfig


def run_folds(config: PipelineConfig, clean: StepOutput, count: int) -> list[StepOutput]:
    """Run every group of folds, in parallel or, with a warm start, one after the other.

    Raises:
        ConfigError: the package of the chosen task runner is not installed, or its cluster cannot be
            reached.
    """
    if config.backtest.warm_start:
        outputs: list[StepOutput] = []
        for part in range(count):
            before = outputs[-1] if outputs else None
            outputs.append(verified(evaluate_folds, config, clean, part, before))
        return outputs
    with ExitStack() as running:
        try:
            runner = running.enter_context(_runner(config))
            futures = [
                runner.submit(
                    evaluate_folds, {"config": config, "clean": clean, "part": part, "before": None}
                )
                for part in range(count)
            ]
        except OSError as error:  # the first submission connects
            if config.backtest.cluster is None:
                raise
            hint = ", or set RAY_AUTH_MODE=token where it asks for its token"
            raise ConfigError(
                f"backtest.cluster: {config.backtest.cluster} cannot be reached ({error}); start the "
                f"cluster, or correct its address{hint if config.backtest.task_runner == 'ray' else ''}"
            ) from None
        found = [future.result() for future in futures]
    # An output from the cache may be gone or damaged; see ``tasks.caching.verified``.
    return [
        output if output.is_intact() else verified(evaluate_folds, config, clean, part)
        for part, output in enumerate(found)
    ]


def _runner(config: PipelineConfig) -> TaskRunner[Any]:
    chosen = config.backtest.task_runner
    if chosen == "threads":
        return ThreadPoolTaskRunner(max_workers=config.backtest.parallel)
    try:
        if chosen == "dask":
            from prefect_dask import DaskTaskRunner as Runner
        else:
            from prefect_ray import RayTaskRunner as Runner
    except ImportError:
        raise ConfigError(
            f'backtest.task_runner: {chosen!r} needs prefect-{chosen}; run "pip install '
            f"prefect-{chosen}\" wherever the flow runs, or choose 'threads'"
        ) from None
    runner: TaskRunner[Any] = Runner(address=config.backtest.cluster)
    return runner
