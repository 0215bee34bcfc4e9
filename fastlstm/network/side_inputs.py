"""Learned embeddings that join a sequence: of its static features and of its target column."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import numbered
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers

# Largest size of the embedding of a column's categories.
_MOST_CATEGORY_UNITS = 16


def output_activation(hp: Hyperparameters, architecture: Architecture) -> str:
    """Activation of a member's last layer, which gives logits where others follow."""
    return "linear" if architecture.gives_logits else str(hp.last_layer_activation)


def with_embedded_columns(
    layers: SeededLayers, sequences: Any, window: Any, architecture: Architecture
) -> Any:
    """Sequences with a learned embedding of each group of indicators, row by row.

    A linear layer without bias on indicators is an embedding of what they indicate (Guo and Berkhahn
    2016, "Entity Embeddings of Categorical Variables").

    Args:
        layers: makes the embeddings.
        sequences: ``(n, timesteps, columns)``.
        window: the network's input.
        architecture: says which features are such groups.
    """
    ops, a, parts = import_keras().ops, architecture, [sequences]
    for number, positions in enumerate(a.embedded, start=1):
        size = min(_MOST_CATEGORY_UNITS, -(-len(positions) // 2))
        layer = layers.dense(size, use_bias=False, name=f"category_{number}")
        embedded = layer(ops.take(window, list(positions), axis=2))
        parts.append(
            ops.repeat(embedded, len(a.own), axis=0) if a.channel_independent else embedded
        )
    return ops.concatenate(parts, axis=2) if len(parts) > 1 else sequences


def with_column_embedding(
    layers: SeededLayers, state: Any, window: Any, architecture: Architecture, size: int
) -> Any:
    """Final states with the learned embedding of the target column that each sequence is of.

    Args:
        layers: makes the embedding.
        state: ``(n, units)``.
        window: the network's input.
        architecture: says whether one network is shared by the target columns.
        size: of the embedding.

    Returns:
        ``(n, units + size)``; the states as they are where no network is shared by several targets.
    """
    ops, count = import_keras().ops, len(architecture.own)
    if not architecture.channel_independent or count == 1:
        return state
    columns = layers.embedding(count, size, name="column")(numbered(window, count))
    by_column = ops.reshape(state, (-1, count, state.shape[-1]))
    of_each = ops.zeros_like(by_column[:, :, :1]) + ops.expand_dims(columns, 0)
    joined = ops.concatenate([by_column, of_each], axis=2)
    return ops.reshape(joined, (-1, joined.shape[-1]))


def static_embedding(
    layers: SeededLayers, window: Any, architecture: Architecture, size: int
) -> Any:
    """Learned embedding of the static features of each sequence's window, ``(n, size)``.

    They are read once, from the last row, by a linear layer without bias: of indicators of the series
    that is a learned embedding of each (Guo and Berkhahn 2016, "Entity Embeddings of Categorical
    Variables").
    """
    ops, a = import_keras().ops, architecture
    values = ops.take(window[:, -1, :], list(a.static), axis=1)
    embedded = layers.dense(size, use_bias=False, name="static")(values)
    return ops.repeat(embedded, len(a.own), axis=0) if a.channel_independent else embedded
