"""A trained network and what was found while it was trained and selected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    import keras


class Finding(Protocol):
    """What a selection step found; see ``fastlstm.training.selection``."""

    def facts(self) -> dict[str, Any]:
        """Its entries of ``training.json``."""


FindingType = TypeVar("FindingType")


def finding_of(findings: Iterable[Finding], kind: type[FindingType]) -> FindingType | None:
    """The finding of a kind, or None where no step found one."""
    return next((finding for finding in findings if isinstance(finding, kind)), None)


@dataclass(frozen=True)
class InitialState:
    """A compiled network, and the values that its variables had before its first gradient step.

    Attributes:
        compiled: the model that was fitted; it shares its layers with the network.
        values: of ``fastlstm.training.checkpoint.variables_of``; None where all are 0.
    """

    compiled: keras.Model
    values: list[np.ndarray | None]


@dataclass(frozen=True)
class Training:
    """One training on the train windows, before the selection steps.

    Attributes:
        network: the network with the best epoch's weights.
        first_weights: the weights its training began with; empty without ``refit``.
        history: one row per epoch: ``epoch`` (from 1), losses, metrics, ``learning_rate``.
        best_epoch: the epoch whose weights the network has.
        stopped_early: whether early stopping ended the training.
        interrupted: whether Ctrl-C ended it; the epochs finished before it count.
        seconds: wall time, that of the interrupted training that it went on from included.
        note: that it went on from a checkpoint, or could not; else empty.
        initial_state: from which the same training can begin again; None without ``refit``.
    """

    network: keras.Model
    first_weights: list[np.ndarray]
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    interrupted: bool
    seconds: float
    note: str
    initial_state: InitialState | None = None

    def best_value(self, hyperparameters: Hyperparameters) -> float:
        """The monitored validation score of the kept epoch."""
        row = self.history.iloc[self.best_epoch - 1]
        return float(row[hyperparameters.checkpoint_monitor_metric])


@dataclass(frozen=True)
class Trained:
    """A trained network after the selection steps.

    Attributes:
        model: the network to use: ``chosen``, or after a refit the one retrained for as many epochs on
            train and validation windows.
        chosen: the network with the epoch that validation chose; it has learned from train windows
            alone, so validation may score it.
        history: of the training of ``chosen``, one row per epoch: ``epoch`` (from 1), losses, metrics,
            ``learning_rate``.
        best_epoch: the epoch whose weights ``chosen`` has.
        stopped_early: whether early stopping ended the training.
        interrupted: whether Ctrl-C ended the training or the refit; the epochs finished before it count.
        seconds: wall time of all, a second training from a champion's weights included.
        note: that the training went on from a checkpoint, or could not; else empty.
        findings: what the selection steps found, in their order.
    """

    model: keras.Model
    chosen: keras.Model
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    interrupted: bool
    seconds: float
    note: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def refitted(self) -> bool:
        """Whether the network has learned from validation windows too."""
        return self.model is not self.chosen

    def finding(self, kind: type[FindingType]) -> FindingType | None:
        """What a selection step found, by the finding's class; None where the step did not apply."""
        return finding_of(self.findings, kind)

    def facts(self) -> dict[str, Any]:
        """The content of ``training.json``."""
        facts: dict[str, Any] = {
            "epochs": len(self.history),
            "best_epoch": self.best_epoch,
            "stopped_early": self.stopped_early,
            "interrupted": self.interrupted,
            "parameters": self.model.count_params(),
            "seconds": round(self.seconds, 2),
        }
        if self.note:
            facts["note"] = self.note
        for finding in self.findings:
            facts |= finding.facts()
        return facts
