"""The step that finds the groups whose rows or settings changed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.files import source_fingerprint
from fastlstm.data.source_content import with_joins
from fastlstm.registry.store import GroupRuns
from fastlstm.registry.unchanged import settings_of_results
from fastlstm.steps.split_groups import group_file
from tasks.notify import notify
from tasks.references import GroupPlan, GroupWork, StepOutput
from tasks.settings import PipelineConfig, store_of
from tasks.steps import pipeline_step
from tasks.storage.sources import local_joins
from tasks.work_place import local_work


@pipeline_step("plan groups")
def plan_groups(
    config: PipelineConfig, split: StepOutput, joined: list[str], again: list[str]
) -> GroupPlan:
    """The work on each group, and whether its newest run was built from the same rows and settings.

    Args:
        config: all settings.
        split: the files of the groups.
        joined: the tables joined to their rows, on this machine.
        again: what makes a full retraining differ from any before; empty for one that is not.
    """
    about = read_manifest(Path(split.path))
    overrides, stored = config.overrides(), store_of(config).groups(config.family_name)
    groups = [
        _work(config, split, joined, name, rows, overrides.get(name, {}), stored.get(name), again)
        for name, rows in about["groups"].items()
    ]
    plan = GroupPlan(
        groups=groups,
        pooled=about["pooled"],
        refused=about["refused"],
        minimum_rows=about["minimum_rows"],
        warnings=_unused(overrides, about),
    )
    same = sum(group.unchanged for group in groups)
    notify("plan groups", f"{len(groups) - same:,} to retrain, {same:,} unchanged")
    for warning in plan.warnings:
        notify("plan groups", f"warning: {warning}")
    return plan


def _work(
    config: PipelineConfig, split: StepOutput, joined: list[str], name: str, rows: int,
    changes: dict[str, Any], stored: GroupRuns | None, again: list[str],
) -> GroupWork:  # fmt: skip
    """The work on one group."""
    path = str(group_file(Path(split.path), name))
    own = config.of_group(name, path, changes)
    if own.data.joins != config.data.joins:
        joined = local_joins(own.data, config.s3, local_work(config.work))
    data = with_joins(source_fingerprint(path, "parquet"), own.data.at(path, joined))
    whole = fingerprint(data, settings_of_results(own), code_version())
    newest = stored.newest if stored is not None else None
    finished = (
        newest is not None
        and stored is not None
        and newest.manifest.get("fingerprint") == whole
        and stored.record.decision_on(newest.run_id) is not None
    )
    return GroupWork(
        name=name,
        rows=rows,
        path=path,
        joined=joined,
        data_sha256=data,
        run_fingerprint=fingerprint(whole, again) if again else whole,
        settings=changes,
        unchanged=finished and not again,
    )


def _unused(overrides: dict[str, dict[str, Any]], about: dict[str, Any]) -> list[str]:
    """Settings of groups that have no model of their own."""
    found = []
    for name in overrides:
        if name in about["groups"]:
            continue
        if name in about["pooled"]:
            found.append(f"groups.overrides: {name} has too few rows and is pooled; remove its row")
        elif name not in about["refused"]:
            near = difflib.get_close_matches(name, list(about["groups"]), n=1)
            hint = f"did you mean {near[0]}?" if near else "remove its row"
            found.append(f"groups.overrides: {name} is no group of the source; {hint}")
    return found
