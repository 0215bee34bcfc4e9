"""The step that chooses the run to forecast with."""

from __future__ import annotations

from fastlstm.errors import StoreError
from tasks.notify import notify
from tasks.references import RunReference
from tasks.run_references import stored_run
from tasks.settings import ScoringConfig, store_of
from tasks.steps import fresh_step


@fresh_step("choose run", "store", retries=3)
def choose_run(config: ScoringConfig) -> RunReference:
    """The champion, or the run that is named."""
    store = store_of(config)
    run_id = config.run or store.champion(config.model_name).champion
    if run_id is None:
        raise StoreError(
            f"{store}: model {config.model_name!r} has no champion; retrain, or name a run"
        )
    notify("choose", f"{'run' if config.run else 'champion'} {run_id}")
    return stored_run(store, config.model_name, run_id)
