"""The step that trains with one set of hyperparameters."""

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
    """Cut windows, train, and record the best validation score of one set of hyperparameters."""
    current = open_search(config, study).ask()
    tried = ", ".join(f"{name} {as_text(value)}" for name, value in current.chosen.items())
    try:
        # A refit follows the epoch that validation chose, whose score is all a trial needs.
        changed = with_hyperparameters(config, {**current.chosen, "refit": False})
        dataset = verified(windows, changed, verified(scale, changed, clean))
        with tempfile.TemporaryDirectory(prefix="fastlstm-trial-") as folder:
            facts = worker.call(
                "fastlstm.steps.train:train_into",
                {
                    "folder": folder,
                    "windows": dataset.path,
                    "hyperparameters": changed.hyperparameters.model_dump(),
                },
                current,
                config.training_time_limit,
                fresh=True,
            )
    except PrunedError:
        current.prune()
        ended = f"pruned at {number(current.best)}"
    except (DataError, TrainingError) as error:
        current.fail(str(error))
        ended = f"failed: {error}"
    else:
        current.complete()
        monitored = config.hyperparameters.checkpoint_monitor_metric
        ended = f"{monitored} {number(current.best)} in {facts['epochs']} epochs"
    message = f"trial {current.number}: {tried}: {ended}"
    notify("trial", message)
    return message
