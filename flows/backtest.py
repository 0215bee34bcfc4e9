"""The flow ``backtest``: the settings trained and scored on test periods that follow each other."""

from __future__ import annotations

from typing import Any

from prefect import flow

from fastlstm.experiments.folds import require_common_cuts
from flows.outcomes import DAY, final_state, flow_settings
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.combine_folds import combine_folds
from tasks.load import load, with_resolved_columns
from tasks.plan_folds import plan_folds
from tasks.references import BacktestOutcome
from tasks.run_folds import run_folds
from tasks.settings import PipelineConfig
from tasks.validate import validate


@flow(**flow_settings("backtest", DAY))
def backtest(config: PipelineConfig) -> Any:
    """Train and score network and baselines on test periods that follow each other in time.

    Nothing is stored or promoted. Folds that an earlier backtest finished are used again.

    Args:
        config: All settings; those of ``backtest`` define the test periods.

    Returns:
        A completed state with the score; its result is a ``BacktestOutcome``.
    """
    return final_state(config, _steps)


def _steps(config: PipelineConfig) -> BacktestOutcome:
    config.require_one_model("backtest")
    require_common_cuts(config.hyperparameters)
    source = check_source(config, full=True)
    table = verified(load, config, source)
    config = with_resolved_columns(config, table)
    clean = verified(validate, config, table)
    count = plan_folds(config, clean)
    return combine_folds(config, clean, run_folds(config, clean, count))
