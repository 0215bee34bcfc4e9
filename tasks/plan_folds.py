"""The step that plans the folds of a backtest."""

from __future__ import annotations

from pathlib import Path

from fastlstm.steps.backtest import count_groups
from tasks.notify import notify
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("plan folds")
def plan_folds(config: PipelineConfig, clean: StepOutput) -> int:
    """The number of trainings that the folds need."""
    count = count_groups(Path(clean.path), config)
    chosen = config.backtest
    notify(
        "plan folds",
        f"{chosen.folds} folds over the last {chosen.test_size_rate:.0%} of the time, {chosen.window} "
        f"window, {count} trainings",
    )
    return count
