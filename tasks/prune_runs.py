"""The step that deletes all but the newest runs of a model."""

from __future__ import annotations

from fastlstm.config.group_names import model_of_group
from fastlstm.registry.maintenance import prune, remove_left_overs
from tasks.notify import notify
from tasks.settings import UpkeepConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("prune runs")
def prune_runs(config: UpkeepConfig) -> list[str]:
    """Delete old runs of the model, or of its groups, and what was left over; return the names."""
    store = store_of(config)
    name = config.family_name if config.of_all_groups else config.model_name
    models = [name, *(model_of_group(name, group) for group in store.groups(name))]
    deleted = [
        f"{model}/{run_id}"
        for model in models
        for run_id in [
            *prune(store, model, config.retention.runs),
            *remove_left_overs(store, model),
        ]
    ]
    notify("prune runs", f"{len(deleted):,} runs deleted, the newest {config.retention.runs} stay")
    return deleted
