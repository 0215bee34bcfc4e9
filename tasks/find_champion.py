"""The step that finds the run a warm start begins from."""

from __future__ import annotations

from tasks.notify import notify
from tasks.references import RunReference
from tasks.run_references import stored_run
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("find champion")
def find_champion(config: PipelineConfig) -> RunReference | None:
    """The run whose weights a warm start begins from; None before there is a champion."""
    store = store_of(config)
    run_id = store.champion(config.model_name).champion
    if run_id is None:
        notify("find champion", "none yet: training begins with new weights")
        return None
    notify("find champion", f"{run_id}: one training begins with its weights")
    return stored_run(store, config.model_name, run_id)
