"""The step that chooses the run to forecast with."""

from __future__ import annotations

from fastlstm.errors import StoreError
from tasks.notify import notify
from tasks.references import RunReference
from tasks.run_references import stored_run
from tasks.settings import ScoringConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("choose run")
def choose_run(config: ScoringConfig) -> RunReference:
    """The run that the settings name, else the champion."""
    store = store_of(config)
    run_id = config.run or store.champion(config.model_name).champion
    if run_id is None:
        raise StoreError(
            f"{store}: model {config.model_name!r} has no champion; retrain first, or set 'run'"
        )
    notify("choose run", f"{'run' if config.run else 'champion'} {run_id}")
    return stored_run(store, config.model_name, run_id)
