"""The step that checks the health of the models of all groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastlstm.config.group_names import model_of_group
from fastlstm.errors import FastLSTMError, StoreError, first_line
from fastlstm.steps.split_groups import group_file
from tasks.check_health import health_of
from tasks.notify import notify
from tasks.prefect_artifacts import report_group_health
from tasks.references import GroupsHealth, Health
from tasks.settings import MonitorConfig, SourceSettings, store_of
from tasks.steps import pipeline_step
from tasks.storage.sources import local_source
from tasks.stored_groups import StoredGroups, rows_by_model, trained_groups
from tasks.work_place import local_work

# Models whose reasons a message or an event names.
_MOST_NAMED = 10


@pipeline_step("check groups")
def check_groups(config: MonitorConfig) -> GroupsHealth:
    """Measure live error, coverage of intervals and drift of each group's model.

    A model that cannot be measured, for example without forecasts of the last days, stops no other.

    Raises:
        StoreError: no model can be measured.
    """
    groups = trained_groups(store_of(config), config.family_name)
    found: dict[str, Health] = {}
    skipped: dict[str, str] = {}
    with _actuals(config, groups) as folder:
        for group in sorted(groups.runs):
            update: dict[str, object] = {"model_name": model_of_group(config.family_name, group)}
            if folder is not None:
                file = group_file(folder, group)
                rows = SourceSettings(path=str(file), format="parquet") if file.exists() else None
                update["actuals"] = rows
            try:
                found[group] = health_of(config.model_copy(update=update))
            except FastLSTMError as error:
                skipped[group] = first_line(error)
    if not found:
        first = next((f"{group}: {why}" for group, why in skipped.items()), "none is stored")
        raise StoreError(f"no model of {config.family_name!r} can be measured ({first})")
    reasons = [f"{g}: {'; '.join(h.reasons)}" for g, h in found.items() if h.degraded]
    health = GroupsHealth(
        degraded=bool(reasons),
        groups=found,
        skipped=skipped,
        reasons=reasons[:_MOST_NAMED],
        message=_message(reasons, len(found), skipped),
    )
    notify("check groups", health.message)
    report_group_health(config.model_name, health)
    return health


@contextmanager
def _actuals(config: MonitorConfig, groups: StoredGroups) -> Iterator[Path | None]:
    """The folder with the actual rows of each model; None where the settings name none."""
    if config.actuals is None:
        yield None
        return
    source = config.actuals
    local = local_source(source.path, source.query, config.s3, local_work(config.work))
    data = groups.data(local.path, source.format)
    with rows_by_model(groups, data, groups.models_by, config.work) as (folder, _):
        yield folder


def _message(reasons: list[str], measured: int, skipped: dict[str, str]) -> str:
    """What was found, in one sentence."""
    if reasons:
        message = f"{len(reasons):,} of {measured:,} models are degraded: {reasons[0]}"
        message += f"; and {len(reasons) - 1:,} more" if len(reasons) > 1 else ""
    else:
        message = f"None of {measured:,} models is degraded"
    if skipped:
        group, why = next(iter(skipped.items()))
        message += f"; {len(skipped):,} were not measured, first {group}: {why}"
    return message
