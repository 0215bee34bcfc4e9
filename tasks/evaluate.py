"""The step that evaluates the network on the test windows, in a process of its own.

Of a table in shards the engine's workers compute the network's outputs before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.text import number, title
from fastlstm.steps import worker
from fastlstm.steps.forecast_shards import forecast_shards
from tasks.caching import make, shard_map
from tasks.engine import workers_forecast_shards
from tasks.notify import notify
from tasks.references import StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("evaluate")
def evaluate(
    config: PipelineConfig,
    network: StepOutput,
    windows: StepOutput,
    scaled: StepOutput,
    clean: StepOutput,
) -> StepOutput:
    """Score the network and the naive baselines on the test windows."""
    inputs = [network, windows, scaled, clean]

    def build(folder: Path) -> dict[str, Any]:
        shards = shard_map(config, "evaluate", *inputs)
        outputs = None
        if workers_forecast_shards(config, Path(clean.path)):
            outputs = str(
                forecast_shards(Path(clean.path), Path(network.path), Path(windows.path), shards)
            )
        about: dict[str, Any] = worker.call(
            "fastlstm.steps.evaluate:evaluate_into",
            {
                "folder": str(folder),
                "network": network.path,
                "windows": windows.path,
                "scaled": scaled.path,
                "clean": clean.path,
                "config": config.for_library(),
                "outputs": outputs,
            },
        )
        shards.forget()
        return about

    output, manifest = make("evaluate", config, inputs, build)
    primary = manifest["primary"]
    notify(
        "evaluate",
        f"{title(primary['name'])} {number(primary['value'])} on {manifest['windows']:,} test windows",
    )
    return output
