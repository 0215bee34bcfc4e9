"""Compile the Keras network: optimizer, loss, metrics, learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.keras_import import import_keras
from fastlstm.network.losses import loss_of
from fastlstm.network.metrics import logged_metric

if TYPE_CHECKING:
    import keras


def compile_network(
    model: keras.Model, hyperparameters: Hyperparameters, steps_per_epoch: int, loss: Any = None
) -> None:
    """Compile with Adam, the loss, the metrics under the names the user gave, and the schedule.

    Several gradient steps run per call into TensorFlow (``steps_per_execution``): the numbers are
    the same, and the Python between two calls runs less often.

    Args:
        model: the network.
        hyperparameters: the settings.
        steps_per_epoch: gradient steps of an epoch, which a schedule of the learning rate counts.
        loss: a Keras loss object in place of the named one.
    """
    keras = import_keras()
    hp = hyperparameters
    model.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate=_learning_rate(hp, steps_per_epoch), **_averaging(hp)
        ),
        loss=loss_of(hp) if loss is None else loss,
        metrics=[logged_metric(name, hp, model.output_shape[1]) for name in hp.metrics],
        steps_per_execution=steps_at_once(steps_per_epoch),
    )
    # Variables created while TensorFlow traces a gradient step make it trace the step once more.
    model.optimizer.build(model.trainable_variables)


def steps_at_once(steps_per_epoch: int) -> int:
    """Gradient steps of one call into TensorFlow."""
    return min(16, steps_per_epoch)


def _averaging(hp: Hyperparameters) -> dict[str, Any]:
    """Adam's settings for moving averages of the weights; empty without ``ema_momentum``."""
    if hp.ema_momentum is None:
        return {}
    return {"use_ema": True, "ema_momentum": hp.ema_momentum}


def _learning_rate(hp: Hyperparameters, steps_per_epoch: int) -> Any:
    """The learning rate, or its schedule by gradient steps."""
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
