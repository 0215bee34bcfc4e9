"""Run the folds of a backtest, several at a time."""

from __future__ import annotations

from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from tasks.caching import verified
from tasks.engine import engine_of
from tasks.evaluate_folds import evaluate_folds
from tasks.references import StepOutput
from tasks.settings import PipelineConfig


def run_folds(config: PipelineConfig, clean: StepOutput, count: int) -> list[StepOutput]:
    """Run every group of folds on the engine, or, with a warm start, one after the other.

    Raises:
        ConfigError: the engine cannot be used; see ``tasks.engine.engine_of``.
    """
    slots = engine_of(config).slots
    if config.backtest.warm_start:
        outputs: list[StepOutput] = []
        for part in range(count):
            before = outputs[-1] if outputs else None
            outputs.append(verified(evaluate_folds, config, clean, part, before))
        return outputs
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=min(slots, count))
    with runner:
        futures = [
            runner.submit(
                evaluate_folds, {"config": config, "clean": clean, "part": part, "before": None}
            )
            for part in range(count)
        ]
        found = [future.result() for future in futures]
    # An output from the cache may be gone or damaged; see ``tasks.caching.verified``.
    return [
        output if output.is_intact() else verified(evaluate_folds, config, clean, part)
        for part, output in enumerate(found)
    ]
