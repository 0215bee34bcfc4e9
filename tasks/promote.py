"""The step that decides whether the run becomes champion."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_hashes import known_hashes
from fastlstm.artifacts.folders import read_manifest, verify
from fastlstm.errors import StoreError
from fastlstm.registry.champion import ChampionRecord
from fastlstm.registry.folder_store import FolderStore
from fastlstm.registry.promotion import decide_promotion
from fastlstm.steps import worker
from fastlstm.steps.compare_shards import compare_shards
from fastlstm.steps.shard_map import ShardMap
from tasks.caching import shard_map
from tasks.engine import workers_forecast_shards
from tasks.forecasters import UNTIL_PROMOTED
from tasks.notify import notify, with_warnings
from tasks.references import BacktestOutcome, Outcome, RunReference, StepOutput
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("promote")
def promote(
    config: PipelineConfig,
    run: RunReference,
    clean: StepOutput,
    backtest: BacktestOutcome | None = None,
) -> Outcome:
    """Promote the run to champion if it beats champion and baselines; record the reason."""
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
            comparison = _compare(config, run, clean, challenger, champion)
            compared.update(champion=record.champion, champion_score=comparison.get("champion"))
        verdict = decide_promotion(
            manifest,
            comparison,
            None if backtest is None else backtest.significantly_better,
            replaces_incomparable=config.incomparable_champion == "replace",
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
    if record.champion is None:
        message += f"; {UNTIL_PROMOTED}"
    notify("promote", message)
    return Outcome(run=run, promoted=promoted, message=message, **compared)


def _compare(
    config: PipelineConfig, run: RunReference, clean: StepOutput, challenger: Path, champion: Path
) -> dict[str, Any]:
    """Score both runs, by the engine's workers where the table is cut into shards."""
    hashes = known_hashes(challenger) + known_hashes(champion)
    if not workers_forecast_shards(config, Path(clean.path)):
        found: dict[str, Any] = worker.call(
            "fastlstm.steps.compare:compare",
            {
                "challenger": str(challenger),
                "champion": str(champion),
                "clean": clean.path,
                "hashes": hashes,
            },
        )
        return found
    shards = shard_map(config, "promote", run, clean)
    if config.execution.cluster is not None and not isinstance(store_of(config), FolderStore):
        # Workers of other machines reach the work folder, and not what this one has downloaded.
        challenger, champion = (copied(shards, folder) for folder in (challenger, champion))
    found = compare_shards(challenger, champion, Path(clean.path), shards, hashes)
    shards.forget()
    return found


def copied(shards: ShardMap, run: Path) -> Path:
    """A copy of a run's folder among the unfinished shards.

    Args:
        shards: of the step; its folder is in the work folder.
        run: the run's folder.
    """

    def build(target: Path) -> dict[str, Any]:
        shutil.copytree(run, target / run.name)
        return {}

    return shards.publish(f"copy of {run.name}", build) / run.name


def with_left_out(outcome: Outcome, *steps: StepOutput) -> Outcome:
    """The outcome with what its steps say of rows that are not used.

    Args:
        outcome: of the promotion.
        *steps: outputs whose manifests say so.
    """
    manifests = [read_manifest(Path(step.path)) for step in steps]
    left_out = [line for manifest in manifests for line in manifest.get("left_out", [])]
    message = with_warnings(outcome.message, left_out)
    return outcome.model_copy(update={"left_out": left_out, "message": message})
