"""The step that trains the network, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.text import refit_text, warm_start_text
from fastlstm.training.checkpoint import state_files
from tasks.caching import Input, make, step_key
from tasks.notify import notify
from tasks.prefect_artifacts import TrainingProgress
from tasks.references import RunReference, StepOutput
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step
from tasks.training_ranks import call_training
from tasks.work_place import local_work


@pipeline_step("train")
def train(
    config: PipelineConfig, windows: StepOutput, champion: RunReference | None = None
) -> StepOutput:
    """Train the network; the validation windows decide which epoch is kept."""

    progress = TrainingProgress(config)
    inputs: list[Input] = [windows] if champion is None else [windows, champion]
    # Its name is the hash of all that the training depends on, so a state there is of this training.
    state = (
        local_work(config.work) / "unfinished" / f"{step_key('train', config, *inputs)[:32]}.npz"
    )
    before = None
    if champion is not None:
        before = str(store_of(config).run_folder(champion.model_name, champion.run_id))

    def build(folder: Path) -> dict[str, Any]:
        facts: dict[str, Any] = call_training(
            config,
            "train",
            "fastlstm.steps.train:train_into",
            {
                "folder": str(folder),
                "windows": windows.path,
                "hyperparameters": config.hyperparameters.model_dump(),
                "checkpoint": str(state),
                "champion": before,
            },
            progress,
        )
        return facts

    output, manifest = make("train", config, inputs, build)
    for file in state_files(state):
        file.unlink(missing_ok=True)
    message = (
        f"{manifest['epochs']} epochs in {manifest['seconds']:.0f} s"
        f"{', stopped early' if manifest['stopped_early'] else ''}; epoch "
        f"{manifest['best_epoch']} kept by {config.hyperparameters.checkpoint_monitor_metric}"
    )
    if "refit" in manifest:
        message += f"; {refit_text(manifest)}"
    if "warm_start" in manifest:
        message += f"; {warm_start_text(manifest['warm_start'])}"
    if "note" in manifest:
        message += f"; {manifest['note']}"
    progress.end(message)
    notify("train", message)
    return output
