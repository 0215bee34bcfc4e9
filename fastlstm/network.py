"""Compile the Keras network: optimizer, loss, metrics, learning rate.

Importing this module does not import Keras; calling it does.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from fastlstm.errors import ConfigError
from fastlstm.hyperparameters import Hyperparameters, canonical_loss, canonical_metric

if TYPE_CHECKING:
    import keras


def require_tensorflow() -> None:
    """Check that TensorFlow is installed, without importing it.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ConfigError(
            "TensorFlow is not installed; run \"pip install 'fastlstm[cpu]'\", or "
            "\"pip install 'fastlstm[gpu]'\" for NVIDIA GPUs"
        )


def import_keras() -> Any:
    """Keras over TensorFlow, quiet about what the user cannot change.

    Raises:
        ConfigError: TensorFlow is not installed.
    """
    require_tensorflow()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"KERAS_BACKEND is {keras.backend.backend()!r}; this library trains with 'tensorflow'"
        )
    return keras


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
        loss=_loss(hp) if loss is None else loss,
        metrics=[_metric_of_point(name, hp, model.output_shape[1]) for name in hp.metrics],
        steps_per_execution=min(16, steps_per_epoch),
    )
    # Variables made while TensorFlow traces a gradient step have it trace the step once more.
    model.optimizer.build(model.trainable_variables)


def _averaging(hp: Hyperparameters) -> dict[str, Any]:
    if hp.ema_momentum is None:
        return {}
    return {"use_ema": True, "ema_momentum": hp.ema_momentum}


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


def _loss(hp: Hyperparameters) -> Any:
    keras = import_keras()
    of_targets = _pinball(hp) if hp.quantiles else keras.losses.get(canonical_loss(hp.loss))
    if hp.has_stock_loss:
        return of_targets
    ops = keras.ops
    given = hp.step_weights or [1.0] * hp.steps_ahead
    weights = [weight / sum(given) for weight in given]

    def by_step(truth: Any, outputs: Any) -> Any:
        """The loss of each step's outputs, weighted."""
        batch = ops.shape(outputs)[0]
        each = of_targets(
            ops.reshape(ops.cast(truth, outputs.dtype), (batch, hp.steps_ahead, -1)),
            ops.reshape(outputs, (batch, hp.steps_ahead, -1)),
        )
        return ops.sum(each * ops.convert_to_tensor(weights, outputs.dtype), axis=1)

    return by_step


def _pinball(hp: Hyperparameters) -> Any:
    """Mean over targets and quantiles of the pinball loss (Koenker and Bassett 1978)."""
    ops, shares = import_keras().ops, list(hp.quantiles or ())

    def quantile(truth: Any, outputs: Any) -> Any:
        each = ops.reshape(outputs, (*ops.shape(truth), len(shares)))
        error = ops.expand_dims(truth, -1) - each
        share = ops.convert_to_tensor(shares, outputs.dtype)
        return ops.mean(ops.maximum(share * error, (share - 1) * error), axis=(-2, -1))

    return quantile


def _metric_of_point(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """A metric of the forecast itself, where quantiles stand beside it."""
    each = hp.outputs_each
    inner = _metric(name, hp, outputs // each)
    if each == 1:
        return inner
    keras = import_keras()

    class OfPoint(keras.metrics.Metric):  # type: ignore[misc, name-defined]
        """The median's."""

        def __init__(self) -> None:
            super().__init__(name=name)
            self.inner = inner

        def update_state(self, truth: Any, outputs: Any, sample_weight: Any = None) -> None:
            shape = (keras.ops.shape(outputs)[0], -1, each)
            median = keras.ops.reshape(outputs, shape)[:, :, each // 2]
            self.inner.update_state(truth, median, sample_weight)

        def result(self) -> Any:
            return self.inner.result()

        def reset_state(self) -> None:
            self.inner.reset_state()

    return OfPoint()


def _metric(name: str, hp: Hyperparameters, outputs: int) -> Any:
    metrics = import_keras().metrics
    softmax = hp.last_layer_activation == "softmax"
    match canonical_metric(name):
        case "accuracy":
            # Keras would read several sigmoid outputs as one choice among classes (arg-max).
            kind = metrics.CategoricalAccuracy if softmax else metrics.BinaryAccuracy
            return kind(name=name)
        case "auc":
            return metrics.AUC(
                name=name, multi_label=outputs > 1, num_labels=outputs if outputs > 1 else None
            )
        case "f1_score":
            return metrics.F1Score(name=name, average="macro", threshold=None if softmax else 0.5)
        case "r2_score":
            return metrics.R2Score(name=name)
        case "log_cosh_error":
            return metrics.LogCoshError(name=name)
        case other:
            camel = "".join(part.capitalize() for part in other.split("_"))
            return getattr(metrics, camel)(name=name)
