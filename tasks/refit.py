"""The step that trains the network that serves on all windows, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.text import refit_text
from fastlstm.training.checkpoint import refit_checkpoint
from tasks.caching import make, step_key
from tasks.notify import notify
from tasks.prefect_artifacts import TrainingProgress
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step
from tasks.training_ranks import call_training
from tasks.work_place import local_work


@pipeline_step("refit")
def refit(
    config: PipelineConfig, network: StepOutput, windows: StepOutput, evaluation: StepOutput
) -> StepOutput:
    """Retrain the network on all windows, after the test windows were scored."""
    inputs = [network, windows, evaluation]
    progress = TrainingProgress(config)
    state = (
        local_work(config.work) / "unfinished" / f"{step_key('refit', config, *inputs)[:32]}.npz"
    )

    def build(folder: Path) -> dict[str, Any]:
        facts: dict[str, Any] = call_training(
            config,
            "refit",
            "fastlstm.steps.refit:refit_into",
            {
                "folder": str(folder),
                "network": network.path,
                "windows": windows.path,
                "hyperparameters": config.hyperparameters.model_dump(),
                "checkpoint": str(state),
            },
            progress,
        )
        return facts

    output, manifest = make("refit", config, inputs, build)
    refit_checkpoint(state).unlink(missing_ok=True)
    message = refit_text({"best_epoch": manifest["epochs"], "refit": "all"})
    progress.end(message)
    notify("refit", message)
    return output
