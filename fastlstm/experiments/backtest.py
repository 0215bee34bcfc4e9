"""Backtest: the same settings trained and judged again and again, the origin rolling through time.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.10 (time series
cross-validation). Each fold has its own scalers, validation and training, all from rows before its test
period; test periods follow each other without overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, TIME
from fastlstm.data.scaling import Scalers, fit_scalers
from fastlstm.data.split import Cuts
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.evaluation.evaluate import evaluate
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.experiments.backtest_summary import Backtest, FoldResult, summarise
from fastlstm.experiments.folds import Fold, groups, plan_folds
from fastlstm.training.setup import OnEvent
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows


@dataclass(frozen=True)
class Rows:
    """A checked table, sorted by series and time.

    Attributes:
        frame: ``__series``, ``__time``, ``__segment``.
        x: features, unscaled.
        y: targets, unscaled.
        sample_weight: weight of each row, or None.
        time_unit: ``'row'`` where the times are row numbers.
    """

    frame: pd.DataFrame
    x: pd.DataFrame
    y: pd.DataFrame
    sample_weight: np.ndarray | None = None
    time_unit: str = "us"


def _windows(rows: Rows, fold: Fold, scalers: Scalers, settings: RetrainConfig) -> RowWindows:
    data, hp = settings.data, settings.hyperparameters
    times = microseconds(rows.frame[TIME])
    chosen = np.flatnonzero((times >= fold.start) & (times < fold.end))
    return RowWindows(
        rows.frame.iloc[chosen].reset_index(drop=True),
        scalers.features(rows.x.iloc[chosen]),
        scalers.targets(rows.y.iloc[chosen], data.targets),
        features=data.features,
        targets=data.targets,
        timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead,
        cuts=Cuts(fold.validation, fold.test),
        lookahead=data.lookahead,
        usable=_clear_of_gap(times[chosen], rows.frame[SEGMENT].to_numpy()[chosen], fold, settings),
        sample_weight=None if rows.sample_weight is None else rows.sample_weight[chosen],
        time_unit=rows.time_unit,
    )


def _clear_of_gap(
    times: np.ndarray, segment: np.ndarray, fold: Fold, settings: RetrainConfig
) -> np.ndarray:
    """Which origins have no target row in the gap: those are neither learned from nor scored."""
    in_gap = (times >= fold.known) & (times < fold.test)
    touched = np.zeros(len(times), bool)
    for ahead in range(settings.hyperparameters.steps_ahead + settings.data.lookahead):
        here = len(times) - ahead
        touched[:here] |= in_gap[ahead:] & (segment[ahead:] == segment[:here])
    return ~touched


def evaluate_folds(
    rows: Rows,
    folds: list[Fold],
    settings: RetrainConfig,
    on_event: OnEvent = lambda _: None,
    *,
    before: tuple[Any, Scalers] | None = None,
    strategy: Any = None,
    loss: Any = None,
    verbose: str | int = 0,
) -> tuple[list[FoldResult], tuple[Any, Scalers]]:
    """Train on the first of some folds and score all of them.

    Args:
        rows: the table.
        folds: folds that share one training.
        settings: network, training, and how it is judged.
        on_event: told of progress; see ``fastlstm.training.fit.fit``.
        before: network and scalers of the group before it, to begin from; None begins anew.
        strategy: a ``tf.distribute.Strategy`` to train under.
        loss: a Keras loss object in place of the named one.
        verbose: Keras' own progress output.

    Returns:
        The folds judged, and with its scalers the network that another group may begin from.

    Raises:
        DataError: a split of a fold holds no window.
    """
    first, hp = folds[0], settings.hyperparameters
    # Nobody looks at what each fold's network looks at.
    judging = settings.evaluation.model_copy(update={"explain_windows": 0})
    settings = settings.model_copy(update={"evaluation": judging})
    if before is None:
        model, scalers = None, _scalers(rows, first, settings)
    else:
        model, scalers = before
    table = TargetTable.of(rows.frame, rows.y)
    windows = _windows(rows, first, scalers, settings)
    trained = fit(windows, hp, on_event, model=model, strategy=strategy, loss=loss, verbose=verbose)
    networks = EvaluatedNetworks(trained.model, trained.chosen)
    judged = []
    for fold in folds:
        if fold is not first:
            windows = _windows(rows, fold, scalers, settings)
        found = evaluate(networks, windows, scalers, table, settings)
        judged.append(
            FoldResult(fold, found.metrics, found.predictions, first.number, len(trained.history))
        )
    # The next group's validation may hold rows of this one's, which a refit has learned from.
    return judged, (trained.chosen, scalers)


def run_backtest(
    rows: Rows, settings: RetrainConfig, strategy: Any = None, loss: Any = None,
    verbose: str | int = 0,
) -> Backtest:  # fmt: skip
    """All folds one after the other in this process; arguments as of ``evaluate_folds``."""
    times = microseconds(rows.frame[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    judged: list[FoldResult] = []
    before = None
    for group in groups(folds, settings.backtest.refit_every):
        made, network = evaluate_folds(
            rows, group, settings, before=before, strategy=strategy, loss=loss, verbose=verbose
        )
        judged += made
        before = network if settings.backtest.warm_start else None
    return summarise(judged, settings, rows.time_unit)


def _scalers(rows: Rows, fold: Fold, settings: RetrainConfig) -> Scalers:
    times = microseconds(rows.frame[TIME])
    known = label_end(times, rows.frame[SEGMENT].to_numpy(), settings.data.lookahead)
    mine = times >= fold.start
    later = later_times(times, rows.frame[SEGMENT].to_numpy(), settings.data.ahead_columns)
    return fit_scalers(
        rows.x[mine], rows.y[mine], times[mine], known[mine], Cuts(fold.validation, fold.test),
        settings.hyperparameters, {name: at[mine] for name, at in later.items()},
    )  # fmt: skip
