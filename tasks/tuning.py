"""Steps of a search: opening it, each trial, and what was found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import publish
from fastlstm.errors import DataError, TrainingError
from fastlstm.experiments.tuning import (
    PrunedError,
    Search,
    study_key,
    with_hyperparameters,
    write_search,
)
from fastlstm.reporting.text import number
from fastlstm.steps import worker
from tasks.caching import verified
from tasks.references import StepOutput, StudyReference, TuneOutcome
from tasks.reporting import say
from tasks.settings import PipelineConfig
from tasks.steps import fresh_step
from tasks.ui import report_search
from tasks.windows import scale, windows


def _search(config: PipelineConfig, study: StudyReference) -> Search:
    return Search(config, study.key, Path(study.path))


@fresh_step("begin search", "data", retries=2)
def begin(config: PipelineConfig, clean: StepOutput) -> StudyReference:
    """Open the search, or go on with it where it was cut off."""
    key = study_key(config, clean.content_sha256)
    folder = Path(config.work) / "tune" / key[:32]
    search = Search(config, key, folder, resume=True)
    earlier = f"; {search.ended} were made before" if search.ended else ""
    say("search", f"{config.tune.trials} trials over {', '.join(config.tune.ranges)}{earlier}")
    return StudyReference(path=str(folder), key=key, left=search.left)


@fresh_step("trial", "network", retries=0)
def trial(config: PipelineConfig, clean: StepOutput, study: StudyReference) -> str:
    """Try one set of hyperparameters: windows, training, and its best validation score."""
    asked = _search(config, study).ask()
    tried = ", ".join(f"{name} {_short(value)}" for name, value in asked.chosen.items())
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
    say("trial", message)
    return message


def _short(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


@fresh_step("best", "data", retries=2)
def best(config: PipelineConfig, study: StudyReference) -> TuneOutcome:
    """Write the best settings as a config file, with the trials and the figure, and report them."""
    summary = _search(config, study).summary()
    found, count = summary["best"], len(summary["trials"])

    def build(folder: Path) -> dict[str, Any]:
        write_search(folder, summary, config)
        return {"trials": count}

    folder = Path(study.path) / f"after {count} trials"
    manifest = publish(folder, build)
    chosen = ", ".join(f"{k} {_short(v)}" for k, v in found["hyperparameters"].items())
    outcome = TuneOutcome(
        path=str(folder),
        content_sha256=manifest["content_sha256"],
        trials=count,
        best=found["value"],
        message=f"Best of {count} trials: {summary['metric']} {number(found['value'])} on validation "
        f"with {chosen}",
    )
    report_search(config.model_name, outcome, summary)
    say("best", outcome.message)
    return outcome
