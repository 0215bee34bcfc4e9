"""The step that divides the source into one file for each group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.steps.split_groups import split_into
from tasks.caching import make
from tasks.notify import notify
from tasks.references import Source, StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("split groups")
def split_groups(config: PipelineConfig, source: Source) -> StepOutput:
    """Write the rows of each group of ``models_by`` into a file."""
    hp = config.hyperparameters
    window_rows = hp.timesteps + hp.steps_ahead + config.data.lookahead

    def build(folder: Path) -> dict[str, Any]:
        data = config.data_as_written.at(source.path, source.joined)
        return split_into(folder, data, config.models_by, config.groups, window_rows)

    output, manifest = make("split groups", config, [source], build)
    message = f"{manifest['count']:,} models by {', '.join(config.models_by)}"
    for kind in ("pooled", "refused"):
        if small := manifest[kind]:
            least = manifest["minimum_rows"]
            message += f"; {len(small):,} groups with fewer than {least:,} rows are {kind}"
    notify("split groups", message)
    return output
