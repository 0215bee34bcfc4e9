"""The step that reads the source into one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.text import minute
from fastlstm.steps import prepare
from tasks.caching import make, shard_map
from tasks.notify import notify
from tasks.references import Source, StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step

# Most categories that a message names.
_SHOWN = 10


@pipeline_step("load")
def load(config: PipelineConfig, source: Source) -> StepOutput:
    """Read the declared columns of the source, with times in UTC, sorted by series and time."""
    hp = config.hyperparameters
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead

    def build(folder: Path) -> dict[str, Any]:
        data = config.data.at(source.path, source.joined)
        shards, shard_rows = shard_map(config, "load", source), config.execution.shard_rows
        return prepare.load_into(
            folder, data, window_rows, shard_rows, shards, source.skipped,
            labels=not hp.is_regressor,
        )  # fmt: skip

    output, manifest = make("load", config, [source], build)
    notify(
        "load",
        f"{manifest['rows']:,} rows of {manifest['series']} series, "
        f"{minute(manifest['first'])} to {minute(manifest['last'])} UTC",
    )
    return output


def with_resolved_columns(config: PipelineConfig, table: StepOutput) -> PipelineConfig:
    """The settings with the calendar, categories and series of the loaded table's train rows."""
    resolved = prepare.with_resolved_columns(config, Path(table.path))
    kinds = resolved.data.calendar_kinds
    if kinds and config.data.calendar == "auto":
        notify("load", f"calendar of the rows to forecast: {', '.join(kinds)}")
    for name, found in resolved.data.categories.items():
        if name not in config.data.categories:
            shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
            what = "classes" if name in resolved.data.label_columns else "categories"
            notify("load", f"{name}: {len(found)} {what} in the train rows ({shown})")
    return resolved
