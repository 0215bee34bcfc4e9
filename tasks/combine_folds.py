"""The step that puts the folds of a backtest together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import BACKTEST_SUMMARY_FILE
from fastlstm.evaluation.baselines import NOT_REQUIRED
from fastlstm.reporting.text import forecast_name, number, title
from fastlstm.steps.backtest import combine_into
from tasks.caching import make
from tasks.notify import is_relayed, notify
from tasks.prefect_artifacts import report_backtest
from tasks.references import BacktestOutcome, StepOutput
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step


@pipeline_step("combine folds")
def combine_folds(
    config: PipelineConfig, clean: StepOutput, parts: list[StepOutput]
) -> BacktestOutcome:
    """Put the folds together and report them."""

    def build(folder: Path) -> dict[str, Any]:
        return combine_into(folder, [Path(part.path) for part in parts], config)

    output, manifest = make("combine folds", config, [clean, *parts], build)
    primary, found = manifest["primary"], manifest["significance"]
    better = [forecast_name(name) for name, test in found.items() if test["better"]]
    outcome = BacktestOutcome(
        path=output.path,
        content_sha256=output.content_sha256,
        folds=manifest["folds"],
        windows=manifest["windows"],
        significantly_better={
            name: bool(test["better"]) for name, test in found.items() if name not in NOT_REQUIRED
        },
        message=f"{title(primary['name'])} {number(primary['value'])} over {manifest['folds']} folds, "
        + (
            f"significantly better (5%) than {' and '.join(better)}"
            if better
            else "not significantly better (5%) than any baseline"
        ),
    )
    summary = json.loads((Path(output.path) / BACKTEST_SUMMARY_FILE).read_text(encoding="utf-8"))
    if not is_relayed():
        report_backtest(config.model_name, outcome, summary)
    notify("combine folds", outcome.message)
    return outcome
