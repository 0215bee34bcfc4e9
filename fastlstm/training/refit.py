"""Train the chosen network again on train and validation windows."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.split import LEARNED
from fastlstm.network.compiling import compile_network
from fastlstm.network.ensemble import trained_by_member
from fastlstm.network.fused_lstm import fused
from fastlstm.network.keras_import import import_keras
from fastlstm.training.callbacks import OnEvent, progress_callback, state_callback
from fastlstm.training.checkpoint import earlier_state, state_files
from fastlstm.training.class_weights import class_weights_in
from fastlstm.training.input_pipeline import Epoch, steps_of_an_epoch, tf_dataset
from fastlstm.windows.source import WindowSource

if TYPE_CHECKING:
    import keras


def train_again(
    chosen: keras.Model,
    first_weights: list[np.ndarray],
    rates: list[float],
    dataset: WindowSource,
    hp: Hyperparameters,
    on_event: OnEvent,
    *,
    loss: Any,
    strategy: Any,
    verbose: str | int,
    checkpoint: Path | None,
) -> tuple[keras.Model | None, str]:
    """A network like the chosen one, trained on train and validation windows from its first weights.

    Args:
        chosen: the network that validation chose; stays as it is.
        first_weights: what its training began with.
        rates: the learning rates of its epochs, of which there are as many here.
        dataset: the windows, weighted as the loss asks.
        hp: network and training.
        on_event: told of progress.
        loss: as of ``fit``, like all below.
        strategy: a ``tf.distribute.Strategy``.
        verbose: Keras' own progress output.
        checkpoint: file of the state of the training that chose.

    Returns:
        The network, None where Ctrl-C ended its training; and what to tell of a resumed one.
    """
    keras = import_keras()
    steps = steps_of_an_epoch(dataset, LEARNED, hp)
    with strategy.scope() if strategy is not None else nullcontext():
        model = copy_network(chosen, first_weights)
        fitted = trained_by_member(model, hp.seed)
        compile_network(fitted, hp, steps, loss)
    file = None if checkpoint is None else state_files(checkpoint)[1]
    state, note = earlier_state(file, fitted)
    epoch_now = Epoch()
    train = tf_dataset(dataset, LEARNED, hp, class_weights_in(dataset, LEARNED, hp), epoch_now)
    told = hp.model_copy(update={"epochs": len(rates)})
    progress = progress_callback(told, steps, lambda e: on_event({**e, "refit": True}), epoch_now)
    progress.rows = list(state.rows) if state else []
    used = [progress]
    if hp.learning_rate_schedule in ("constant", "reduce_on_plateau"):
        # Nothing is validated, so the plateaus are those of the training before.
        rate_of = keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])
        used.insert(0, rate_of)
    if file is not None:
        begin = time.monotonic() - (state.seconds if state else 0.0)
        used.append(state_callback(file, {}, None, progress, begin, None))
    try:
        with fused(fitted, hp.lstm_implementation):
            fitted.fit(
                train,
                initial_epoch=len(progress.rows),
                epochs=len(rates),
                shuffle=False,
                verbose=verbose,
                callbacks=used,
            )
    except KeyboardInterrupt:
        return None, ""
    return model, f"refit {note}" if note else ""


def copy_network(model: keras.Model, weights: list[np.ndarray]) -> keras.Model:
    """A network of the same layers, not compiled: Keras' own clone would carry the loss along."""
    copy = import_keras().Model.from_config(model.get_config())
    copy.set_weights(weights)
    return copy
