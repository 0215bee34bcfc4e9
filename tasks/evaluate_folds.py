"""The step that trains on the first of a group of folds and scores all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.steps import worker
from tasks.caching import make
from tasks.notify import notify, notify_progress
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import cached_step


@cached_step("folds", "network", retries=1)
def evaluate_folds(
    config: PipelineConfig, clean: StepOutput, part: int, before: StepOutput | None = None
) -> StepOutput:
    """Train on the first of a group of folds and score all of them; nothing later is seen."""

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
    output, manifest = make("folds", config, inputs, build, lambda m: int(m["windows"]), part=part)
    numbers = manifest["folds"]
    which = f"fold {numbers[0]}" if len(numbers) == 1 else f"folds {numbers[0]} to {numbers[-1]}"
    notify("folds", f"{which}: {manifest['epochs']} epochs, {manifest['windows']:,} windows scored")
    return output
