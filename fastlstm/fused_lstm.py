"""Stock Keras LSTM layers computed faster on a CPU: each time step one fused operation.

Keras runs a dozen small operations for each time step, and twice as many for its gradient; on a CPU
their start costs more than their arithmetic. Here a step is TensorFlow's ``LSTMBlockCell``, its
gradient ``LSTMBlockCellGrad`` on the gates that the forward pass kept, and the gradients of the weights
and of the inputs are one matrix product each over all steps, as cuDNN does it (Appleyard, Kocisky and
Blunsom 2016, "Optimizing Performance of Recurrent Neural Networks on GPUs"). A batch is computed in two
independent halves, so that two cores have work.

Layers, weights and saved files stay stock Keras: only how an instance computes is exchanged, for the
time of a block.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastlstm.errors import ConfigError

# Beyond this many time steps the unrolled graph costs more to build than it saves.
_MOST_STEPS = 512
_HALVES = 2


def fusable(model: Any) -> list[Any]:
    """The model's LSTM layers that can be computed so; empty where a GPU does it better.

    Args:
        model: a built Keras model.
    """
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return []
    return [layer for layer in model.layers if _is_fusable(layer)]


def _is_fusable(layer: Any) -> bool:
    import keras

    if type(layer) is not keras.layers.LSTM or not layer.built:
        return False
    steps = layer.input.shape[1]
    return (
        layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and layer.use_bias
        and layer.dropout == layer.recurrent_dropout == 0
        and not (layer.go_backwards or layer.stateful or layer.unroll)
        and layer.compute_dtype == "float32"
        and steps is not None
        and steps <= _MOST_STEPS
    )


@contextmanager
def fused(model: Any, choice: str = "auto") -> Iterator[None]:
    """Compute a model's LSTM layers so within the block.

    What is compiled within the block, e.g. by ``fit``, stays so afterwards.

    Args:
        model: a built Keras model.
        choice: 'auto' where it is possible, 'fused' everywhere or not at all, 'keras' nowhere.

    Raises:
        ConfigError: 'fused' is not possible for a layer.
    """
    import keras

    layers = fusable(model) if choice != "keras" else []
    if choice == "fused":
        all_layers = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
        if len(layers) < len(all_layers):
            raise ConfigError(
                "lstm_implementation: 'fused' needs a CPU, float32, activation 'tanh' and at most "
                f"{_MOST_STEPS} timesteps; use 'auto' or 'keras'"
            )
    for layer in layers:
        layer.inner_loop = types.MethodType(_inner_loop, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.inner_loop


def _inner_loop(
    layer: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False
) -> Any:
    """What ``keras.layers.LSTM.inner_loop`` does: last output, all outputs, last states."""
    import keras
    import tensorflow as tf

    if mask is not None:
        return type(layer).inner_loop(layer, sequences, initial_state, mask, training)
    cell = layer.cell
    weights = [
        tf.convert_to_tensor(variable)
        for variable in (cell.kernel, cell.recurrent_kernel, cell.bias)
    ]
    batch = tf.shape(sequences)[0]
    cuts = [batch * part // _HALVES for part in range(_HALVES + 1)]
    outputs, states = [], []
    for first, end in zip(cuts, cuts[1:], strict=False):
        hidden, state = _layer(
            sequences[first:end], *[part[first:end] for part in initial_state], *weights
        )
        outputs.append(hidden)
        states.append(state)
    hidden = tf.concat(outputs, axis=1)
    last = hidden[-1]
    state = tf.concat(states, axis=0)
    if not layer.return_sequences:
        return last, keras.ops.expand_dims(last, 1), [last, state]
    return last, tf.transpose(hidden, [1, 0, 2]), [last, state]


def _reordered(weights: Any, order: tuple[int, ...]) -> Any:
    import tensorflow as tf

    gates = tf.split(weights, 4, axis=-1)
    return tf.concat([gates[number] for number in order], axis=-1)


# Keras keeps the gates as input, forget, cell, output; the fused step wants input, cell, forget, output.
_SWAPPED = (0, 2, 1, 3)


def _layer(sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """Hidden states ``(steps, batch, units)`` and the last cell state ``(batch, units)``."""
    import tensorflow as tf

    steps, inputs, units = sequences.shape[1], kernel.shape[0], recurrent.shape[0]
    peepholes = tf.zeros([units])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        weights = _reordered(tf.concat([kernel, recurrent], axis=0), _SWAPPED)
        biases = _reordered(bias, _SWAPPED)
        common = {
            "w": weights, "b": biases, "wci": peepholes, "wcf": peepholes, "wco": peepholes,
            "use_peephole": False,
        }  # fmt: skip
        xs = tf.unstack(tf.transpose(sequences, [1, 0, 2]), steps, axis=0)
        h, c, before, kept = h_first, c_first, [], []
        for x in xs:
            before.append((h, c))
            made = tf.raw_ops.LSTMBlockCell(
                x=x, h_prev=h, cs_prev=c, forget_bias=0.0, cell_clip=-1.0, **common
            )
            kept.append(made)
            h, c = made.h, made.cs
        hidden = tf.stack([made.h for made in kept])

        def gradient(d_hidden: Any, d_last_c: Any) -> tuple[Any, ...]:
            d_h, d_c = tf.zeros_like(h), d_last_c
            d_out = tf.unstack(d_hidden, steps, axis=0)
            d_gates: list[Any] = [None] * steps
            for t in reversed(range(steps)):
                made, (h_prev, c_prev) = kept[t], before[t]
                back = tf.raw_ops.LSTMBlockCellGrad(
                    x=xs[t], h_prev=h_prev, cs_prev=c_prev, i=made.i, cs=made.cs, f=made.f,
                    o=made.o, ci=made.ci, co=made.co, cs_grad=d_c, h_grad=d_out[t] + d_h, **common,
                )  # fmt: skip
                d_c, d_gates[t] = back.cs_prev_grad, back.dicfo
                d_h = tf.matmul(back.dicfo, weights[inputs:], transpose_b=True)
            stacked = tf.stack(d_gates)
            flat = tf.reshape(stacked, [-1, 4 * units])
            d_x = tf.matmul(flat, weights[:inputs], transpose_b=True)
            d_x = tf.reshape(d_x, [steps, -1, inputs])
            x_flat = tf.reshape(tf.stack(xs), [-1, inputs])
            h_flat = tf.reshape(tf.stack([h_prev for h_prev, _ in before]), [-1, units])
            return (
                tf.transpose(d_x, [1, 0, 2]),
                d_h,
                d_c,
                _reordered(tf.matmul(x_flat, flat, transpose_a=True), _SWAPPED),
                _reordered(tf.matmul(h_flat, flat, transpose_a=True), _SWAPPED),
                _reordered(tf.reduce_sum(flat, axis=0), _SWAPPED),
            )

        return (hidden, c), gradient

    return run(sequences, h_first, c_first, kernel, recurrent, bias)
