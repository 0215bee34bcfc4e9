"""The interface of what validation decides after a training.

Each decision is a step with the methods of ``SelectionStep``; ``fastlstm.training.selection_steps``
lists them in order, and ``fastlstm.training.fit`` runs the list. A new decision is a class with this
interface and an entry in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fastlstm.training.result import Finding, FindingType, Trained, Training, finding_of
from fastlstm.training.setup import TrainingSetup

if TYPE_CHECKING:
    import keras


@dataclass
class SelectionContext:
    """What the selection steps read and change.

    Attributes:
        setup: windows, settings and options of the training.
        training: the training whose network is kept so far.
        train: trains another network with the same setup, from given weights: its network and the file
            of its checkpoint to a training.
        refitted: the network retrained on train and validation windows; None without a refit.
        interrupted: whether Ctrl-C ended a step.
        notes: what the user should know about the steps.
        findings: what the steps before found.
    """

    setup: TrainingSetup
    training: Training
    train: Callable[[keras.Model, Path | None], Training]
    refitted: keras.Model | None = None
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def chosen(self) -> keras.Model:
        """The network that validation chose; it has not learned from validation windows."""
        return self.training.network

    @property
    def networks(self) -> list[Any]:
        """The networks that a decision changes: the chosen one, and the refitted one if there is one."""
        return [self.chosen] if self.refitted is None else [self.chosen, self.refitted]

    def finding(self, kind: type[FindingType]) -> FindingType | None:
        """What a step before found, by the finding's class; None where it did not apply."""
        return finding_of(self.findings, kind)

    def result(self, seconds: float) -> Trained:
        """The trained network after all steps.

        Args:
            seconds: wall time of all.
        """
        training = self.training
        return Trained(
            self.networks[-1],
            self.chosen,
            training.history,
            training.best_epoch,
            training.stopped_early,
            training.interrupted or self.interrupted,
            seconds,
            "; ".join(filter(None, (training.note, *self.notes))),
            tuple(self.findings),
        )


class SelectionStep(Protocol):
    """One decision by validation after a training."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether settings and network call for this step."""

    def run(self, context: SelectionContext) -> Finding | None:
        """Decide, change the context's networks accordingly, and return what was found."""
