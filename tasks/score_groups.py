"""The step that forecasts the newest rows of all groups and appends the forecasts of each model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

from fastlstm.config.group_names import model_of_group
from fastlstm.data.files import skipped_files_lines, source_fingerprint
from fastlstm.errors import EngineError, FastLSTMError, StoreError
from fastlstm.steps.forecast_job import FORECAST, preparation
from fastlstm.steps.split_groups import group_file
from tasks.append import append_scored
from tasks.engine import engine_of
from tasks.forecast import forecast_table
from tasks.forecasters import choose_forecaster
from tasks.model_events import INCOMPLETE, emit_model_event
from tasks.notify import notify, with_warnings
from tasks.prefect_artifacts import report_group_scorings
from tasks.references import GroupScorings, LocalTable, ScoringOutcome
from tasks.settings import ScoringConfig, SourceSettings, store_of
from tasks.steps import pipeline_step
from tasks.stored_groups import StoredGroups, rows_by_model, trained_groups


@pipeline_step("score groups")
def score_groups(config: ScoringConfig, table: LocalTable) -> GroupScorings:
    """Forecast with the model of each group on the engine; each keeps its forecasts under its name.

    A group that cannot be forecast stops no other. Repeated after a failure, it appends nothing twice.

    Raises:
        EngineError: the engine is gone.
        StoreError: no group can be forecast.
    """
    groups = trained_groups(store_of(config), config.family_name)
    data = groups.data(table.path, config.input.format)
    skipped: dict[str, str] = {}
    with rows_by_model(groups, data, groups.models_by, config.work) as (folder, found):
        for group in found.pop("", []):
            skipped[group] = "it has no model; run 'fastlstm retrain'"
        scored, failed = _score_all(config, groups, folder, list(found))
    skipped |= failed
    left_out, groups_seen = len(skipped), len(scored) + len(skipped)
    for group, one in scored.items():
        for series, why in one.skipped.items():
            skipped[f"{group}, series {series}" if series else group] = why
    if not scored:
        first = next((f"{group}: {why}" for group, why in skipped.items()), "there are no rows")
        raise StoreError(f"no group can be forecast ({first})")
    message = _message(scored, len(found), skipped)
    if left_out / groups_seen > config.max_skipped_share:
        message = f"Incomplete: {left_out / groups_seen:.0%} of the groups skipped; {message}"
        emit_model_event(INCOMPLETE, config.model_name, message)
    warnings = [*skipped_files_lines(table.skipped)]
    warnings += [f"{group}: {line}" for group, one in scored.items() for line in one.warnings]
    outcome = GroupScorings(
        models=len(scored),
        baselines=sorted(group for group, one in scored.items() if one.baseline is not None),
        forecasts=sum(one.forecasts for one in scored.values()),
        added=sum(one.added for one in scored.values()),
        skipped=skipped,
        warnings=warnings,
        message=with_warnings(message, warnings),
    )
    notify("score groups", outcome.message)
    report_group_scorings(config.model_name, outcome, scored)
    return outcome


def _score_all(
    config: ScoringConfig, groups: StoredGroups, folder: Path, names: list[str]
) -> tuple[dict[str, ScoringOutcome], dict[str, str]]:
    """Forecast with as many models at a time as the engine has workers.

    Args:
        config: all settings.
        groups: the models.
        folder: the rows of each model.
        names: the groups whose models forecast.

    Returns:
        What was appended, and why a model could not forecast, by the model's group.

    Raises:
        EngineError: the engine is gone.
    """
    engine, store = engine_of(config), store_of(config)

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = engine.call(FORECAST, arguments, prepare=preparation(arguments))
        return found

    def score(group: str) -> ScoringOutcome:
        name, path = model_of_group(config.family_name, group), str(group_file(folder, group))
        source = SourceSettings(path=path, format="parquet")
        own = config.model_copy(update={"model_name": name, "input": source})
        chosen = choose_forecaster(
            store, name, None, serve_baseline=config.serve_baseline, known=groups.runs[group]
        )
        table = LocalTable(path=path, sha256=source_fingerprint(path, "parquet"))
        return append_scored(own, forecast_table(own, chosen, table, call))

    scored, failed = {}, {}
    with ThreadPoolExecutor(max(1, min(engine.slots, len(names)))) as threads:
        calls = {name: threads.submit(copy_context().run, score, name) for name in names}
        for name, future in calls.items():
            try:
                scored[name] = future.result()
            except EngineError:
                threads.shutdown(cancel_futures=True)
                raise
            except FastLSTMError as error:
                failed[name] = str(error)
    return scored, failed


def _message(scored: dict[str, ScoringOutcome], models: int, skipped: dict[str, str]) -> str:
    """How the scoring ended, in one sentence."""
    added = sum(one.added for one in scored.values())
    known = sum(one.forecasts for one in scored.values()) - added
    message = f"Scored with {len(scored):,} of {models:,} models: {added:,} forecasts appended"
    message += f", {known:,} stored already" if known else ""
    baselines = sum(one.baseline is not None for one in scored.values())
    message += f"; {baselines:,} without a champion, by a baseline" if baselines else ""
    if skipped:
        name, why = next(iter(skipped.items()))
        message += f"; skipped {len(skipped):,} groups or series, first {name}: {why}"
    return message
