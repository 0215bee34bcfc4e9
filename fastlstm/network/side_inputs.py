"""Learned vectors that stand beside a sequence: of its static features and of its target column."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import numbered
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers

# Largest size of the vector that stands beside each row for the static features.
_STATIC_UNITS = 16


def output_activation(hp: Hyperparameters) -> str:
    """Of a member's last layer; an ensemble of classifiers averages logits."""
    joined = hp.ensemble_size > 1 and not hp.is_regressor
    return "linear" if joined else str(hp.last_layer_activation)


def with_column_embedding(
    layers: SeededLayers, state: Any, inputs: Any, architecture: Architecture, size: int
) -> Any:
    """A state ``(n, units)`` beside the learned embedding of the column its sequence is of."""
    ops, count = import_keras().ops, len(architecture.own)
    if not architecture.channel_independent or count == 1:
        return state
    columns = layers.embedding(count, size, name="column")(numbered(inputs, count))
    by_column = ops.reshape(state, (-1, count, state.shape[-1]))
    beside = ops.zeros_like(by_column[:, :, :1]) + ops.expand_dims(columns, 0)
    joined = ops.concatenate([by_column, beside], axis=2)
    return ops.reshape(joined, (-1, joined.shape[-1]))


def static_embedding(
    layers: SeededLayers, inputs: Any, architecture: Architecture, size: int
) -> Any:
    """What the static features of each sequence's window say, ``(n, size)``."""
    ops, a = import_keras().ops, architecture
    read = ops.take(inputs[:, -1, :], list(a.static), axis=1)
    told = layers.dense(size, use_bias=False, name="static")(read)
    return ops.repeat(told, len(a.own), axis=0) if a.channel_independent else told
