"""Train a network on a window dataset; validation alone chooses epoch, stop and learning rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fastlstm.artifacts.scratch import ScratchFolder
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.network.combination import (
    COMBINATION,
    START,
    forecast_by_lstm_alone,
    has_other_forecasters,
    set_start,
)
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.keras_import import import_keras
from fastlstm.network.past_errors import PAST_ERRORS
from fastlstm.training.checkpoint import earlier_state, initial_values
from fastlstm.training.epochs import (
    compiled_network,
    run_epochs,
    train_batches,
    validation_batches,
)
from fastlstm.training.input_pipeline import Epoch, steps_of_an_epoch
from fastlstm.training.result import InitialState, Trained, Training
from fastlstm.training.selection import SelectionContext
from fastlstm.training.selection_steps import SELECTION_STEPS, STEPS_THAT_TRAIN
from fastlstm.training.setup import Champion, OnEvent, TrainingSetup
from fastlstm.windows.source import WindowSource, require_same_shape

if TYPE_CHECKING:
    import keras


def fit(
    dataset: WindowSource,
    hyperparameters: Hyperparameters,
    on_event: OnEvent = lambda _: None,
    *,
    model: keras.Model | None = None,
    loss: Any = None,
    callbacks: Sequence[Any] = (),
    strategy: Any = None,
    verbose: str | int = 0,
    checkpoint: Path | None = None,
    champion: Champion | None = None,
) -> Trained:
    """Train a network on the train windows, then run the steps that validation decides.

    Validation scores each epoch. The test windows are never read. With the same dataset,
    hyperparameters and seed the numbers are the same on the same machine. Ctrl-C after a finished epoch
    ends the training in order; a refit is then not begun, or abandoned.

    Args:
        dataset: the windows.
        hyperparameters: network and training.
        on_event: called with progress: ``{'event': 'batch' | 'epoch', 'epoch': …, 'epochs': …,
            'loss': …, …}``, with ``'refit': True`` while it trains on validation windows too.
        model: a network to go on training; without it one is built.
        loss: a Keras loss object in place of ``hyperparameters.loss``.
        callbacks: more Keras callbacks.
        strategy: a ``tf.distribute.Strategy`` to build and train under.
        verbose: Keras' own progress output.
        checkpoint: file that holds the training's state after each epoch. Where it exists, the
            training goes on from it, with the numbers it would have had without the interruption.
            It must be of the same dataset, hyperparameters and code. The states of a refit and of a
            warm start lie next to it; see ``fastlstm.training.checkpoint.state_files``.
        champion: a run whose weights a second training begins from; the better of the two on
            validation is kept. See ``fastlstm.training.warm_start``.

    Raises:
        TrainingError: the loss is not finite.
        DataError: 'balanced' class weights with a class absent from train.
        ConfigError: the windows were cut with another ``timesteps`` or ``steps_ahead``, or
            ``loss_scaling`` does not fit them; see ``fastlstm.training.series_weights``.
    """
    setup = TrainingSetup(
        dataset, hyperparameters, on_event, loss, callbacks, strategy, verbose, checkpoint, champion
    )
    require_same_shape(dataset, hyperparameters)
    training = _train(setup, model, checkpoint)
    begin = time.monotonic()
    context = SelectionContext(setup, training, train=partial(_train, setup))
    for step in SELECTION_STEPS if setup.is_chief else STEPS_THAT_TRAIN:
        if step.applies(context):
            finding = step.run(context)
            if finding is not None:
                context.findings.append(finding)
    return context.result(training.seconds + time.monotonic() - begin)


def _train(setup: TrainingSetup, given: keras.Model | None, checkpoint: Path | None) -> Training:
    """One training on the train windows, of a given network or a new one, to the best epoch."""
    from fastlstm.training.callbacks import Progress, SaveState, WeightAverages

    hp, dataset = setup.hyperparameters, setup.dataset
    _make_deterministic(hp.seed)
    network, compiled = compiled_network(setup, "train", lambda: _first_network(setup, given))
    _begin_with_lstm_alone(setup, network)
    first_weights = network.get_weights() if hp.refit is True else []
    initial_state = InitialState(compiled, initial_values(compiled)) if hp.refit is True else None

    epoch = Epoch()
    train = train_batches(setup, "train", epoch)
    validation = validation_batches(setup)

    state, note = earlier_state(checkpoint, compiled)
    begin = time.monotonic() - (state.seconds if state else 0.0)
    rows = list(state.rows) if state else []
    steps = steps_of_an_epoch(dataset, "train", hp)
    progress = Progress(hp, steps, setup.on_event, epoch, rows)
    interrupted = False
    with ScratchFolder() as folder:
        best = folder / "best.weights.h5"
        by_validation = _validation_callbacks(hp, best)
        averaging = [] if hp.ema_momentum is None else [WeightAverages()]
        saving = []
        if checkpoint is not None and setup.is_chief:
            saving = [SaveState(checkpoint, by_validation, best, progress, begin, state)]
        if state is not None:
            best.write_bytes(state.best)
        if state is None or not state.stopped:
            # Progress comes after the others: an epoch in the history has its best weights on disk.
            order = [*by_validation.values(), *setup.callbacks, *averaging, progress, *saving]
            interrupted = run_epochs(
                setup, compiled, train, first=len(rows), epochs=hp.epochs, callbacks=order,
                validation=validation,
            )  # fmt: skip
            if interrupted and not rows:
                raise KeyboardInterrupt
        compiled.load_weights(str(best))
    history = pd.DataFrame(rows)
    stopped_early = by_validation["EarlyStopping"].stopped_epoch > 0
    return Training(
        network=network,
        first_weights=first_weights,
        history=history,
        best_epoch=_best_epoch(history, hp),
        stopped_early=stopped_early or (state is not None and state.stopped),
        interrupted=interrupted,
        seconds=time.monotonic() - begin,
        note=note,
        initial_state=initial_state,
    )


def first_network(setup: TrainingSetup) -> keras.Model:
    """The network that a training begins with, without a champion."""
    _make_deterministic(setup.hyperparameters.seed)
    network = _new_network(setup)
    _begin_with_lstm_alone(setup, network)
    return network


def _begin_with_lstm_alone(setup: TrainingSetup, network: keras.Model) -> None:
    """Have the LSTM trained and scored alone; the combination's weights are chosen afterwards."""
    manifest = setup.dataset.manifest
    steps, targets = manifest["steps_ahead"], len(manifest["targets"])
    forecast_by_lstm_alone(network, setup.architecture, steps, targets)
    if setup.architecture.mixed_start:
        set_start(network, setup.naive_weights)


def _make_deterministic(seed: int) -> None:
    """Set every seed, and have TensorFlow use operations that give the same numbers each time."""
    keras = import_keras()
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _first_network(setup: TrainingSetup, given: keras.Model | None) -> keras.Model:
    """The network to train: the given one, or a new one, with the weights of a given one where that
    combines other forecasters."""
    manifest = setup.dataset.manifest
    steps, targets = manifest["steps_ahead"], len(manifest["targets"])
    if given is None:
        return _new_network(setup)
    if not has_other_forecasters(given, setup.architecture, steps, targets):
        return given
    network, layers = _new_network(setup), {layer.name: layer for layer in given.layers}
    for layer in network.layers:
        if layer.name not in (COMBINATION, START, LINEAR, PAST_ERRORS) and layer.name in layers:
            layer.set_weights(layers[layer.name].get_weights())
    return network


def _new_network(setup: TrainingSetup) -> keras.Model:
    """The network of a training's hyperparameters and columns."""
    manifest = setup.dataset.manifest
    return build_network(
        setup.hyperparameters,
        manifest["features"],
        manifest["targets"],
        setup.dataset.count("train"),
        setup.seasons,
    )


def _validation_callbacks(hp: Hyperparameters, best: Path) -> dict[str, Any]:
    """Keras' callbacks that follow validation, by the name under which a checkpoint keeps their state.

    Args:
        hp: what they monitor.
        best: file for the best epoch's weights.
    """
    keras = import_keras()
    callbacks = {
        "ModelCheckpoint": keras.callbacks.ModelCheckpoint(
            str(best),
            monitor=hp.checkpoint_monitor_metric,
            mode=hp.checkpoint_mode,
            save_best_only=hp.save_best_only,
            save_weights_only=True,
        ),
        "EarlyStopping": keras.callbacks.EarlyStopping(
            monitor=hp.early_stop_monitor_metric,
            mode=hp.early_stop_mode,
            patience=hp.early_stop_patience,
        ),
    }
    if hp.learning_rate_schedule == "reduce_on_plateau":
        callbacks["ReduceLROnPlateau"] = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss",
            mode="min",
            factor=hp.learning_rate_factor,
            patience=hp.learning_rate_patience,
        )
    return callbacks


def _best_epoch(history: pd.DataFrame, hp: Hyperparameters) -> int:
    """Number of the epoch whose weights are kept, from 1."""
    if not hp.save_best_only:
        return len(history)
    monitored = history[hp.checkpoint_monitor_metric]
    best = monitored.argmin() if hp.checkpoint_mode == "min" else monitored.argmax()
    return int(best) + 1
