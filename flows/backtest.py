"""The flow ``backtest``: the settings trained and judged again and again through time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.caching import verified
from tasks.check_source import check_source
from tasks.combine_folds import combine_folds
from tasks.load import load
from tasks.notify import ended, failed, flow_run_name
from tasks.plan_folds import plan_folds
from tasks.settings import PipelineConfig
from tasks.task_runners import run_folds
from tasks.validate import validate

_DAY = 24 * 3600


@flow(
    name="backtest",
    flow_run_name=flow_run_name,
    timeout_seconds=_DAY,
    # A few hundred bytes; a state that is read back from a busy server has no result otherwise.
    persist_result=True,
    result_serializer="json",
)
def backtest(config: PipelineConfig) -> Any:
    """Roll the origin through the table: train and judge every fold beside the baselines.

    Nothing is stored or promoted. Folds that were finished before are used again.

    Args:
        config: All settings; those of ``backtest`` say how the origin rolls.

    Returns:
        A completed state that says what was found; its result is a ``BacktestOutcome``.
    """
    placed = absolute(config, Path.cwd())
    try:
        source = check_source(placed, full=True)
        clean = verified(validate, placed, verified(load, placed, source))
        count = plan_folds(placed, clean)
        return ended(combine_folds(placed, clean, run_folds(placed, clean, count)))
    except FastLSTMError as error:
        return failed(error)
