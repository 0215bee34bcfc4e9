"""Label columns: which outputs of a network are their classes, and what follows from it.

Outputs and labels of windows are arrays ``(n, steps_ahead, n_targets)``; a label column of two classes
has one of their columns, the second class' probability or indicator, one of more classes has one each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastlstm.config.categories import LabelType, type_of_labels
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.windows.origins import output_names

# The smallest probability; a smaller one has an infinite loss where it is wrong. In float32 one less a
# smaller one is 1.
SMALLEST = 1e-7


@dataclass(frozen=True)
class LabelColumn:
    """One label column of a classifier.

    Attributes:
        name: of the column; of indicator columns of exclusive classes 'class'.
        classes: their names, in order.
        outputs: where its outputs stand among the targets.
        names: of these outputs.
        is_named: whether the classes have names of their own, other than 0 and 1.
        type: what forecasts give the classes as.
    """

    name: str
    classes: tuple[str, ...]
    outputs: slice
    names: tuple[str, ...]
    is_named: bool = True
    type: LabelType = "text"

    @property
    def is_binary(self) -> bool:
        """Whether it has one output, the probability of its second class."""
        return len(self.names) == 1

    @property
    def values(self) -> np.ndarray:
        """The classes as forecasts give them, ``(n_classes,)``: text, whole numbers or booleans."""
        if self.type == "boolean":
            return np.array([name == "True" for name in self.classes])
        return np.array(self.classes, dtype=np.int64 if self.type == "integer" else object)


def label_columns(hp: Hyperparameters, targets: Sequence[str]) -> list[LabelColumn]:
    """The label columns of a classifier, in the order of its targets.

    Without ``classes`` targets are indicators: with 'softmax' of one label's classes, with 'sigmoid' of
    labels by themselves.

    Args:
        hp: the classifier's settings.
        targets: names of its targets.
    """
    if hp.classes is not None:
        found, start = [], 0
        for (name, classes), size in zip(hp.classes.items(), hp.label_sizes, strict=True):
            outputs = slice(start, start + size)
            named = classes != ["0", "1"]
            names = tuple(targets[outputs])
            kind = (hp.label_types or {}).get(name) or type_of_labels(classes)
            found.append(LabelColumn(name, tuple(classes), outputs, names, named, kind))
            start += size
        return found
    if hp.last_layer_activation == "softmax":
        names = tuple(targets)
        return [LabelColumn("class", names, slice(0, len(names)), names)]
    return [
        LabelColumn(name, ("0", "1"), slice(i, i + 1), (name,), is_named=False)
        for i, name in enumerate(targets)
    ]


def class_numbers(labels: np.ndarray, column: LabelColumn) -> np.ndarray:
    """Number of each label's class, ``(...)`` from labels ``(..., n_targets)``."""
    of_column = labels[..., column.outputs]
    if column.is_binary:
        return (of_column[..., 0] > 0.5).astype(np.int64)
    number: np.ndarray = of_column.argmax(axis=-1)
    return number


def class_probabilities(outputs: np.ndarray, column: LabelColumn) -> np.ndarray:
    """Probability of each class, ``(..., n_classes)`` from outputs ``(..., n_targets)``.

    Outputs of a loss that is no likelihood may not sum to 1; they are divided by their sum.
    """
    of_column = outputs[..., column.outputs].astype(np.float64)
    if column.is_binary:
        return np.concatenate([1 - of_column, of_column], axis=-1)
    total = of_column.sum(axis=-1, keepdims=True)
    probability: np.ndarray = of_column / np.where(total > 0, total, 1.0)
    return probability


def logits_of(probability: np.ndarray, column: LabelColumn) -> np.ndarray:
    """Logits of outputs, up to a constant: ``(..., n_outputs)`` of probabilities of that shape."""
    clipped = np.clip(probability.astype(np.float64), SMALLEST, 1 - SMALLEST)
    if column.is_binary:
        return np.log(clipped / (1 - clipped))
    return np.log(clipped)


def negative_log_likelihood(logits: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The log loss of each label, ``(n,)``.

    Args:
        logits: ``(n, n_outputs)``; with one output that of the second class.
        number: of each label's class, ``(n,)``.
    """
    from scipy.special import log_softmax

    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    loss: np.ndarray = -log_softmax(logits, axis=1)[np.arange(len(number)), number]
    return loss


def log_loss(probability: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The log loss of each label, ``(n,)``, from probabilities of its classes ``(n, n_classes)``."""
    chosen = probability[np.arange(len(number)), number]
    loss: np.ndarray = -np.log(np.clip(chosen, SMALLEST, 1.0))
    return loss


def given_threshold(
    thresholds: Mapping[str, float], output: str, target: str, label: str
) -> float | None:
    """The decision threshold that the settings give an output, or None.

    Args:
        thresholds: by name of an output, of its target (for all steps), or of its class.
        output: name of the output.
        target: name of its target, which the output has too where one step is forecast.
        label: the class whose probability it is.
    """
    return next((thresholds[name] for name in (output, target, label) if name in thresholds), None)


def likeliest_labels(
    outputs: np.ndarray, columns: Sequence[LabelColumn], thresholds: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """The forecast label of each output's column, and its probability.

    It is the likeliest class; of two classes the second one where its probability is at or above a
    threshold that the settings give it.

    Args:
        outputs: probabilities ``(n, steps, n_targets)``.
        columns: the label columns.
        thresholds: see ``given_threshold``.

    Returns:
        ``label`` (of the type of all columns; text where they are of several) and ``probability``,
        ``(n, steps, n_targets)`` each, the same for all outputs of a column.
    """
    is_typed = len({column.type for column in columns}) == 1
    label = np.empty(outputs.shape, dtype=columns[0].values.dtype if is_typed else object)
    chance = np.empty(outputs.shape)
    for column in columns:
        probability = class_probabilities(outputs, column)
        if column.is_binary:
            target, second, steps = column.names[0], column.classes[1], outputs.shape[1]
            outputs_of = output_names([target], steps)
            given = [given_threshold(thresholds, name, target, second) for name in outputs_of]
            threshold = np.array([0.5 if value is None else value for value in given])
            number = (probability[..., 1] >= threshold).astype(np.int64)
        else:
            number = probability.argmax(axis=-1)
        names = column.values if is_typed else np.asarray(column.classes, dtype=object)
        label[..., column.outputs] = names[number][..., None]
        of_label = np.take_along_axis(probability, number[..., None], axis=-1)
        chance[..., column.outputs] = of_label
    return {"label": label, "probability": chance}


def in_classes(
    outputs: np.ndarray, given: Sequence[LabelColumn], wanted: Sequence[LabelColumn]
) -> np.ndarray:
    """Outputs of a classifier as those of one with the same label columns, but other classes.

    A class that only the other one has gets the probability 0; one that it lacks is left out, and the
    others keep theirs.

    Args:
        outputs: probabilities ``(n, steps, n_targets)``.
        given: its label columns.
        wanted: those of the other one, in the same order.
    """
    parts = []
    for have, want in zip(given, wanted, strict=True):
        probability = class_probabilities(outputs, have)
        found = np.zeros((*outputs.shape[:-1], len(want.classes)))
        for number, name in enumerate(want.classes):
            if name in have.classes:
                found[..., number] = probability[..., have.classes.index(name)]
        parts.append(found[..., 1:] if want.is_binary else found)
    return np.concatenate(parts, axis=-1)
