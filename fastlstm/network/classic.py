"""The 'classic' architecture: a stack of LSTM layers over the rows."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.side_inputs import (
    _STATIC_UNITS,
    output_activation,
    static_embedding,
    with_column_embedding,
)


def layer_widths(hp: Hyperparameters, n_features: int) -> list[int]:
    return [max(1, round(width * n_features)) for width in hp.model_relative_width]


def classic_core(
    layers: SeededLayers, sequences: Any, inputs: Any, architecture: Architecture,
    hp: Hyperparameters, targets: int,
) -> Any:  # fmt: skip
    ops, a = import_keras().ops, architecture
    hidden = sequences
    if a.static:
        told = static_embedding(layers, inputs, a, min(_STATIC_UNITS, len(a.static)))
        beside = ops.repeat(ops.expand_dims(told, 1), sequences.shape[1], axis=1)
        hidden = ops.concatenate([sequences, beside], axis=2)
    widths = layer_widths(hp, inputs.shape[2] - len(a.static))
    for number, (units, dropout) in enumerate(zip(widths, hp.model_dropout, strict=True), start=1):
        hidden = layers.lstm(
            units,
            activation=hp.activation,
            return_sequences=number < len(widths),
            name=f"lstm_{number}",
        )(hidden)
        hidden = layers.dropout(dropout, name=f"dropout_{number}")(hidden)
    hidden = with_column_embedding(layers, hidden, inputs, architecture, max(1, widths[-1] // 2))
    outputs = hp.steps_ahead * (1 if architecture.channel_independent else targets)
    outputs *= hp.outputs_each
    return layers.dense(outputs, activation=output_activation(hp), name="output")(hidden)
