"""The step that cuts windows and writes them as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import SCALED_FILE
from fastlstm.artifacts.folders import read_manifest
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.split import Cuts
from fastlstm.data.tables import read_table
from fastlstm.windows.parquet import write_windows
from tasks.caching import make
from tasks.notify import notify
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("windows")
def windows(config: PipelineConfig, scaled: StepOutput) -> StepOutput:
    """Cut the windows of each split and write them as Parquet."""
    hp = config.hyperparameters
    made_from = read_manifest(Path(scaled.path))

    def build(folder: Path) -> dict[str, Any]:
        about = write_windows(
            folder,
            read_table(Path(scaled.path) / SCALED_FILE),
            features=made_from["features"],
            targets=made_from["targets"],
            timesteps=hp.timesteps,
            steps_ahead=hp.steps_ahead,
            lookahead=config.data.lookahead,
            cuts=Cuts(**made_from["cuts"]),
            seasons=FoundSeasons.from_facts(made_from),
        )
        return {**about, "made_from": scaled.content_sha256}

    output, manifest = make("windows", config, [scaled], build)
    per_split = ", ".join(f"{n:,} {name}" for name, n in manifest["windows"].items())
    size = sum(entry["size"] for entry in manifest["files"].values())
    notify(
        "windows",
        f"{hp.timesteps} rows in, {hp.steps_ahead} out: {per_split} ({size / 1e6:.1f} MB)",
    )
    return output
