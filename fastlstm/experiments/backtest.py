"""Backtest: train and score the same settings on several test periods, one after the other.

Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., section 5.10 (time series
cross-validation). Scalers, validation and training of a fold use rows before its test period; test
periods follow each other without overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import Scalers, SeriesOfRows, beginnings, fit_scalers
from fastlstm.data.seasons import FoundSeasons, SeasonSearch
from fastlstm.data.split import Cuts
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.evaluation.evaluate import evaluate
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.experiments.backtest_summary import Backtest, FoldResult, summarise
from fastlstm.experiments.folds import Fold, groups, plan_folds
from fastlstm.training.fit import fit
from fastlstm.training.setup import OnEvent
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


class StartingPoint(NamedTuple):
    """A network that a training may start from, and the scalers of its inputs and outputs."""

    network: Any
    scalers: Scalers


@dataclass(frozen=True)
class FoldRows:
    """The scaled rows of a fold, of a table or of one shard of it.

    Attributes:
        chosen: their numbers among the given rows, ``(n,)``.
        frame: ``__series``, ``__time``, ``__segment``.
        x: scaled features, float32 ``(n, n_features)``.
        y: targets as the network learns them, float32 ``(n, n_targets)``.
        usable: whether a window whose first target row this is has no target row in the gap, ``(n,)``.
    """

    chosen: np.ndarray
    frame: pd.DataFrame
    x: np.ndarray
    y: np.ndarray
    usable: np.ndarray

    @classmethod
    def of(cls, rows: Rows, fold: Fold, scalers: Scalers, settings: RetrainConfig) -> FoldRows:
        """Choose and scale the rows of a fold; its series have scales (see ``with_new_series``)."""
        data, times = settings.data, microseconds(rows.frame[TIME])
        chosen = np.flatnonzero((times >= fold.start) & (times < fold.end))
        series = rows.frame[SERIES].to_numpy()[chosen]
        block = rows.frame[SEGMENT].to_numpy()[chosen]
        return cls(
            chosen,
            rows.frame.iloc[chosen].reset_index(drop=True),
            scalers.features(rows.x.iloc[chosen], series),
            scalers.targets(rows.y.iloc[chosen], data.targets, series),
            _clear_of_gap(times[chosen], block, fold, settings),
        )


def _windows(rows: Rows, fold: Fold, scalers: Scalers, settings: RetrainConfig) -> RowWindows:
    """The windows of a fold, cut from its own rows."""
    data, hp = settings.data, settings.hyperparameters
    own = FoldRows.of(rows, fold, scalers, settings)
    return RowWindows(
        own.frame,
        own.x,
        own.y,
        features=data.features,
        targets=data.targets,
        timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead,
        cuts=Cuts(fold.validation, fold.test),
        lookahead=data.lookahead,
        usable=own.usable,
        sample_weight=None if rows.sample_weight is None else rows.sample_weight[own.chosen],
        time_unit=rows.time_unit,
        seasons=_seasons(rows, own.chosen, fold, settings),
    )


def _seasons(rows: Rows, chosen: np.ndarray, fold: Fold, settings: RetrainConfig) -> FoundSeasons:
    """The seasons of a fold's own train rows, of the rows ``chosen`` for it, ``(n,)``."""
    data, hp = settings.data, settings.hyperparameters
    if not hp.is_regressor:
        return FoundSeasons()
    search = SeasonSearch(
        data.frequency, settings.evaluation.season_length, hp.steps_ahead, data.lookahead
    )
    targets = rows.y.iloc[chosen][data.targets]
    return search.in_table(rows.frame.iloc[chosen], targets, fold.validation)


def _clear_of_gap(
    times: np.ndarray, block: np.ndarray, fold: Fold, settings: RetrainConfig
) -> np.ndarray:
    """Which windows have no target row in the gap, by their first target row, ``(n,)``.

    The others are neither learned from nor scored.
    """
    in_gap = (times >= fold.known) & (times < fold.test)
    overlaps = np.zeros(len(times), bool)
    for ahead in range(settings.hyperparameters.steps_ahead + settings.data.lookahead):
        count = len(times) - ahead
        overlaps[:count] |= in_gap[ahead:] & (block[ahead:] == block[:count])
    return ~overlaps


def evaluate_folds(
    rows: Rows,
    folds: list[Fold],
    settings: RetrainConfig,
    on_event: OnEvent = lambda _: None,
    *,
    before: StartingPoint | None = None,
    strategy: Any = None,
    loss: Any = None,
    verbose: str | int = 0,
) -> tuple[list[FoldResult], StartingPoint]:
    """Train on the first of some folds and score all of them.

    Args:
        rows: the table.
        folds: folds that share one training.
        settings: network, training and evaluation.
        on_event: receives the events of the training; see ``fastlstm.training.fit.fit``.
        before: where the training starts, from an earlier group of folds; None for new weights.
        strategy: a ``tf.distribute.Strategy`` to train under.
        loss: a Keras loss object in place of the named one.
        verbose: Keras' own progress output.

    Returns:
        The results of the folds, and where the training of another group may start.

    Raises:
        DataError: a split of a fold holds no window.
    """
    first, hp = folds[0], settings.hyperparameters
    settings = without_importance(settings)
    network, scalers = before or (None, _scalers(rows, first, settings))
    scalers = with_new_series(scalers, rows, first, settings)
    table = TargetTable.of(rows.frame, rows.y)
    windows = _windows(rows, first, scalers, settings)
    trained = fit(
        windows, hp, on_event, model=network, strategy=strategy, loss=loss, verbose=verbose
    )
    networks = EvaluatedNetworks(trained.model, trained.chosen)
    epochs, results = len(trained.history), []
    for fold in folds:
        if fold is not first:
            scalers = with_new_series(scalers, rows, fold, settings)
            windows = _windows(rows, fold, scalers, settings)
        evaluated = evaluate(networks, windows, scalers, table, settings)
        results.append(
            FoldResult(fold, evaluated.metrics, evaluated.predictions, first.number, epochs)
        )
    # A refit network has learned from rows that may be validation rows of the next group.
    return results, StartingPoint(trained.chosen, scalers)


def run_backtest(
    rows: Rows, settings: RetrainConfig, strategy: Any = None, loss: Any = None,
    verbose: str | int = 0,
) -> Backtest:  # fmt: skip
    """All folds one after the other in this process; for the arguments see ``evaluate_folds``."""
    times = microseconds(rows.frame[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    results: list[FoldResult] = []
    before = None
    for group in groups(folds, settings.backtest.refit_every):
        of_group, trained = evaluate_folds(
            rows, group, settings, before=before, strategy=strategy, loss=loss, verbose=verbose
        )
        results += of_group
        before = trained if settings.backtest.warm_start else None
    return summarise(results, settings, rows.time_unit)


def _scalers(rows: Rows, fold: Fold, settings: RetrainConfig) -> Scalers:
    """Scalers fitted on the train rows of a fold."""
    data, times = settings.data, microseconds(rows.frame[TIME])
    block = rows.frame[SEGMENT].to_numpy()
    label_known = label_end(times, block, data.lookahead)
    later = later_times(times, block, data.ahead_columns)
    in_fold = times >= fold.start
    return fit_scalers(
        rows.x[in_fold], rows.y[in_fold], times[in_fold], label_known[in_fold],
        Cuts(fold.validation, fold.test), settings.hyperparameters,
        {name: of_rows[in_fold] for name, of_rows in later.items()},
        None if data.series is None
        else SeriesOfRows(rows.frame[SERIES].to_numpy()[in_fold], data.scaled_alike),
    )  # fmt: skip


def without_importance(settings: RetrainConfig) -> RetrainConfig:
    """The settings of a fold: nothing reads its feature importance."""
    evaluation = settings.evaluation.model_copy(update={"explain_windows": 0})
    return settings.model_copy(update={"evaluation": evaluation})


def with_new_series(scalers: Scalers, rows: Rows, fold: Fold, settings: RetrainConfig) -> Scalers:
    """Scalers with the series of a fold that the fold they were fitted in did not have.

    Args:
        scalers: fitted in this fold or in an earlier one.
        rows: of the table, or of one shard of it.
        fold: whose rows scale its new series.
        settings: all settings.
    """
    times, series = microseconds(rows.frame[TIME]), rows.frame[SERIES].to_numpy()
    in_fold = (times >= fold.start) & (times < fold.end)
    train = times[in_fold] < fold.validation
    known = train | beginnings(series[in_fold], train, settings.hyperparameters.timesteps)
    columns = pd.concat([rows.x, rows.y[[n for n in rows.y if n not in rows.x]]], axis=1)
    return scalers.extended(columns[in_fold], series[in_fold], known)
