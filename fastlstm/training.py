"""Train a network on a window dataset; validation alone chooses epoch, stop and learning rate."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fastlstm.artifacts import write_json
from fastlstm.errors import DataError, TrainingError
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.network import build_network, compile_network, import_keras
from fastlstm.window_store import WindowDataset

if TYPE_CHECKING:
    import keras

MODEL_FILE, HISTORY_FILE, TRAINING_FILE = "model.keras", "history.csv", "training.json"
OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        model: the network with the chosen epoch's weights.
        history: one row per epoch: ``epoch`` (from 1), losses, metrics, ``learning_rate``.
        best_epoch: the epoch whose weights the network has.
        stopped_early: whether early stopping ended the training.
        seconds: wall time of the training.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    seconds: float


def class_weights(hyperparameters: Hyperparameters, y: np.ndarray) -> np.ndarray | None:
    """Weight of each class, or None.

    'balanced' is ``n / (n_classes * count)`` over the train windows (King and Zeng 2001, "Logistic
    Regression in Rare Events Data"; scikit-learn's ``class_weight='balanced'``).

    Args:
        hyperparameters: ``class_weight``.
        y: labels of the train windows: ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.

    Raises:
        DataError: a class has no train window.
    """
    chosen = hyperparameters.class_weight
    if chosen is None:
        return None
    classes = y.shape[1] if y.shape[1] > 1 else 2
    if chosen != "balanced":
        return np.array([chosen[c] for c in range(classes)], np.float32)
    labels = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise DataError(
            f"class {int(counts.argmin())} has no train window, so class_weight 'balanced' is "
            "undefined; give more rows or raise train_size_rate"
        )
    return np.asarray(len(labels) / (classes * counts), np.float32)


def fit(
    dataset: WindowDataset, hyperparameters: Hyperparameters, on_event: OnEvent = lambda _: None
) -> Trained:
    """Build a network and train it on the train windows, judged each epoch on validation.

    The test windows are never read. With the same dataset, hyperparameters and seed the numbers are
    the same on the same machine.

    Args:
        dataset: the windows.
        hyperparameters: network and training.
        on_event: told of progress: ``{'event': 'batch' | 'epoch', 'epoch': …, 'epochs': …,
            'loss': …, …}``.

    Raises:
        TrainingError: the loss is not finite.
        DataError: 'balanced' class weights with a class absent from train.
    """
    keras = import_keras()
    import tensorflow as tf

    hp = hyperparameters
    keras.utils.set_random_seed(hp.seed)
    tf.config.experimental.enable_op_determinism()
    n_features, n_targets = len(dataset.manifest["features"]), len(dataset.manifest["targets"])
    model = build_network(hp, n_features, n_targets)
    steps = math.ceil(dataset.count("train") / hp.batch_size)
    compile_network(model, hp, steps)
    weights = None
    if hp.class_weight is not None:
        y = dataset.read("train", columns=("y",)).y
        weights = class_weights(hp, y.reshape(len(y), -1))
    epoch_now = _Epoch()
    train = _tf_dataset(dataset, "train", hp, weights, epoch_now)
    validation = _tf_dataset(dataset, "validation", hp, None, None)
    progress = _progress_callback(hp, steps, on_event, epoch_now)
    stopper = keras.callbacks.EarlyStopping(
        monitor=hp.early_stop_monitor_metric,
        mode=hp.early_stop_mode,
        patience=hp.early_stop_patience,
    )
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fastlstm-") as folder:
        best = str(Path(folder) / "best.weights.h5")
        callbacks = [
            progress,
            keras.callbacks.ModelCheckpoint(
                best,
                monitor=hp.checkpoint_monitor_metric,
                mode=hp.checkpoint_mode,
                save_best_only=hp.save_best_only,
                save_weights_only=True,
            ),
            stopper,
        ]
        if hp.learning_rate_schedule == "reduce_on_plateau":
            callbacks.append(
                keras.callbacks.ReduceLROnPlateau(
                    monitor="val_loss",
                    mode="min",
                    factor=hp.learning_rate_factor,
                    patience=hp.learning_rate_patience,
                )
            )
        logged = model.fit(
            train,
            validation_data=validation,
            epochs=hp.epochs,
            verbose=0,
            callbacks=callbacks,
            shuffle=False,
        )
        model.load_weights(best)
    history = pd.DataFrame(logged.history)
    history["learning_rate"] = progress.learning_rates
    history.insert(0, "epoch", range(1, len(history) + 1))
    monitored = history[hp.checkpoint_monitor_metric]
    best_row = monitored.argmin() if hp.checkpoint_mode == "min" else monitored.argmax()
    best_epoch = int(best_row) + 1 if hp.save_best_only else len(history)
    return Trained(model, history, best_epoch, stopper.stopped_epoch > 0, time.monotonic() - begin)


def train_into(
    folder: str, windows: str, hyperparameters: dict[str, Any], on_event: OnEvent
) -> dict[str, Any]:
    """Train on the dataset folder ``windows`` and write network, history and facts into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own
    (:func:`fastlstm.isolation.call`).
    """
    hp = Hyperparameters.model_validate(hyperparameters)
    dataset = WindowDataset(Path(windows))
    trained = fit(dataset, hp, on_event)
    out = Path(folder)
    trained.model.save(out / MODEL_FILE)
    trained.history.to_csv(out / HISTORY_FILE, index=False)
    facts = {
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "stopped_early": trained.stopped_early,
        "parameters": trained.model.count_params(),
        "seconds": round(trained.seconds, 2),
    }
    write_json(out / TRAINING_FILE, facts)
    return facts


class _Epoch:
    """The running epoch, told to the generator of windows so that each has its own order."""

    number = 0


def _tf_dataset(
    dataset: WindowDataset,
    split: str,
    hp: Hyperparameters,
    weights: np.ndarray | None,
    epoch: _Epoch | None,
) -> Any:
    import tensorflow as tf

    shape = dataset.manifest
    outputs = shape["steps_ahead"] * len(shape["targets"])

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        seed = (hp.seed, epoch.number) if epoch is not None and hp.shuffle else None
        for x, y in dataset.batches(split, hp.batch_size, seed):
            flat = y.reshape(len(y), outputs)
            if weights is None:
                yield x, flat
            else:
                labels = flat.argmax(axis=1) if outputs > 1 else flat[:, 0].astype(int)
                yield x, flat, weights[labels]

    signature: tuple[Any, ...] = (
        tf.TensorSpec((None, shape["timesteps"], len(shape["features"])), tf.float32),
        tf.TensorSpec((None, outputs), tf.float32),
    )
    if weights is not None:
        signature += (tf.TensorSpec((None,), tf.float32),)
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    count = math.ceil(dataset.count(split) / hp.batch_size)
    return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)


def _progress_callback(
    hp: Hyperparameters, steps: int, on_event: OnEvent, epoch_now: _Epoch
) -> Any:
    keras = import_keras()

    class Progress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells of progress, notes the learning rate, stops at a loss that is not finite."""

        def __init__(self) -> None:
            super().__init__()
            self.learning_rates: list[float] = []
            self.epoch = 0
            self.told = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch = epoch_now.number = epoch
            self.learning_rates.append(
                float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            )

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            loss = float((logs or {}).get("loss", 0.0))
            self.check("loss", loss)
            if time.monotonic() - self.told > 0.2:
                self.told = time.monotonic()
                self.tell("batch", {"loss": loss}, (batch + 1) / steps)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            values = {k: float(v) for k, v in (logs or {}).items()}
            for name in ("loss", "val_loss"):
                self.check(name, values[name])
            self.tell("epoch", values, 1.0)

        def tell(self, event: str, values: dict[str, float], part: float) -> None:
            on_event(
                {
                    "event": event,
                    "epoch": self.epoch + 1,
                    "epochs": hp.epochs,
                    "part": part,
                    **values,
                }
            )

        def check(self, name: str, value: float) -> None:
            if not math.isfinite(value):
                raise TrainingError(
                    f"{name} became {value} in epoch {self.epoch + 1}; the likely cause is a "
                    f"learning_rate ({hp.learning_rate}) or target values too large: lower "
                    "learning_rate, or set scale_targets for a regressor"
                )

    return Progress()
