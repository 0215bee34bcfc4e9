"""Keras callbacks of a training: progress, checkpoint of its state, averages of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import TrainingError
from fastlstm.network.keras_import import import_keras
from fastlstm.training.checkpoint import (
    State,
    remembered,
    restore_callbacks,
    variables_of,
    write_state,
)
from fastlstm.training.input_pipeline import Epoch


def averaging_callback() -> Any:
    """Puts the weights' moving averages in their place for validation and until the epoch has ended.

    It stands behind the callbacks that judge and keep an epoch, and before one that keeps the training's
    state. (Keras' own ``SwapEMAWeights`` swaps back as the next epoch begins, which a training that goes
    on from a kept state would miss.)
    """
    keras = import_keras()

    class Averages(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Weights and averages change places."""

        def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
            self.swap()

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.swap()

        def swap(self) -> None:
            adam = self.model.optimizer
            pairs = zip(
                adam._trainable_variables, adam._model_variables_moving_average, strict=True
            )
            for weights, average in pairs:
                # A copy: on a CPU the array may be the variable's own memory.
                kept = keras.ops.convert_to_numpy(weights).copy()
                weights.assign(average)
                average.assign(kept)

    return Averages()


OnEvent = Callable[[dict[str, Any]], None]


def state_callback(
    file: Path, callbacks: dict[str, Any], best: Path | None, progress: Any, begin: float,
    state: State | None,
) -> Any:  # fmt: skip
    keras = import_keras()

    class KeepState(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Writes the training's state after each epoch; the last of the callbacks."""

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            if state is not None:
                restore_callbacks(callbacks, state)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            to_numpy = keras.ops.convert_to_numpy
            write_state(
                file,
                State(
                    rows=progress.rows,
                    seconds=time.monotonic() - begin,
                    stopped=self.model.stop_training,
                    callbacks={name: remembered(c) for name, c in callbacks.items()},
                    variables=[to_numpy(v) for v in variables_of(self.model)],
                    best=b"" if best is None else best.read_bytes(),
                ),
            )

    return KeepState()


def progress_callback(hp: Hyperparameters, steps: int, on_event: OnEvent, epoch_now: Epoch) -> Any:
    keras = import_keras()

    class Progress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells of progress, notes the learning rate, stops at a loss that is not finite."""

        def __init__(self) -> None:
            super().__init__()
            self.rows: list[dict[str, float]] = []
            self.learning_rate = 0.0
            self.epoch = 0
            self.told = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch = epoch_now.number = epoch
            rate = self.model.optimizer.learning_rate
            self.learning_rate = float(keras.ops.convert_to_numpy(rate))

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            loss = float((logs or {}).get("loss", 0.0))
            self.check("loss", loss)
            if time.monotonic() - self.told > 0.2:
                self.told = time.monotonic()
                self.tell("batch", {"loss": loss}, (batch + 1) / steps)

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            values = {k: float(v) for k, v in (logs or {}).items()}
            for name in ("loss", "val_loss"):
                self.check(name, values.get(name, 0.0))
            self.rows.append({"epoch": epoch + 1, **values, "learning_rate": self.learning_rate})
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
