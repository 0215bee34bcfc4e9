"""Keras callbacks of a training: progress, checkpoint of its state, moving averages of the weights.

Importing this module imports Keras.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import TrainingError
from fastlstm.network.keras_import import import_keras
from fastlstm.training.checkpoint import (
    State,
    callback_state,
    restore_callbacks,
    variables_of,
    write_state,
)
from fastlstm.training.input_pipeline import Epoch
from fastlstm.training.setup import OnEvent

keras = import_keras()

# Seconds between two events within an epoch.
_BETWEEN_EVENTS = 0.2


class WeightAverages(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Puts the weights' moving averages in their place for validation and until the epoch has ended.

    It comes after the callbacks that score and keep an epoch, and before ``SaveState``. (Keras' own
    ``SwapEMAWeights`` swaps back as the next epoch begins, which a resumed training would miss.)
    """

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the averages in place of the weights."""
        self.swap()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back, for the next epoch to train on."""
        self.swap()

    def swap(self) -> None:
        """Exchange the weights and their averages."""
        adam = self.model.optimizer
        pairs = zip(adam._trainable_variables, adam._model_variables_moving_average, strict=True)
        for weights, average in pairs:
            # A copy: on a CPU the array may be the variable's own memory.
            kept = keras.ops.convert_to_numpy(weights).copy()
            weights.assign(average)
            average.assign(kept)


class Progress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Reports progress, keeps the history, and stops a training whose loss is not finite.

    Args:
        hyperparameters: ``epochs``, and ``learning_rate`` for the message.
        steps: gradient steps of an epoch.
        on_event: called with each event; see ``fastlstm.training.fit.fit``.
        epoch: set to the running epoch.
        rows: the history of the epochs before, where the training is resumed.

    Attributes:
        rows: the history, one row per finished epoch.

    Raises:
        TrainingError: the loss is not finite.
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        steps: int,
        on_event: OnEvent,
        epoch: Epoch,
        rows: list[dict[str, float]],
    ) -> None:
        super().__init__()
        self.rows = rows
        self._hyperparameters = hyperparameters
        self._steps = steps
        self._on_event = on_event
        self._epoch = epoch
        self._learning_rate = 0.0
        self._last_event = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch and its learning rate."""
        self._epoch.number = epoch
        rate = self.model.optimizer.learning_rate
        self._learning_rate = float(keras.ops.convert_to_numpy(rate))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the loss; report it from time to time."""
        loss = float((logs or {}).get("loss", 0.0))
        self._require_finite("loss", loss)
        if time.monotonic() - self._last_event > _BETWEEN_EVENTS:
            self._last_event = time.monotonic()
            self._report("batch", {"loss": loss}, (batch + 1) / self._steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check and report the epoch's losses; add its row to the history."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        for name in ("loss", "val_loss"):
            self._require_finite(name, values.get(name, 0.0))
        self.rows.append({"epoch": epoch + 1, **values, "learning_rate": self._learning_rate})
        self._report("epoch", values, 1.0)

    def _report(self, event: str, values: dict[str, float], part: float) -> None:
        self._on_event(
            {
                "event": event,
                "epoch": self._epoch.number + 1,
                "epochs": self._hyperparameters.epochs,
                "part": part,
                **values,
            }
        )

    def _require_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"{name} became {value} in epoch {self._epoch.number + 1}; the likely cause is a "
                f"learning_rate ({self._hyperparameters.learning_rate}) or target values too large: "
                "lower learning_rate, or set scale_targets for a regressor"
            )


class SaveState(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Writes the training's state after each epoch; the last of the callbacks.

    Args:
        file: the checkpoint.
        callbacks: callbacks whose own state is kept, by name.
        best: file with the best epoch's weights, or None.
        progress: the training's history.
        begin: monotonic time at which the training began, less the seconds before it was resumed.
        state: the state that the training goes on from, or None.
    """

    def __init__(
        self,
        file: Path,
        callbacks: Mapping[str, Any],
        best: Path | None,
        progress: Progress,
        begin: float,
        state: State | None,
    ) -> None:
        super().__init__()
        self._file = file
        self._callbacks = callbacks
        self._best = best
        self._progress = progress
        self._begin = begin
        self._state = state

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Give the other callbacks their state back, which Keras has reset by now."""
        if self._state is not None:
            restore_callbacks(self._callbacks, self._state)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state."""
        to_numpy = keras.ops.convert_to_numpy
        write_state(
            self._file,
            State(
                rows=self._progress.rows,
                seconds=time.monotonic() - self._begin,
                stopped=self.model.stop_training,
                callbacks={name: callback_state(c) for name, c in self._callbacks.items()},
                variables=[to_numpy(v) for v in variables_of(self.model)],
                best=b"" if self._best is None else self._best.read_bytes(),
            ),
        )
