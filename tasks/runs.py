"""Steps that store the run and decide whether it serves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastlstm.artifacts.folders import read_manifest, verify
from fastlstm.errors import StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.promotion import decide_promotion
from fastlstm.registry.store import RunEntry, Store, find_run
from fastlstm.runs.saved_run import SavedRun
from fastlstm.runs.writing import Parts, build_run
from fastlstm.steps import worker
from tasks.references import BacktestOutcome, Outcome, RunReference, Source, StepOutput
from tasks.reporting import say
from tasks.settings import PipelineConfig, store_of
from tasks.steps import fresh_step
from tasks.ui import report_run


def stored(store: Store, model_name: str, run_id: str) -> RunReference:
    """The reference of a run in the store."""
    manifest = read_manifest(store.run_folder(model_name, run_id))
    return _reference(store, model_name, RunEntry(run_id, manifest))


def _reference(store: Store, model_name: str, entry: RunEntry) -> RunReference:
    return RunReference(
        model_name=model_name,
        run_id=entry.run_id,
        location=store.location(model_name, entry.run_id),
        content_sha256=entry.manifest["content_sha256"],
    )


@fresh_step("find champion", "store", retries=3)
def find_champion(config: PipelineConfig) -> RunReference | None:
    """The run whose weights a warm start begins from; None before there is a champion."""
    store = store_of(config)
    run_id = store.champion(config.model_name).champion
    if run_id is None:
        say("champion", "none yet, so training is from new weights")
        return None
    say("champion", f"{run_id}: training goes on from its weights too")
    return stored(store, config.model_name, run_id)


@fresh_step("save", "store", retries=3)
def save(
    config: PipelineConfig,
    source: Source,
    clean: StepOutput,
    scaled: StepOutput,
    network: StepOutput,
    evaluation: StepOutput,
) -> RunReference:
    """Store the run: network, scalers, data, history, figures, metrics, report, manifest."""
    store = store_of(config)
    name = config.hyperparameters.model_name
    entry = find_run(store, name, source.run_fingerprint)
    if entry is not None:
        try:
            store.check(name, entry.run_id)
        except StoreError as error:
            say("save", f"run {entry.run_id} is stored but damaged ({error}); storing it anew")
            entry = None
    if entry is None:
        parts = Parts(
            clean=Path(clean.path),
            scaled=Path(scaled.path),
            network=Path(network.path),
            evaluation=Path(evaluation.path),
        )

        def build(folder: Path, run_id: str) -> dict[str, Any]:
            return build_run(
                folder, run_id, parts, config, source.run_fingerprint, source.data_sha256
            )

        entry = store.add_run(name, datetime.now(UTC), build)
    reference = _reference(store, name, entry)
    say("save", f"run {entry.run_id}: {len(entry.manifest['files'])} files in {reference.location}")
    return reference


@fresh_step("promote", "store", retries=3)
def promote(
    config: PipelineConfig,
    run: RunReference,
    clean: StepOutput,
    backtest: BacktestOutcome | None = None,
) -> Outcome:
    """Make the run champion if it beats champion and baselines; else keep it and say why."""
    store = store_of(config)
    challenger = store.run_folder(run.model_name, run.run_id)
    manifest = read_manifest(challenger)

    compared: dict[str, Any] = {}

    def decide(record: ChampionRecord) -> ChampionRecord:
        if record.decision_on(run.run_id) is not None:
            return record  # decided before a kill or a retry
        comparison = None
        if record.champion is not None:
            try:
                champion = store.run_folder(run.model_name, record.champion)
                verify(champion)
            except StoreError as error:
                raise StoreError(
                    f"the champion {record.champion} cannot be opened ({error}); run {run.run_id} is "
                    "stored: restore the champion, or choose one with 'fastlstm promote'"
                ) from None
            comparison = worker.call(
                "fastlstm.steps.compare:compare",
                {
                    "challenger": str(challenger),
                    "champion": str(champion),
                    "clean": clean.path,
                    "config": config.for_library(),
                },
            )
            compared.update(champion=record.champion, champion_score=comparison.get("champion"))
        verdict = decide_promotion(
            manifest, comparison, None if backtest is None else backtest.significantly_better
        )
        if verdict.promote:
            return record.promoted(run.run_id, verdict.reason)
        return record.kept(run.run_id, verdict.reason)

    record = store.update_champion(run.model_name, decide)
    decision = record.decision_on(run.run_id)
    assert decision is not None  # noqa: S101 (it was just taken)
    promoted = decision.action == "promoted"
    outcome = "Promoted" if promoted else "Kept champion" if record.champion else "Not promoted"
    message = f"{outcome}: {decision.reason}"
    say("promote", message)
    return Outcome(run=run, promoted=promoted, message=message, **compared)


@fresh_step("report", "store", retries=3)
def report(config: PipelineConfig, outcome: Outcome, reason: str = "") -> None:
    """Show the run in the Prefect UI: outcome, scores, pictures, links to its files."""
    store = store_of(config)
    run = SavedRun(store.run_folder(outcome.run.model_name, outcome.run.run_id))
    report_run(store, run, outcome, reason)


@fresh_step("known", "store", retries=0)
def known(config: PipelineConfig, source: Source) -> Outcome:
    """The outcome of the finished run that the source and settings already gave."""
    store = store_of(config)
    name = config.hyperparameters.model_name
    entry = find_run(store, name, source.run_fingerprint)
    if entry is None:
        raise StoreError(f"run {source.unchanged_run} vanished from {config.store}; start again")
    return Outcome(
        run=_reference(store, name, entry),
        promoted=store.champion(name).champion == entry.run_id,
        unchanged=True,
        message=f"No new data since {entry.run_id} UTC, and the same settings: nothing to retrain",
    )
