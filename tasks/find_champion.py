"""The step that finds the run a warm start begins from."""

from __future__ import annotations

from tasks.notify import notify
from tasks.references import RunReference
from tasks.run_references import stored_run
from tasks.settings import PipelineConfig, store_of
from tasks.steps import fresh_step


@fresh_step("find champion", "store", retries=3)
def find_champion(config: PipelineConfig) -> RunReference | None:
    """The run whose weights a warm start begins from; None before there is a champion."""
    store = store_of(config)
    run_id = store.champion(config.model_name).champion
    if run_id is None:
        notify("champion", "none yet, so training is from new weights")
        return None
    notify("champion", f"{run_id}: training goes on from its weights too")
    return stored_run(store, config.model_name, run_id)
