"""Train a network on a window dataset; validation alone chooses epoch, stop and learning rate."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.split import LEARNED
from fastlstm.network.architecture import Architecture, resolve
from fastlstm.network.build import build_network
from fastlstm.network.compiling import compile_network
from fastlstm.network.ensemble import trained_by_member
from fastlstm.network.fused_lstm import fused
from fastlstm.network.keras_import import import_keras
from fastlstm.training.calibration import calibrate
from fastlstm.training.callbacks import (
    OnEvent,
    averaging_callback,
    progress_callback,
    state_callback,
)
from fastlstm.training.checkpoint import earlier_state
from fastlstm.training.class_weights import class_weights_in
from fastlstm.training.input_pipeline import Epoch, steps_of_an_epoch, tf_dataset
from fastlstm.training.linear_component import (
    Linear,
    Penalty,
    best_linear_weight,
    set_linear_weight,
    solve,
)
from fastlstm.training.refit import train_again
from fastlstm.training.result import Trained
from fastlstm.training.series_weights import scaled_source
from fastlstm.training.skill_test import SkillTest, run_skill_test, set_gate
from fastlstm.training.validation_errors import validation_errors
from fastlstm.windows.source import WindowSource

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
) -> Trained:
    """Train a network on the train windows, judged each epoch on validation.

    The test windows are never read. With the same dataset, hyperparameters and seed the numbers are
    the same on the same machine. Ctrl-C after a finished epoch ends the training in order; a refit is
    then not begun, or given up.

    Args:
        dataset: the windows.
        hyperparameters: network and training.
        on_event: told of progress: ``{'event': 'batch' | 'epoch', 'epoch': …, 'epochs': …,
            'loss': …, …}``, with ``'refit': True`` while it trains on validation windows too.
        model: a network to go on training; without it one is built.
        loss: a Keras loss object in place of ``hyperparameters.loss``.
        callbacks: more Keras callbacks.
        strategy: a ``tf.distribute.Strategy`` to build and train under.
        verbose: Keras' own progress output.
        checkpoint: file that holds the training's state after each epoch. Where it exists, the
            training goes on from it, with the numbers it would have had without the interruption.
            It must be of the same dataset, hyperparameters and code; see ``fastlstm.training.checkpoint``. A
            refit's state lies beside it (``state_files``).

    Raises:
        TrainingError: the loss is not finite.
        DataError: 'balanced' class weights with a class absent from train.
        ConfigError: ``loss_scaling`` does not fit the windows; see ``fastlstm.training.series_weights``.
    """
    keras = import_keras()
    import tensorflow as tf

    hp = hyperparameters
    dataset = scaled_source(dataset, hp)
    keras.utils.set_random_seed(hp.seed)
    tf.config.experimental.enable_op_determinism()
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    steps = steps_of_an_epoch(dataset, "train", hp)
    with strategy.scope() if strategy is not None else nullcontext():
        if model is None:
            model = build_network(hp, *columns, dataset.count("train"))
        fitted = trained_by_member(model, hp.seed)
        compile_network(fitted, hp, steps, loss)
    set_gate(model, opened=True)
    set_linear_weight(model, 0.0)
    first_weights = model.get_weights() if hp.refit else []
    epoch_now = Epoch()
    train = tf_dataset(dataset, "train", hp, class_weights_in(dataset, "train", hp), epoch_now)
    validation = tf_dataset(dataset, "validation", hp, None, None)
    progress = progress_callback(hp, steps, on_event, epoch_now)
    stopper = keras.callbacks.EarlyStopping(
        monitor=hp.early_stop_monitor_metric,
        mode=hp.early_stop_mode,
        patience=hp.early_stop_patience,
    )
    state, note = earlier_state(checkpoint, fitted)
    begin = time.monotonic() - (state.seconds if state else 0.0)
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="fastlstm-") as folder:
        best = Path(folder) / "best.weights.h5"
        used = [
            keras.callbacks.ModelCheckpoint(
                str(best),
                monitor=hp.checkpoint_monitor_metric,
                mode=hp.checkpoint_mode,
                save_best_only=hp.save_best_only,
                save_weights_only=True,
            ),
            stopper,
        ]
        if hp.learning_rate_schedule == "reduce_on_plateau":
            used.append(
                keras.callbacks.ReduceLROnPlateau(
                    monitor="val_loss",
                    mode="min",
                    factor=hp.learning_rate_factor,
                    patience=hp.learning_rate_patience,
                )
            )
        averaging = [] if hp.ema_momentum is None else [averaging_callback()]
        keeping = []
        if checkpoint is not None:
            named = {type(callback).__name__: callback for callback in used}
            keeping = [state_callback(checkpoint, named, best, progress, begin, state)]
        if state is not None:
            best.write_bytes(state.best)
            progress.rows = list(state.rows)
        try:
            if state is None or not state.stopped:
                with fused(fitted, hp.lstm_implementation):
                    fitted.fit(
                        train,
                        validation_data=validation,
                        initial_epoch=len(progress.rows),
                        epochs=hp.epochs,
                        shuffle=False,  # the windows come shuffled
                        verbose=verbose,
                        # Progress comes after the others: an epoch it noted has its best weights.
                        callbacks=[*used, *callbacks, *averaging, progress, *keeping],
                    )
        except KeyboardInterrupt:
            if not progress.rows:
                raise
            interrupted = True
        fitted.load_weights(str(best))
    del train, validation  # their rows, which a refit has in memory once more
    history = pd.DataFrame(progress.rows)
    monitored = history[hp.checkpoint_monitor_metric]
    best_row = monitored.argmin() if hp.checkpoint_mode == "min" else monitored.argmax()
    best_epoch = int(best_row) + 1 if hp.save_best_only else len(history)
    networks = [model]
    if hp.refit:
        again, more = None, ""
        if not interrupted:
            rates = history["learning_rate"].tolist()[:best_epoch]
            again, more = train_again(
                model, first_weights, rates, dataset, hp, on_event, loss=loss, strategy=strategy,
                verbose=verbose, checkpoint=checkpoint,
            )  # fmt: skip
        if again is None:
            interrupted, more = True, "interrupted, so not trained anew with the validation windows"
        else:
            networks.append(again)
        note = "; ".join(filter(None, (note, more)))
    architecture = resolve(hp, *columns, dataset.count("train"))
    penalty = solve(model, dataset, "train", architecture)
    for network in networks[1:]:
        solve(network, dataset, LEARNED, architecture, penalty)
    linear, skill = _judged(model, dataset, architecture, penalty)
    for network in networks:
        if linear is not None:
            set_linear_weight(network, linear.share)
        if skill is not None:
            set_gate(network, opened=skill.is_better())
    # Of a loss object it is not known whether it asks for probabilities.
    unknown = loss is not None and hp.calibration == "auto"
    uncalibrated = [] if unknown else calibrate(model, dataset, hp, networks[1:])
    return Trained(
        networks[-1],
        model,
        history,
        best_epoch,
        stopper.stopped_epoch > 0 or (state is not None and state.stopped),
        interrupted,
        time.monotonic() - begin,
        note,
        skill,
        tuple(uncalibrated),
        linear=linear,
    )


def _judged(
    model: keras.Model, dataset: WindowSource, architecture: Architecture, penalty: Penalty | None
) -> tuple[Linear | None, SkillTest | None]:
    """What validation says of the linear component, and of the network beside the naive value."""
    if penalty is None and not architecture.naive_unless_better:
        return None, None
    errors = validation_errors(model, dataset, architecture)
    linear, share = None, 0.0
    if penalty is not None:
        by_share = {share: found.all_steps for share, found in errors.network.items()}
        share = best_linear_weight(by_share, dataset.weights("validation"))
        linear = Linear(penalty, share)
    return linear, run_skill_test(errors, share) if architecture.naive_unless_better else None
