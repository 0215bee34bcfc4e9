"""A trained network and what its training found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.training.linear_component import Linear
from fastlstm.training.skill_test import SkillTest

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        model: the network: with the chosen epoch's weights, or trained anew for as many epochs on train
            and validation windows (``refit``).
        judged: the network that validation chose and judges: ``model`` itself but after a refit.
        history: of the training that validation judged, one row per epoch: ``epoch`` (from 1), losses,
            metrics, ``learning_rate``.
        best_epoch: the epoch whose weights the network has.
        stopped_early: whether early stopping ended the training.
        interrupted: whether Ctrl-C did; the epochs finished before it count.
        seconds: wall time of the training.
        note: that it went on from an earlier training's last epoch, or could not; else empty.
        proof: the network beside the naive value on validation; None where it need not prove itself.
        linear: what validation chose for the linear component; None where there is none.
        uncalibrated: outputs whose probabilities could not be calibrated, and why.
        warm_start: how a training from the champion's weights compared; see ``fastlstm.training.warm_start``.
    """

    model: keras.Model
    judged: keras.Model
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    interrupted: bool
    seconds: float
    note: str = ""
    skill: SkillTest | None = None
    uncalibrated: tuple[str, ...] = ()
    warm_start: dict[str, Any] | None = None
    linear: Linear | None = None

    @property
    def refitted(self) -> bool:
        """Whether the network has learned from validation windows too."""
        return self.model is not self.judged

    def best_value(self, hyperparameters: Hyperparameters) -> float:
        """The monitored validation score of the kept epoch."""
        row = self.history.iloc[self.best_epoch - 1]
        return float(row[hyperparameters.checkpoint_monitor_metric])
