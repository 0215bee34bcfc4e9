"""The metrics that a training logs after each epoch.

A metric is an entry of the names in ``fastlstm.config.keras_names``; one whose Keras class needs
settings, or is not named like it, is an entry in ``_WITH_SETTINGS`` too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_metric
from fastlstm.network.keras_import import import_keras
from fastlstm.network.label_outputs import label_slices


def logged_metric(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """The Keras metric of a name, of the forecast itself where there are quantiles too.

    Args:
        name: as the user gave it, which the history's column has.
        hp: task, activation and quantiles.
        outputs: of the network.
    """
    metric = keras_metric(name, hp, outputs // hp.outputs_each)
    if hp.outputs_each == 1:
        return metric
    from fastlstm.network.median_metric import MedianMetric

    return MedianMetric(metric, hp.outputs_each)


def keras_metric(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """The Keras metric of a name.

    Args:
        name: as the user gave it, which the metric has.
        hp: the task's last activation.
        outputs: steps ahead times targets.
    """
    canonical = canonical_metric(name)
    if canonical in _WITH_SETTINGS:
        return _WITH_SETTINGS[canonical](name, hp, outputs)
    class_name = "".join(part.capitalize() for part in canonical.split("_"))
    return getattr(import_keras().metrics, class_name)(name=name)


def _accuracy(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """Accuracy of each output; Keras would read several sigmoid outputs as one choice among classes
    (arg-max)."""
    metrics = import_keras().metrics
    if hp.has_label_groups:
        return metrics.MeanMetricWrapper(_right_classes(hp), name=name)
    kind = metrics.CategoricalAccuracy if _is_softmax(hp) else metrics.BinaryAccuracy
    return kind(name=name)


def _right_classes(hp: Hyperparameters) -> Callable[[Any, Any], Any]:
    """The share of steps and label columns whose likeliest class is right, ``(batch,)``."""
    ops, slices = import_keras().ops, label_slices(hp.label_sizes)
    width = slices[-1].stop

    def right(truth: Any, outputs: Any) -> Any:
        shape = (-1, hp.steps_ahead, width)
        true, given = (ops.reshape(ops.cast(v, "float32"), shape) for v in (truth, outputs))
        found = []
        for s in slices:
            if s.stop - s.start == 1:
                of_class = [ops.cast(v[:, :, s.start] > 0.5, "int32") for v in (true, given)]
            else:
                of_class = [ops.argmax(v[:, :, s], axis=-1) for v in (true, given)]
            found.append(ops.cast(ops.equal(*of_class), "float32"))
        return ops.mean(sum(found) / len(found), axis=1)

    return right


def _auc(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """Area under the ROC curve, the mean of the outputs'."""
    several = outputs > 1
    return import_keras().metrics.AUC(
        name=name, multi_label=several, num_labels=outputs if several else None
    )


def _f1_score(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """F1, the mean of the outputs', by the threshold 0.5 or by the largest probability."""
    threshold = None if _is_softmax(hp) and not hp.has_label_groups else 0.5
    return import_keras().metrics.F1Score(name=name, average="macro", threshold=threshold)


def _r2_score(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """Coefficient of determination."""
    return import_keras().metrics.R2Score(name=name)


def _is_softmax(hp: Hyperparameters) -> bool:
    """Whether the outputs are probabilities of classes that exclude each other."""
    return bool(hp.last_layer_activation == "softmax")


# By canonical name: makes the metric of its name in the history, hyperparameters and number of outputs.
_WITH_SETTINGS: dict[str, Callable[[str, Hyperparameters, int], Any]] = {
    "accuracy": _accuracy,
    "auc": _auc,
    "f1_score": _f1_score,
    "r2_score": _r2_score,
}
