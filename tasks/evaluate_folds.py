"""The step that trains once and scores a group of folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.caching import make
from tasks.engine import engine_of
from tasks.epoch_log import epoch_log
from tasks.notify import notify, notify_progress
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("evaluate folds")
def evaluate_folds(
    config: PipelineConfig, clean: StepOutput, part: int, before: StepOutput | None = None
) -> StepOutput:
    """Train on the rows before the first fold of a group and score all folds of the group."""

    engine = engine_of(config)
    alone = engine.slots == 1 or config.backtest.warm_start

    def build(folder: Path) -> dict[str, Any]:
        about: dict[str, Any] = engine.call(
            "fastlstm.steps.backtest:evaluate_folds_into",
            {
                "folder": str(folder),
                "clean": clean.path,
                "config": config.for_library(),
                "part": part,
                "before": before.path if before is not None else None,
            },
            # A bar over the epochs of several trainings at a time would be a jumble.
            notify_progress if alone else epoch_log(f"training {part + 1}"),
            config.training_time_limit,
            prepare="fastlstm.steps.train:prepare",
        )
        return about

    inputs = [clean] if before is None else [clean, before]
    output, manifest = make("evaluate folds", config, inputs, build, part=part)
    numbers = manifest["folds"]
    which = f"fold {numbers[0]}" if len(numbers) == 1 else f"folds {numbers[0]} to {numbers[-1]}"
    notify(
        "evaluate folds",
        f"{which}: {manifest['epochs']} epochs, {manifest['windows']:,} test windows scored",
    )
    return output
