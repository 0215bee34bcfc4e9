"""The metrics that a training logs after each epoch."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_metric
from fastlstm.network.keras_import import import_keras


def metric_of_point(name: str, hp: Hyperparameters, outputs: int) -> Any:
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
