"""The step that evaluates the network on the test windows, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.reporting.text import number, title
from fastlstm.steps import worker
from tasks.caching import make
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

    def build(folder: Path) -> dict[str, Any]:
        about: dict[str, Any] = worker.call(
            "fastlstm.steps.evaluate:evaluate_into",
            {
                "folder": str(folder),
                "network": network.path,
                "windows": windows.path,
                "scaled": scaled.path,
                "clean": clean.path,
                "config": config.for_library(),
            },
        )
        return about

    inputs = [network, windows, scaled, clean]
    output, manifest = make("evaluate", config, inputs, build)
    primary = manifest["primary"]
    notify(
        "evaluate",
        f"{title(primary['name'])} {number(primary['value'])} on {manifest['windows']:,} test windows",
    )
    return output
