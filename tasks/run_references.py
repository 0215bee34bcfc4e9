"""References of stored runs."""

from __future__ import annotations

from fastlstm.artifacts.folders import read_manifest
from fastlstm.registry.store import RunEntry, Store
from tasks.references import RunReference


def stored_run(store: Store, model_name: str, run_id: str) -> RunReference:
    """The reference of a run in the store."""
    manifest = read_manifest(store.run_folder(model_name, run_id))
    return run_reference(store, model_name, RunEntry(run_id, manifest))


def run_reference(store: Store, model_name: str, entry: RunEntry) -> RunReference:
    """The reference of an entry of the store."""
    return RunReference(
        model_name=model_name,
        run_id=entry.run_id,
        location=store.location(model_name, entry.run_id),
        content_sha256=entry.manifest["content_sha256"],
    )
