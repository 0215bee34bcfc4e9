"""The 'segment' architecture: an LSTM over segments of rows (SegRNN)."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import numbered
from fastlstm.network.fused_decoder import REPEATED
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.side_inputs import output_activation, static_embedding, with_column_embedding


def segment_core(
    layers: SeededLayers, sequences: Any, inputs: Any, architecture: Architecture,
    hp: Hyperparameters, targets: int,
) -> Any:  # fmt: skip
    ops, a = import_keras().ops, architecture
    timesteps, columns = sequences.shape[1], sequences.shape[2]
    count = -(-timesteps // a.segment_length)
    missing = count * a.segment_length - timesteps
    if missing:  # in front, where a row matters least
        sequences = ops.pad(sequences, ((0, 0), (missing, 0), (0, 0)))
    segments = ops.reshape(sequences, (-1, count, a.segment_length * columns))
    # Once for all segments: read row by row, a static feature would cost as much as one that changes.
    if a.static:
        told = ops.expand_dims(static_embedding(layers, inputs, a, a.units), 1)
        embedded = ops.relu(layers.dense(a.units, name="segment")(segments) + told)
    else:
        embedded = layers.dense(a.units, activation="relu", name="segment")(segments)
    # Encoder and decoder share their weights, as in SegRNN.
    lstm = layers.lstm(a.units, return_state=True, name="lstm_1")
    _, hidden, cell = lstm(embedded)
    each = hp.outputs_each * (1 if a.channel_independent else targets)
    drop = layers.dropout(hp.segment_dropout, name="dropout_1")
    if hp.decoding == "direct":
        state = with_column_embedding(layers, drop(hidden), inputs, a, a.units // 2)
        return layers.dense(hp.steps_ahead * each, activation=output_activation(hp), name="output")(
            state
        )
    length = min(a.segment_length, hp.steps_ahead)
    ahead = -(-hp.steps_ahead // length)
    output = layers.dense(length * each, activation=output_activation(hp), name="output")
    if hp.decoding == "recursive":
        made = _one_after_another(layers, lstm, hidden, cell, drop, output, ahead, a)
    else:
        made = _all_at_once(layers, lstm, hidden, cell, drop, output, ahead, inputs, a)
    made = ops.reshape(made, (-1, ahead * length, each))[:, : hp.steps_ahead]
    return ops.reshape(made, (-1, hp.steps_ahead * each))


def _all_at_once(
    layers: SeededLayers, lstm: Any, hidden: Any, cell: Any, drop: Any, output: Any, ahead: int,
    inputs: Any, architecture: Architecture,
) -> Any:  # fmt: skip
    """Future segments ``(n * ahead, outputs)``: one step from the last state for each position."""
    ops, units = import_keras().ops, architecture.units
    targets = len(architecture.own) if architecture.channel_independent else 1
    of_position = units // 2 if targets > 1 else units
    position = layers.embedding(ahead, of_position, name="position")(numbered(inputs, ahead))
    asked = ops.expand_dims(position, 0)
    if targets > 1:
        column = layers.embedding(targets, units - of_position, name="column")(
            numbered(inputs, targets)
        )
        asked = ops.concatenate(
            [
                ops.repeat(asked, targets, axis=0),
                ops.repeat(ops.expand_dims(column, 1), ahead, axis=1),
            ],
            axis=2,
        )
    asked = ops.reshape(asked, (1, targets * ahead, units))
    asked = ops.zeros_like(inputs[:, :1, :1]) + asked  # for each window of the batch
    asked = ops.reshape(asked, (-1, 1, units))

    # Layers with names, so that ``fastlstm.network.fused_decoder`` knows what stands repeated.
    states = [
        ops.reshape(layers.repeat(ahead, name=f"{REPEATED}_{name}")(state), (-1, units))
        for name, state in (("hidden", hidden), ("cell", cell))
    ]
    answered = lstm(asked, initial_state=states)[0]
    return output(drop(answered))


def _one_after_another(
    layers: SeededLayers, lstm: Any, hidden: Any, cell: Any, drop: Any, output: Any, ahead: int,
    architecture: Architecture,
) -> Any:  # fmt: skip
    """Future segments ``(n, ahead, outputs)``, each from the state after the one before it."""
    ops = import_keras().ops
    back = layers.dense(architecture.units, activation="relu", name="forecast_segment")
    made = []
    for number in range(ahead):
        made.append(output(drop(hidden)))
        if number + 1 < ahead:
            _, hidden, cell = lstm(ops.expand_dims(back(made[-1]), 1), initial_state=[hidden, cell])
    return ops.stack(made, axis=1)
