"""The step that trains with one set of hyperparameters."""

from __future__ import annotations

from fastlstm.artifacts.scratch import ScratchFolder
from fastlstm.errors import DataError, TrainingError
from fastlstm.experiments.tuning import PrunedError, with_hyperparameters
from fastlstm.reporting.text import as_text, number, title
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
        scaled = verified(scale, changed, clean)
        dataset = verified(windows, changed, scaled)
        score = None
        with ScratchFolder() as scratch:
            folder = str(scratch)
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
            if study.primary is not None:
                score = _primary_score(changed, folder, dataset, scaled, clean)
    except PrunedError:
        current.prune()
        ended = f"pruned at {number(current.best)}"
    except (DataError, TrainingError) as error:
        current.fail(str(error))
        ended = f"failed: {error}"
    else:
        current.complete(score)
        monitored = config.hyperparameters.checkpoint_monitor_metric
        ended = f"{monitored} {number(current.best)} in {facts['epochs']} epochs"
        if study.primary is not None:
            ended = f"{title(study.primary)} {number(score)}, {ended}"
    message = f"trial {current.number}: {tried}: {ended}"
    notify("trial", message)
    return message


def _primary_score(
    config: PipelineConfig, network: str, windows: StepOutput, scaled: StepOutput, clean: StepOutput
) -> float:
    """The primary metric of a trial's network on validation windows.

    Raises:
        DataError: it is undefined.
    """
    score: float | None = worker.call(
        "fastlstm.steps.trial_score:score_trial",
        {
            "network": network,
            "windows": windows.path,
            "scaled": scaled.path,
            "clean": clean.path,
            "config": config.for_library(),
        },
    )
    if score is None:
        raise DataError(
            "the primary metric is undefined: no series with validation windows changes in its train "
            "rows; set evaluation.primary_metric to 'mae', or give more rows"
        )
    return score
