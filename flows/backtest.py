"""The flow ``backtest``: the settings trained and judged again and again through time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from fastlstm.config.reading import absolute
from fastlstm.errors import FastLSTMError
from tasks.backtest import combine, plan, run_folds
from tasks.caching import verified
from tasks.data import load, look, validate
from tasks.reporting import ended, failed, flow_run_name
from tasks.settings import PipelineConfig

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
        source = look(placed, full=True)
        clean = verified(validate, placed, verified(load, placed, source))
        count = plan(placed, clean)
        return ended(combine(placed, clean, run_folds(placed, clean, count)))
    except FastLSTMError as error:
        return failed(error)
