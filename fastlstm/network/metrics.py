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
    kind = metrics.CategoricalAccuracy if _is_softmax(hp) else metrics.BinaryAccuracy
    return kind(name=name)


def _auc(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """Area under the ROC curve, the mean of the outputs'."""
    several = outputs > 1
    return import_keras().metrics.AUC(
        name=name, multi_label=several, num_labels=outputs if several else None
    )


def _f1_score(name: str, hp: Hyperparameters, outputs: int) -> Any:
    """F1, the mean of the outputs', by the threshold 0.5 or by the largest probability."""
    threshold = None if _is_softmax(hp) else 0.5
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
