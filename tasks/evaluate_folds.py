"""The step that trains once and scores a group of folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.steps import worker
from tasks.caching import make
from tasks.notify import notify, notify_progress
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("evaluate folds")
def evaluate_folds(
    config: PipelineConfig, clean: StepOutput, part: int, before: StepOutput | None = None
) -> StepOutput:
    """Train on the rows before the first fold of a group and score all folds of the group."""

    def build(folder: Path) -> dict[str, Any]:
        about: dict[str, Any] = worker.call(
            "fastlstm.steps.backtest:evaluate_folds_into",
            {
                "folder": str(folder),
                "clean": clean.path,
                "config": config.for_library(),
                "part": part,
                "before": before.path if before is not None else None,
            },
            notify_progress if config.backtest.parallel == 1 else lambda _: None,
            config.training_time_limit,
            fresh=True,
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
