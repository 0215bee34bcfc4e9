"""Retrain the chosen network on more windows than it was chosen with."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.data.split import LEARNED
from fastlstm.network.compiling import steps_at_once
from fastlstm.network.keras_import import import_keras
from fastlstm.training.checkpoint import earlier_state, refit_checkpoint, reset_variables
from fastlstm.training.epochs import compiled_network, run_epochs, train_batches
from fastlstm.training.input_pipeline import Epoch, steps_of_an_epoch
from fastlstm.training.result import Training
from fastlstm.training.selection import SelectionContext
from fastlstm.training.setup import TrainingSetup

if TYPE_CHECKING:
    import keras

# Schedules whose rates the refit takes from the training before: the first is constant, and of the
# second the plateaus were found by validation, which a refit does not have.
_RATES_OF_TRAINING = ("constant", "reduce_on_plateau")


@dataclass(frozen=True)
class Refit:
    """That the network to use was retrained on train and validation windows."""

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        return {"refit": True}


class RefitStep:
    """Retrain the chosen network on train and validation windows, for as many epochs (``refit``)."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether ``refit`` is true; with 'all' the network is retrained once test was scored, see
        ``fastlstm.training.refit_all``."""
        return context.setup.hyperparameters.refit is True

    def run(self, context: SelectionContext) -> Refit | None:
        """Add the retrained network to the context, unless Ctrl-C ends this or ended the training."""
        note, setup, training = "", context.setup, context.training
        initial = training.initial_state
        if (
            not training.interrupted
            and initial is not None
            and _same_steps(setup, initial.compiled)
        ):
            # What was traced for the training serves the refit too, and tracing takes seconds: the
            # network begins again from its initial state, and a copy of it is the chosen one.
            network = training.network
            context.training = replace(
                training, network=copy_network(network, network.get_weights())
            )
            reset_variables(initial.compiled, initial.values)
            context.refitted, note = _run(setup, training, LEARNED, network, initial.compiled)
        elif not training.interrupted:
            context.refitted, note = retrain(setup, training, LEARNED)
        if context.refitted is None:
            context.interrupted = True
            context.notes.append("interrupted, so not retrained with the validation windows")
            return None
        context.notes.append(note)
        return Refit()


def retrain(setup: TrainingSetup, training: Training, split: str) -> tuple[keras.Model | None, str]:
    """A network like the chosen one, trained on more windows from its first weights.

    Args:
        setup: windows, settings and options of both trainings.
        training: the training that validation scored; its network stays as it is.
        split: what it learns from.

    Returns:
        The network, None where Ctrl-C ended its training; and a note for the user where it went on from
        a checkpoint.
    """
    network, compiled = compiled_network(
        setup, split, lambda: copy_network(training.network, training.first_weights)
    )
    return _run(setup, training, split, network, compiled)


def _same_steps(setup: TrainingSetup, compiled: keras.Model) -> bool:
    """Whether a gradient step of the refit is computed as one that a network was compiled for."""
    hp = setup.hyperparameters
    steps = steps_of_an_epoch(setup.dataset, LEARNED, hp)
    return (
        setup.strategy is None
        # Other schedules count the steps of what they were compiled for.
        and hp.learning_rate_schedule in _RATES_OF_TRAINING
        and compiled.steps_per_execution == steps_at_once(steps)
    )


def _run(
    setup: TrainingSetup,
    training: Training,
    split: str,
    network: keras.Model,
    compiled: keras.Model,
) -> tuple[keras.Model | None, str]:
    """As ``retrain``, with a network that has its first weights, and the model to fit in its place."""
    from fastlstm.training.callbacks import Progress, SaveState

    keras = import_keras()
    hp = setup.hyperparameters
    rates = training.history["learning_rate"].tolist()[: training.best_epoch]
    file = None if setup.checkpoint is None else refit_checkpoint(setup.checkpoint)
    state, note = earlier_state(file, compiled)
    epoch = Epoch()
    progress = Progress(
        hp.model_copy(update={"epochs": len(rates)}),
        steps_of_an_epoch(setup.dataset, split, hp),
        lambda event: setup.on_event({**event, "refit": True}),
        epoch,
        list(state.rows) if state else [],
    )
    callbacks: list[Any] = [progress]
    if hp.learning_rate_schedule in _RATES_OF_TRAINING:
        callbacks.insert(0, keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch]))
    if file is not None and setup.is_chief:
        begin = time.monotonic() - (state.seconds if state else 0.0)
        callbacks.append(SaveState(file, {}, None, progress, begin, None))
    interrupted = run_epochs(
        setup, compiled, train_batches(setup, split, epoch), first=len(progress.rows),
        epochs=len(rates), callbacks=callbacks,
    )  # fmt: skip
    if interrupted:
        return None, ""
    return network, f"refit {note}" if note else ""


def copy_network(model: keras.Model, weights: list[np.ndarray]) -> keras.Model:
    """A network of the same layers, not compiled: Keras' own clone would copy the loss too."""
    copy = import_keras().Model.from_config(model.get_config())
    copy.set_weights(weights)
    return copy
