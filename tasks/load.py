"""The step that reads the source into one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts.folders import read_manifest
from fastlstm.steps.prepare import load_into
from tasks.caching import make, shard_map
from tasks.notify import notify
from tasks.references import Source, StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("load")
def load(config: PipelineConfig, source: Source) -> StepOutput:
    """Read the declared columns of the source, with times in UTC, sorted by series and time."""
    hp = config.hyperparameters
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead

    def build(folder: Path) -> dict[str, Any]:
        data = config.data.model_copy(update={"path": source.path, "query": None})
        shards = shard_map(config, "load", source)
        return load_into(
            folder, data, window_rows, config.execution.shard_rows, shards, source.skipped
        )

    output, manifest = make("load", config, [source], build)
    notify(
        "load",
        f"{manifest['rows']:,} rows of {manifest['series']} series, "
        f"{manifest['first'][:16].replace('T', ' ')} to "
        f"{manifest['last'][:16].replace('T', ' ')} UTC",
    )
    return output


def with_calendar(config: PipelineConfig, table: StepOutput) -> PipelineConfig:
    """The settings with ``data.calendar: auto`` resolved by the times of the table's rows."""
    if config.data.calendar != "auto":
        return config
    loaded = read_manifest(Path(table.path))
    lasts = pd.Timestamp(loaded["last"]) - pd.Timestamp(loaded["first"])
    resolved = config.with_calendar(lasts.total_seconds() * config.hyperparameters.train_size_rate)
    if kinds := resolved.data.calendar_kinds:
        notify("load", f"calendar of the rows to forecast: {', '.join(kinds)}")
    return resolved
