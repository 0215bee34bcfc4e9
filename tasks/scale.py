"""The step that splits the rows by time and scales them by the train rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.steps.prepare import scale_into
from tasks.caching import make, shard_map
from tasks.notify import notify
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("scale")
def scale(config: PipelineConfig, clean: StepOutput) -> StepOutput:
    """Split the rows by time into train, validation and test, and scale them by the train rows."""

    def build(folder: Path) -> dict[str, Any]:
        return scale_into(folder, Path(clean.path), config, shard_map(config, "scale", clean))

    output, manifest = make("scale", config, [clean], build)
    first = [
        f"{pd.Timestamp(manifest['cuts'][name], unit='us'):%Y-%m-%d %H:%M}"
        for name in ("validation", "test")
    ]
    cuts = f"validation from {first[0]}, test from {first[1]} UTC"
    if config.hyperparameters.split == "by_series":
        cuts = "each series split at its own share"
    seasons = ""
    if manifest["seasons"]:
        seasons = f"; season {' and '.join(map(str, manifest['seasons']))} rows"
    notify(
        "scale",
        f"{config.hyperparameters.scaler_type} fitted on {manifest['train_rows']:,} train rows; "
        f"{cuts}{seasons}",
    )
    return output
