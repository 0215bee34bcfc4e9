"""The steps of one model, from its source to the decision on its promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.combine_folds import combine_folds
from tasks.evaluate import evaluate
from tasks.evaluate_folds import evaluate_folds
from tasks.find_champion import find_champion
from tasks.load import load, with_resolved_columns
from tasks.plan_folds import plan_folds
from tasks.promote import promote, with_left_out
from tasks.references import Outcome, Source, StepOutput
from tasks.refit import refit
from tasks.save import save
from tasks.scale import scale
from tasks.settings import PipelineConfig
from tasks.train import train
from tasks.validate import validate
from tasks.windows import windows


class Running(NamedTuple):
    """How steps are run: as tasks of Prefect, or by a worker that Prefect does not know.

    Attributes:
        cached: runs a task whose output may exist already.
        task: runs any other task.
        folds: runs the trainings of a backtest; from settings, clean rows and their number.
    """

    cached: Callable[..., StepOutput]
    task: Callable[..., Any]
    folds: Callable[[PipelineConfig, StepOutput, int], list[StepOutput]]


def _called(task: Any, *arguments: Any) -> Any:
    """Run a task's function without Prefect."""
    return task.fn(*arguments)


def _folds_in_turn(config: PipelineConfig, clean: StepOutput, count: int) -> list[StepOutput]:
    outputs: list[StepOutput] = []
    for part in range(count):
        before = outputs[-1] if outputs and config.backtest.warm_start else None
        outputs.append(_called(evaluate_folds, config, clean, part, before))
    return outputs


WITHOUT_PREFECT = Running(_called, _called, _folds_in_turn)


def train_and_decide(config: PipelineConfig, source: Source, running: Running) -> Outcome:
    """Train, evaluate and store a model, and promote it or keep the champion.

    Args:
        config: all settings.
        source: the rows.
        running: how the steps are run.
    """
    cached, task, folds = running
    table = cached(load, config, source)
    config = with_resolved_columns(config, table)
    clean = cached(validate, config, table)
    scaled = cached(scale, config, clean)
    dataset = cached(windows, config, scaled)
    champion = task(find_champion, config) if config.warm_start else None
    network = cached(train, config, dataset, champion)
    evaluation = cached(evaluate, config, network, dataset, scaled, clean)
    served = None
    if config.hyperparameters.refit == "all":
        served = cached(refit, config, network, dataset, evaluation)
    run = task(save, config, source, clean, scaled, network, evaluation, served)
    tested = None
    if config.backtest.decides:
        parts = folds(config, clean, task(plan_folds, config, clean))
        tested = task(combine_folds, config, clean, parts)
    return with_left_out(task(promote, config, run, clean, tested), clean, dataset)
