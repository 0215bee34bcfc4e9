"""Compile the Keras network: optimizer, loss, metrics, learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.keras_import import import_keras
from fastlstm.network.losses import loss_of
from fastlstm.network.metrics import metric_of_point

if TYPE_CHECKING:
    import keras


def compile_network(
    model: keras.Model, hyperparameters: Hyperparameters, steps_per_epoch: int, loss: Any = None
) -> None:
    """Compile with Adam, the loss, the metrics under the names the user gave, and the schedule.

    Several gradient steps run per call into TensorFlow (``steps_per_execution``): the numbers are
    the same, the Python between them is not paid each time. ``loss`` is a Keras loss object in place
    of the named one.
    """
    keras = import_keras()
    hp = hyperparameters
    model.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate=_learning_rate(hp, steps_per_epoch), **_averaging(hp)
        ),
        loss=loss_of(hp) if loss is None else loss,
        metrics=[metric_of_point(name, hp, model.output_shape[1]) for name in hp.metrics],
        steps_per_execution=min(16, steps_per_epoch),
    )
    # Variables made while TensorFlow traces a gradient step have it trace the step once more.
    model.optimizer.build(model.trainable_variables)


def _averaging(hp: Hyperparameters) -> dict[str, Any]:
    if hp.ema_momentum is None:
        return {}
    return {"use_ema": True, "ema_momentum": hp.ema_momentum}


def _learning_rate(hp: Hyperparameters, steps_per_epoch: int) -> Any:
    schedules = import_keras().optimizers.schedules
    match hp.learning_rate_schedule:
        case "cosine":
            return schedules.CosineDecay(hp.learning_rate, hp.epochs * steps_per_epoch)
        case "exponential":
            return schedules.ExponentialDecay(
                hp.learning_rate, steps_per_epoch, hp.learning_rate_decay, staircase=True
            )
        case _:
            return hp.learning_rate
