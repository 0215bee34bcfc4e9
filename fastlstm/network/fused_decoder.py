"""The parallel decoder of a segment network, computed without repeating products.

The decoder (``fastlstm.network.segment.SegmentDecoder``) takes one LSTM step from a sequence's final
state for each position. To stock layers it is a batch that repeats each state for every position and
each position for every sequence, and the step multiplies all of them by its weights. Here a state and a
position are multiplied once each; only the sums of the two, on which the gates depend, are as many as
the batch. Gates, outputs and gradients are the same but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# First part of the names of the layers that repeat a state for each position; it is in saved networks.
REPEATED = "of_each_position"


@dataclass(frozen=True)
class Decoding:
    """The order of a decoder's batch: window by window, within it target by target, then by position.

    Attributes:
        ahead: positions, which share a state.
        targets: sequences of a window, each of which has all positions.
    """

    ahead: int
    targets: int


def steps_by_use(layer: Any) -> list[int | None]:
    """Time steps of a layer's inputs, for each use of it in a network; None where they vary."""
    return [node.input_tensors[0].shape[1] for node in layer._inbound_nodes]


def decoding_of(model: Any, layer: Any) -> Decoding | None:
    """The decoding for which a network uses an LSTM layer besides encoding, or None."""
    if steps_by_use(layer).count(1) != 1:  # an encoder of one step would look like a decoder
        return None
    member = layer.name.removeprefix("lstm_1")
    layers = {other.name: other for other in model.layers}
    repeated = layers.get(f"{REPEATED}_hidden{member}")
    if repeated is None:
        return None
    column = layers.get(f"column{member}")
    return Decoding(repeated.n, 1 if column is None else column.input_dim)


def decoded(
    decoding: Decoding, sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any,
    bias: Any, every: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """Hidden and cell states after one step, ``(batch, units)`` both.

    Args:
        decoding: the order of the batch.
        sequences: inputs ``(batch, 1, inputs)``.
        h_first: hidden state before, ``(batch, units)``.
        c_first: cell state before, ``(batch, units)``.
        kernel: weights of the inputs, in Keras' gate order.
        recurrent: weights of the hidden state.
        bias: bias of both.
        every: whether the hidden state gets an axis for the step: ``(batch, 1, units)``.
    """
    import tensorflow as tf

    ahead, targets, units = decoding.ahead, decoding.targets, recurrent.shape[0]

    def by_gate(sums: Any, *shape: int) -> list[Any]:
        # Separate gates are independent parts of the graph, so that two cores have work.
        return [tf.reshape(gate, (*shape, units)) for gate in tf.split(sums, 4, axis=1)]

    of_states = by_gate(tf.matmul(h_first[::ahead], recurrent), -1, targets, 1)
    positions = sequences[: targets * ahead, 0]  # of the first window, and so of each
    of_positions = by_gate(tf.matmul(positions, kernel) + bias, 1, targets, ahead)
    enter, forget, new, leave = (
        state + position for state, position in zip(of_states, of_positions, strict=True)
    )
    before = tf.reshape(c_first[::ahead], (-1, targets, 1, units))
    cell = tf.sigmoid(forget) * before + tf.sigmoid(enter) * tf.tanh(new)
    hidden = tf.sigmoid(leave) * tf.tanh(cell)
    hidden, cell = (tf.reshape(state, (-1, units)) for state in (hidden, cell))
    return (tf.expand_dims(hidden, 1) if every else hidden), cell
