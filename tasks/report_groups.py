"""The step that stores one report on the models of all groups."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastlstm.data.files import skipped_files_lines
from fastlstm.errors import TrainingError
from fastlstm.registry.store import GroupRuns
from fastlstm.reporting.groups import GroupLine, scores_of, totals, worst_first
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.groups_report import write_groups_report
from tasks.notify import notify, with_warnings
from tasks.prefect_artifacts import report_groups as show
from tasks.references import GroupOutcome, GroupPlan, GroupsOutcome, Source
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("report groups")
def report_groups(
    config: PipelineConfig, source: Source, plan: GroupPlan, outcomes: list[GroupOutcome],
    reason: str,
) -> GroupsOutcome:  # fmt: skip
    """Store the report on all models, and show it in Prefect.

    Where every group has its model, the report also tells the next run that nothing changed since.

    Raises:
        TrainingError: every group failed.
    """
    store, name = store_of(config), config.family_name
    lines = worst_first(_lines(plan, outcomes, store.groups(name)))
    failed = [line for line in lines if line.status in ("failed", "refused")]
    message = totals(lines)
    if failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        message += f" ({failed[0].group}: {failed[0].message}{more})"
    message = with_warnings(message, [*skipped_files_lines(source.skipped), *plan.warnings])

    def build(folder: Path, run_id: str) -> dict[str, Any]:
        write_groups_report(
            folder, run_id, name, config.models_by, message, lines, plan.pooled, reason,
            lambda group, run: SavedRun(store.run_folder(f"{name}/{group}", run)),
        )  # fmt: skip
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": None if failed else source.run_fingerprint,
            "data_fingerprint": source.data_sha256,
            "message": message,
            "groups": {line.group: line.status for line in lines},
            # Which groups the pooled model forecasts.
            "pooled": sorted(plan.pooled),
            # Where newest rows of all groups have their columns.
            "models_by": config.models_by,
            "data": config.data.model_dump(mode="json", exclude={"path", "query"}),
        }

    entry = store.add_run(config.model_name, datetime.now(UTC), build)
    folder = store.run_folder(config.model_name, entry.run_id)
    show(store, config.model_name, entry.run_id, folder, message)
    notify(
        "report groups", f"{message}; report in {store.location(config.model_name, entry.run_id)}"
    )
    if len(failed) == len(lines):
        raise TrainingError(f"no model was trained: {failed[0].group}: {failed[0].message}")
    return GroupsOutcome(
        report=store.location(config.model_name, entry.run_id), groups=outcomes, message=message
    )


def _lines(
    plan: GroupPlan, outcomes: list[GroupOutcome], stored: dict[str, GroupRuns]
) -> list[GroupLine]:
    """What the report says of each group, by what the store holds of it."""
    rows = {work.name: work.rows for work in plan.groups} | plan.refused
    found = []
    for outcome in outcomes:
        runs = stored.get(outcome.name)
        known: dict[str, Any] = {}
        if runs is not None and runs.newest is not None:
            known = scores_of(runs.newest.manifest)
            known.update(run=runs.newest.run_id, champion=runs.record.champion or "")
        found.append(
            GroupLine(outcome.name, rows[outcome.name], outcome.status, outcome.message, **known)
        )
    return found
