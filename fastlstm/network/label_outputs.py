"""The outputs of a classifier: logits to probabilities, one distribution for each step and label column.

A label column of two classes has one logit, whose sigmoid is the probability of the second class; one of
more classes has a logit for each, of which the softmax is taken. Outputs are step-major.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.keras_import import import_keras

# The layer that makes probabilities of logits where the layers before give logits.
ACTIVATION = "average"


def label_slices(sizes: list[int]) -> list[slice]:
    """Where the outputs of each label column stand among those of a step."""
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def activation_of(hp: Hyperparameters) -> Callable[[Any], Any]:
    """The function from logits ``(batch, steps * outputs)`` to probabilities."""
    if not hp.has_label_groups:
        function: Callable[[Any], Any] = import_keras().activations.get(hp.last_layer_activation)
        return function
    ops, slices = import_keras().ops, label_slices(hp.label_sizes)
    width = slices[-1].stop

    def by_label(logits: Any) -> Any:
        by_step = ops.reshape(logits, (-1, hp.steps_ahead, width))
        parts = [by_step[:, :, of_label] for of_label in slices]
        found = [ops.softmax(p, axis=-1) if p.shape[-1] > 1 else ops.sigmoid(p) for p in parts]
        joined = found[0] if len(found) == 1 else ops.concatenate(found, axis=-1)
        return ops.reshape(joined, (-1, hp.steps_ahead * width))

    return by_label


def probabilities(logits: Any, hp: Hyperparameters) -> Any:
    """Probabilities of a network's logits, by a layer of its own where one is enough."""
    if hp.has_label_groups:
        return activation_of(hp)(logits)
    return import_keras().layers.Activation(hp.last_layer_activation, name=ACTIVATION)(logits)
