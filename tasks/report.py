"""The step that shows the run in the Prefect UI."""

from __future__ import annotations

from fastlstm.runs.saved_run import SavedRun
from tasks.prefect_artifacts import report_run
from tasks.references import Outcome
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("report")
def report(config: PipelineConfig, outcome: Outcome, reason: str = "") -> None:
    """Create the Prefect artifacts of the run: outcome, scores, figures, links to its files."""
    store = store_of(config)
    run = SavedRun(store.run_folder(outcome.run.model_name, outcome.run.run_id))
    report_run(store, run, outcome, reason)
