"""The folds of a backtest: the rows each learns from and the rows it is tested on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError, DataError


@dataclass(frozen=True)
class Fold:
    """The rows of one fold; times in microseconds since 1970 (UTC), each end exclusive.

    Attributes:
        number: from 1.
        start: first train row.
        validation: first validation row.
        known: end of train and validation rows; from here to ``test`` is the gap.
        test: first test row.
        end: end of the test period.
    """

    number: int
    start: int
    validation: int
    known: int
    test: int
    end: int


def plan_folds(
    times: np.ndarray, hyperparameters: Hyperparameters, config: BacktestConfig
) -> list[Fold]:
    """The folds of a table.

    Args:
        times: time of each row in microseconds since 1970 (UTC), ``(n,)``, any order.
        hyperparameters: train and validation rates, whose ratio divides the rows before the gap.
        config: the backtest's settings.

    Raises:
        ConfigError: series are split each by itself.
        DataError: too few distinct times.
    """
    require_common_cuts(hyperparameters)
    distinct = np.unique(times)
    count = len(distinct)
    first = count - round(count * config.test_size_rate)
    bounds = np.linspace(first, count, config.folds + 1).round().astype(int)
    train = hyperparameters.train_size_rate
    train_share = train / (train + hyperparameters.validation_size_rate)
    time_of = [*distinct.tolist(), *(distinct[-1:] + 1).tolist()]
    folds = []
    for number, (test, end) in enumerate(pairwise(bounds.tolist()), start=1):
        start = 0 if config.window == "expanding" else test - first
        known = test - config.gap
        validation = start + int((known - start) * train_share)
        if not start < validation < known or end == test:
            raise DataError(
                f"backtest.folds: {count} distinct times are too few for fold {number} of "
                f"{config.folds} with test_size_rate {config.test_size_rate} and gap {config.gap}; "
                "lower folds or gap, or give more rows"
            )
        folds.append(
            Fold(
                number,
                start=time_of[start],
                validation=time_of[validation],
                known=time_of[known],
                test=time_of[test],
                end=time_of[end],
            )
        )
    return folds


def require_common_cuts(hyperparameters: Hyperparameters) -> None:
    """Refuse a backtest where series are split each by itself.

    Raises:
        ConfigError: they are.
    """
    if hyperparameters.split == "by_series":
        raise ConfigError(
            "hyperparameters.split: a backtest has test periods at one time for all series; set it to "
            "'at_time' for the backtest"
        )


def groups(folds: list[Fold], refit_every: int) -> list[list[Fold]]:
    """The folds in groups that share a training, of ``refit_every`` folds each."""
    return [folds[i : i + refit_every] for i in range(0, len(folds), refit_every)]
