"""The step that stores the run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastlstm.errors import StoreError
from fastlstm.registry.store import find_run
from fastlstm.runs.writing import Parts, build_run
from tasks.notify import notify
from tasks.references import RunReference, Source, StepOutput
from tasks.run_references import run_reference
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("save")
def save(
    config: PipelineConfig,
    source: Source,
    clean: StepOutput,
    scaled: StepOutput,
    network: StepOutput,
    evaluation: StepOutput,
    served: StepOutput | None = None,
) -> RunReference:
    """Store the run: network, scalers, data, history, figures, metrics and report, with a manifest."""
    store = store_of(config)
    name = config.model_name
    entry = find_run(store, name, source.run_fingerprint)
    if entry is not None:
        try:
            store.check(name, entry.run_id)
        except StoreError as error:
            notify("save", f"run {entry.run_id} is stored but damaged ({error}); storing it again")
            entry = None
    if entry is None:
        parts = Parts(
            clean=Path(clean.path),
            scaled=Path(scaled.path),
            network=Path(network.path),
            evaluation=Path(evaluation.path),
            served=None if served is None else Path(served.path),
        )

        def build(folder: Path, run_id: str) -> dict[str, Any]:
            return build_run(
                folder, run_id, parts, config, source.run_fingerprint, source.data_sha256
            )

        entry = store.add_run(name, datetime.now(UTC), build)
    reference = run_reference(store, name, entry)
    notify(
        "save", f"run {entry.run_id}: {len(entry.manifest['files'])} files in {reference.location}"
    )
    return reference
