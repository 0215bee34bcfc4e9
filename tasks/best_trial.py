"""The step that writes the best settings of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import publish
from fastlstm.experiments.tuning import write_search
from fastlstm.reporting.text import as_text, number
from tasks.begin_search import open_search
from tasks.notify import notify
from tasks.prefect_artifacts import report_search
from tasks.references import StudyReference, TuneOutcome
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("best trial")
def best_trial(config: PipelineConfig, study: StudyReference) -> TuneOutcome:
    """Write the best settings as a config file, with all trials and a figure, and report them."""
    summary = open_search(config, study).summary()
    found, count = summary["best"], len(summary["trials"])

    def build(folder: Path) -> dict[str, Any]:
        write_search(folder, summary, config)
        return {"trials": count}

    folder = Path(study.path) / f"after {count} trials"
    manifest = publish(folder, build)
    chosen = ", ".join(f"{k} {as_text(v)}" for k, v in found["hyperparameters"].items())
    outcome = TuneOutcome(
        path=str(folder),
        content_sha256=manifest["content_sha256"],
        trials=count,
        best=found["value"],
        message=f"Best of {count} trials: {summary['metric']} {number(found['value'])} on validation "
        f"with {chosen}",
    )
    report_search(config.model_name, outcome, summary)
    notify("best trial", outcome.message)
    return outcome
