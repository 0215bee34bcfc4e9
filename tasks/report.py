"""The step that shows the run in the Prefect UI."""

from __future__ import annotations

from fastlstm.runs.saved_run import SavedRun
from tasks.references import Outcome
from tasks.settings import PipelineConfig, store_of
from tasks.steps import fresh_step
from tasks.ui import report_run


@fresh_step("report", "store", retries=3)
def report(config: PipelineConfig, outcome: Outcome, reason: str = "") -> None:
    """Show the run in the Prefect UI: outcome, scores, pictures, links to its files."""
    store = store_of(config)
    run = SavedRun(store.run_folder(outcome.run.model_name, outcome.run.run_id))
    report_run(store, run, outcome, reason)
