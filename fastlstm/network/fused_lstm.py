"""Stock Keras LSTM layers computed faster on a CPU, by one fused operation for each time step.

Keras runs a dozen small operations for each time step, and twice as many for its gradient; on a CPU
their overhead exceeds their arithmetic. Here a step is TensorFlow's ``LSTMBlockCell``, its
gradient ``LSTMBlockCellGrad`` on the gates that the forward pass kept, and the gradients of the weights
and of the inputs are one matrix product each over all steps, as cuDNN does it (Appleyard, Kocisky and
Blunsom 2016, "Optimizing Performance of Recurrent Neural Networks on GPUs"). A batch of a narrow layer
is computed in two independent halves, so that two cores have work; a wide layer's products are large
enough to be shared by all cores, and whether halves are faster still is measured once on each kind of
processor. The members of an ensemble give all cores work as they are.

Layers, weights and saved files stay stock Keras: only the method by which a layer computes is replaced,
within a ``with`` block.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from fastlstm.errors import ConfigError
from fastlstm.network.ensemble import members_of
from fastlstm.network.fused_decoder import Decoding, decoded, decoding_of, steps_by_use
from fastlstm.network.kernel_choice import measured_choice

# With more time steps the unrolled graph takes longer to build than it saves.
_MOST_STEPS = 512


# Up to so many units halves were faster on every processor measured. With more it depends: each core
# reads all weights at each step, which its own cache holds on some processors and not on others.
_NARROW = 128

# Windows and time steps of the measurement that decides for wider layers.
_MEASURED_WINDOWS, _MEASURED_STEPS = 128, 6


def is_chosen(choice: str, steps: int | None, activation: str) -> bool:
    """Whether a stock LSTM layer is computed by fused steps.

    The rule is by size, so that the numbers are the same every night.

    Args:
        choice: 'fused' or an error, 'auto' wherever it is possible, 'keras' nowhere.
        steps: time steps, None where they vary.
        activation: name of the activation.

    Raises:
        ConfigError: 'fused' is not possible.
    """
    import tensorflow as tf

    if choice == "keras":
        return False
    possible = steps is not None and steps <= _MOST_STEPS and activation == "tanh"
    possible = possible and not tf.config.list_physical_devices("GPU")
    if choice == "fused" and not possible:
        raise ConfigError(
            f"lstm_implementation: 'fused' needs a CPU, activation 'tanh' and at most {_MOST_STEPS} "
            f"timesteps, found {activation!r} and {steps}; use 'auto' or 'keras'"
        )
    return possible


def use_one_thread_per_operation(widths: list[int]) -> None:
    """Compute each half of a batch on one core, where all layers are narrow.

    Their steps are too small to be shared by cores; measured on 2 cores: 1.2 to 1.5 times the speed. It
    has an effect only before TensorFlow is first used.

    Args:
        widths: units of each LSTM layer.
    """
    import tensorflow as tf

    if max(widths) > _NARROW:
        return

    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(2)


def _steps(layer: Any) -> int | None:
    """Most time steps of a layer's inputs, which may be used several times; None where they vary."""
    found = steps_by_use(layer)
    known = [steps for steps in found if steps is not None]
    return None if not known or len(known) < len(found) else max(known)


def _is_plain(layer: Any) -> bool:
    """Whether a layer is a stock LSTM whose other settings the fused step supports."""
    import keras

    return (
        type(layer) is keras.layers.LSTM
        and layer.recurrent_activation is keras.activations.sigmoid
        and layer.use_bias
        and layer.dropout == layer.recurrent_dropout == 0
        and not (layer.go_backwards or layer.stateful or layer.unroll)
        and layer.compute_dtype == "float32"
    )


@contextmanager
def fused(model: Any, choice: str = "auto") -> Iterator[int]:
    """Compute a model's LSTM layers by fused steps within the block; yields the number of these layers.

    A function compiled within the block, e.g. by ``fit``, keeps the fused steps afterwards.

    Args:
        model: a built Keras model.
        choice: see ``is_chosen``.

    Raises:
        ConfigError: 'fused' is not possible for a layer.
    """
    import keras

    layers = [
        layer
        for layer in model.layers
        if _is_plain(layer)
        and is_chosen(choice, _steps(layer), keras.activations.serialize(layer.activation))
    ]
    # Within another such block, e.g. in a callback of a training that forecasts, the layers are replaced
    # already, and the outer block restores them.
    replaced = [layer for layer in layers if "inner_loop" not in vars(layer)]
    # Members of an ensemble are independent of each other: halves would only add operations.
    has_members = bool(replaced) and members_of(model) > 1
    for layer in replaced:
        compute = _layer if has_members else _fastest(layer)
        loop = partial(_inner_loop, decoding=decoding_of(model, layer), compute=compute)
        layer.inner_loop = types.MethodType(loop, layer)
    try:
        yield len(layers)
    finally:
        for layer in replaced:
            with suppress(AttributeError):  # another thread's block on the same model has ended
                del layer.inner_loop


def _fastest(layer: Any) -> Callable[..., Any]:
    """How batches of several windows are computed by a layer."""
    import tensorflow as tf

    inputs, units = layer.cell.kernel.shape[0], layer.units
    if units <= _NARROW:
        return _in_halves
    ways = {"whole": _layer, "halves": _in_halves}
    what = (
        f"TensorFlow {tf.__version__}, training an LSTM layer of {inputs} inputs and {units} units"
    )
    trials = {name: partial(_gradient, compute, inputs, units) for name, compute in ways.items()}
    return ways[measured_choice(what, trials)]


@cache
def _gradient_of(compute: Callable[..., Any]) -> Any:
    """A compiled function: the gradient of a layer's last hidden state in its weights."""
    import tensorflow as tf

    def gradient(sequences: Any, state: Any, *weights: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            hidden, _ = compute(sequences, state, state, *weights, False)
        return tape.gradient(hidden, weights)

    return tf.function(gradient)


def _gradient(compute: Callable[..., Any], inputs: int, units: int) -> None:
    """Compute the gradient of a layer once, as a trial of its speed."""
    import tensorflow as tf

    sequences = tf.fill([_MEASURED_WINDOWS, _MEASURED_STEPS, inputs], 0.1)
    weights = (tf.fill([size, 4 * units], 0.01) for size in (inputs, units))
    bias, state = tf.zeros([4 * units]), tf.zeros([_MEASURED_WINDOWS, units])
    _gradient_of(compute)(sequences, state, *weights, bias)[0].numpy()


def _inner_loop(
    layer: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False, *,
    decoding: Decoding | None, compute: Callable[..., Any],
) -> Any:  # fmt: skip
    """Replaces ``keras.layers.LSTM.inner_loop``: gives last output, all outputs and last states."""
    import keras
    import tensorflow as tf

    if mask is not None:
        return type(layer).inner_loop(layer, sequences, initial_state, mask, training)
    cell = layer.cell
    kernel, recurrent, bias = (
        tf.convert_to_tensor(variable)
        for variable in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    h_first, c_first = initial_state
    every = layer.return_sequences
    if sequences.shape[0] == 1:
        compute = _one_window
    if decoding is not None and sequences.shape[1] == 1:
        compute = partial(decoded, decoding)
    hidden, state = compute(sequences, h_first, c_first, kernel, recurrent, bias, every)
    if not every:
        return hidden, keras.ops.expand_dims(hidden, 1), [hidden, state]
    return hidden[:, -1], hidden, [hidden[:, -1], state]


def _one_window(
    sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any, every: bool
) -> Any:
    """As ``_layer``, by one operation for all steps of a batch of one window."""
    import tensorflow as tf

    states = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(sequences.shape[1], tf.int64),
        x=tf.transpose(sequences, [1, 0, 2]), cs_prev=c_first, h_prev=h_first,
        forget_bias=0.0, cell_clip=-1.0, **_operands(kernel, recurrent, bias),
    )  # fmt: skip
    return tf.transpose(states.h, [1, 0, 2]) if every else states.h[-1], states.cs[-1]


def _in_halves(
    sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any, every: bool
) -> Any:
    """As ``_layer``, by two independent parts of the graph, one for each half of the batch."""
    import tensorflow as tf

    batch = tf.shape(sequences)[0]
    middle = (batch + 1) // 2
    # The fused step takes no empty batch: for a single window both halves compute the same, and the
    # second result is cut off below.
    halves = [(0, middle), (batch - tf.maximum(1, batch - middle), batch)]
    weights = (kernel, recurrent, bias)
    states = [
        _layer(sequences[first:end], h_first[first:end], c_first[first:end], *weights, every)
        for first, end in halves
    ]
    return tuple(tf.concat(parts, axis=0)[:batch] for parts in zip(*states, strict=True))


def _reordered(weights: Any, order: tuple[int, ...]) -> Any:
    """Weights with their four gates, the last axis, in another order."""
    import tensorflow as tf

    gates = tf.split(weights, 4, axis=-1)
    return tf.concat([gates[number] for number in order], axis=-1)


# Keras' order of the gates is input, forget, cell, output; that of the fused step is input, cell,
# forget, output.
_SWAPPED = (0, 2, 1, 3)


def _operands(kernel: Any, recurrent: Any, bias: Any) -> dict[str, Any]:
    """A layer's weights as arguments of TensorFlow's fused operations, without peepholes."""
    import tensorflow as tf

    none = tf.zeros([recurrent.shape[0]])
    return {
        "w": _reordered(tf.concat([kernel, recurrent], axis=0), _SWAPPED),
        "b": _reordered(bias, _SWAPPED),
        "wci": none, "wcf": none, "wco": none, "use_peephole": False,
    }  # fmt: skip


def _layer(
    sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any, every: bool
) -> Any:
    """Hidden states ``(batch, steps, units)`` or the last one alone, and the last cell state.

    Args:
        sequences: inputs ``(batch, steps, inputs)``.
        h_first: hidden state before, ``(batch, units)``.
        c_first: cell state before, ``(batch, units)``.
        kernel: weights of the inputs, Keras' gate order.
        recurrent: weights of the hidden state.
        bias: bias of both.
        every: whether to give the hidden state of every step.
    """
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(
        sequences: Any, h_first: Any, c_first: Any, kernel: Any, recurrent: Any, bias: Any
    ) -> Any:
        operands = _operands(kernel, recurrent, bias)
        # Time is the first axis: each step is then contiguous, measured to be a fifth faster.
        by_step = tf.transpose(sequences, [1, 0, 2])
        inputs = tf.unstack(by_step, sequences.shape[1], axis=0)
        h, c, before, cells = h_first, c_first, [], []
        for x in inputs:
            before.append((h, c))
            cell = tf.raw_ops.LSTMBlockCell(
                x=x, h_prev=h, cs_prev=c, forget_bias=0.0, cell_clip=-1.0, **operands
            )
            cells.append(cell)
            h, c = cell.h, cell.cs
        forward = _ForwardPass(by_step, inputs, operands, before, cells, every)
        # Without ``every`` the steps are not stacked, which would take time for nothing.
        return (tf.stack([cell.h for cell in cells], axis=1) if every else h, c), forward.gradient

    return run(sequences, h_first, c_first, kernel, recurrent, bias)


@dataclass(frozen=True)
class _ForwardPass:
    """What the gradient of ``_layer`` needs of its forward pass.

    Attributes:
        by_step: inputs, ``(steps, batch, inputs)``.
        inputs: the same step by step, each ``(batch, inputs)``.
        operands: the layer's weights; see ``_operands``.
        before: hidden and cell state before each step, ``(batch, units)``.
        cells: results of each step's fused operation, with its gates.
        every: whether the hidden state of every step was given.
    """

    by_step: Any
    inputs: list[Any]
    operands: dict[str, Any]
    before: list[tuple[Any, Any]]
    cells: list[Any]
    every: bool

    def gradient(self, d_hidden: Any, d_last_c: Any) -> tuple[Any, ...]:
        """Gradients of inputs, first hidden and cell state, kernel, recurrent kernel and bias.

        Args:
            d_hidden: gradient of the hidden states ``(batch, steps, units)``, or of the last one alone.
            d_last_c: gradient of the last cell state, ``(batch, units)``.
        """
        import tensorflow as tf

        steps, units = len(self.cells), self.operands["w"].shape[1] // 4
        inputs = self.operands["w"].shape[0] - units
        # Once: measured, a product by the transposed copy is 1.6 times as fast as by a transpose.
        transposed = tf.transpose(self.operands["w"])
        to_inputs, to_hidden = transposed[:, :inputs], transposed[:, inputs:]
        d_c = d_last_c
        d_h = tf.zeros_like(self.cells[-1].h) if self.every else d_hidden
        d_steps = tf.unstack(d_hidden, steps, axis=1) if self.every else None
        d_gates: list[Any] = [None] * steps
        for t in reversed(range(steps)):
            cell, (h_prev, c_prev) = self.cells[t], self.before[t]
            back = tf.raw_ops.LSTMBlockCellGrad(
                x=self.inputs[t], h_prev=h_prev, cs_prev=c_prev, i=cell.i, cs=cell.cs, f=cell.f,
                o=cell.o, ci=cell.ci, co=cell.co, cs_grad=d_c,
                h_grad=d_h if d_steps is None else d_steps[t] + d_h, **self.operands,
            )  # fmt: skip
            d_c, d_gates[t] = back.cs_prev_grad, back.dicfo
            d_h = tf.matmul(back.dicfo, to_hidden)
        flat = tf.reshape(tf.stack(d_gates), [-1, 4 * units])
        d_x = tf.reshape(tf.matmul(flat, to_inputs), [steps, -1, inputs])
        d_kernel = tf.matmul(tf.reshape(self.by_step, [-1, inputs]), flat, transpose_a=True)
        h_before = tf.stack([h_prev for h_prev, _ in self.before])
        d_recurrent = tf.matmul(tf.reshape(h_before, [-1, units]), flat, transpose_a=True)
        return (
            tf.transpose(d_x, [1, 0, 2]),
            d_h,
            d_c,
            _reordered(d_kernel, _SWAPPED),
            _reordered(d_recurrent, _SWAPPED),
            _reordered(tf.matmul(tf.ones([1, tf.shape(flat)[0]]), flat)[0], _SWAPPED),
        )
