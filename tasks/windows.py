"""The step that cuts windows and writes them as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.coverage import coverage_lines
from fastlstm.steps.cut_windows import cut_windows_into
from tasks.caching import make, shard_map
from tasks.notify import notify
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("windows")
def windows(config: PipelineConfig, scaled: StepOutput) -> StepOutput:
    """Cut the windows of each split and write them as Parquet."""
    hp = config.hyperparameters

    def build(folder: Path) -> dict[str, Any]:
        about = cut_windows_into(
            folder, Path(scaled.path), hp.timesteps, hp.steps_ahead, config.data.lookahead,
            shard_map(config, "windows", scaled),
        )  # fmt: skip
        left_out = coverage_lines(about, hp.split)
        return {**about, "made_from": scaled.content_sha256, "left_out": left_out}

    output, manifest = make("windows", config, [scaled], build)
    per_split = ", ".join(f"{n:,} {name}" for name, n in manifest["windows"].items())
    size = sum(entry["size"] for entry in manifest["files"].values())
    notify(
        "windows",
        f"{hp.timesteps} rows in, {hp.steps_ahead} out: {per_split} ({size / 1e6:.1f} MB)",
    )
    for line in manifest["left_out"]:
        notify("windows", f"warning: {line}")
    return output
