"""Weights of a network that are not trained but set afterwards, and tensors to look them up."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.network.keras_import import import_keras

# The layer of the linear component in saved networks.
LINEAR = "linear"


def numbered(inputs: Any, count: int) -> Any:
    """The numbers 0 to ``count - 1`` as a tensor of the network, int32 ``(count,)``.

    It is computed from the inputs, for Keras looks up weights only by tensors that depend on them.
    """
    ops = import_keras().ops
    zero = ops.sum(ops.zeros_like(inputs[:, 0, 0]))
    return ops.cast(zero, "int32") + ops.convert_to_tensor(np.arange(count, dtype=np.int32))


def constants(count: int, initializer: str, name: str) -> Any:
    """A layer with one weight for each number from 0 to ``count - 1``, all with the same first value."""
    return import_keras().layers.Embedding(count, 1, embeddings_initializer=initializer, name=name)
