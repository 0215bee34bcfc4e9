"""The step that tries one set of hyperparameters."""

from __future__ import annotations

import tempfile

from fastlstm.errors import DataError, TrainingError
from fastlstm.experiments.tuning import PrunedError, with_hyperparameters
from fastlstm.reporting.text import as_text, number
from fastlstm.steps import worker
from tasks.begin_search import open_search
from tasks.caching import verified
from tasks.notify import notify
from tasks.references import StepOutput, StudyReference
from tasks.scale import scale
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step
from tasks.windows import windows


@pipeline_step("trial")
def trial(config: PipelineConfig, clean: StepOutput, study: StudyReference) -> str:
    """Try one set of hyperparameters: windows, training, and its best validation score."""
    asked = open_search(config, study).ask()
    tried = ", ".join(f"{name} {as_text(value)}" for name, value in asked.chosen.items())
    try:
        # A refit comes after what validation judges, which is all that a trial is for.
        own = with_hyperparameters(config, {**asked.chosen, "refit": False})
        dataset = verified(windows, own, verified(scale, own, clean))
        with tempfile.TemporaryDirectory(prefix="fastlstm-trial-") as folder:
            facts = worker.call(
                "fastlstm.steps.train:train_into",
                {
                    "folder": folder,
                    "windows": dataset.path,
                    "hyperparameters": own.hyperparameters.model_dump(),
                },
                asked,
                config.training_time_limit,
                fresh=True,
            )
    except PrunedError:
        asked.prune()
        ended = f"pruned at {number(asked.best)}"
    except (DataError, TrainingError) as error:
        asked.fail(str(error))
        ended = f"failed: {error}"
    else:
        asked.complete()
        monitored = config.hyperparameters.checkpoint_monitor_metric
        ended = f"{monitored} {number(asked.best)} in {facts['epochs']} epochs"
    message = f"trial {asked.number}: {tried}: {ended}"
    notify("trial", message)
    return message
