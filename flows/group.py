"""A worker's side of the step ``retrain group``: all steps of one model, without Prefect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.model_steps import WITHOUT_PREFECT, train_and_decide
from tasks.notify import relayed
from tasks.references import Source
from tasks.settings import PipelineConfig


def prepare() -> None:
    """Import what the steps need, which takes seconds; TensorFlow is not used."""
    import fastlstm.reporting.regression_figures
    import fastlstm.runs.writing
    import fastlstm.steps.compare
    import fastlstm.steps.evaluate
    import fastlstm.steps.refit  # noqa: F401
    from fastlstm.steps import train

    train.prepare()


def retrain_group(
    config: dict[str, Any], source: dict[str, Any], on_event: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Train, evaluate, store and decide; takes and returns JSON-like values.

    Args:
        config: the settings of the group.
        source: its rows, as ``tasks.references.Source``.
        on_event: receives the message of each step.

    Returns:
        The outcome, as ``tasks.references.Outcome``.
    """
    settings = PipelineConfig.model_validate(config)
    with relayed(on_event):
        found = train_and_decide(settings, Source.model_validate(source), WITHOUT_PREFECT)
    return found.model_dump()
