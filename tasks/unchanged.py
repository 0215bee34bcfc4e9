"""The step that returns the outcome of a run built from the same data and settings."""

from __future__ import annotations

from fastlstm.data.files import skipped_files_lines
from fastlstm.errors import StoreError
from fastlstm.registry.store import find_run
from tasks.forecasters import UNTIL_PROMOTED
from tasks.notify import with_warnings
from tasks.references import GroupOutcome, GroupsOutcome, Outcome, Source
from tasks.run_references import run_reference
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("unchanged")
def unchanged(config: PipelineConfig, source: Source) -> Outcome | GroupsOutcome:
    """The outcome of the finished run that was built from the same source and settings."""
    store = store_of(config)
    name = config.model_name
    entry = find_run(store, name, source.run_fingerprint)
    if entry is None:
        raise StoreError(
            f"run {source.unchanged_run} is no longer in {config.store}; start the retraining again"
        )
    message = f"No new data since {entry.run_id} UTC, and the same settings: nothing to retrain"
    left_out = skipped_files_lines(source.skipped)
    if config.models_by:
        return GroupsOutcome(
            report=store.location(name, entry.run_id),
            groups=[
                GroupOutcome(name=group, status="unchanged", message="unchanged")
                for group in entry.manifest["groups"]
            ],
            unchanged=True,
            message=with_warnings(message, left_out),
        )
    champion = store.champion(name).champion
    if champion is None:
        message += f"; no run was promoted, {UNTIL_PROMOTED}"
    return Outcome(
        run=run_reference(store, name, entry),
        promoted=champion == entry.run_id,
        unchanged=True,
        left_out=left_out,
        message=with_warnings(message, left_out),
    )
