"""How each Keras layer and operation of this library's networks is written in ONNX.

A rule takes one use of a layer or operation and adds its nodes to the graph. A network of other layers
needs a rule more, in ``RULES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.network.onnx_graph import OnnxGraph, Value


class NoOnnxError(Exception):
    """A network, or a part of it, has no equal in ONNX; the message says which part."""


@dataclass(frozen=True)
class Use:
    """One use of a layer or operation in a network.

    Attributes:
        graph: the graph to add to.
        operation: the Keras layer or operation.
        arguments: its positional arguments, tensors as values of the graph.
        keywords: its keyword arguments, likewise.
        input_shape: shape of its first tensor, the number of windows None.
        output_shape: shape of its first output.
    """

    graph: OnnxGraph
    operation: Any
    arguments: Sequence[Any]
    keywords: dict[str, Any]
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]

    @property
    def first(self) -> Value:
        """Its first argument."""
        value: Value = self.arguments[0]
        return value

    def argument(self, position: int, name: str) -> Any:
        """An argument by position or name."""
        given = self.arguments
        return given[position] if position < len(given) else self.keywords[name]

    def reshaped(self, value: Value, shape: Sequence[int | None] | None = None) -> str:
        """A tensor in the shape of the output, or in another one."""
        wanted = self.output_shape if shape is None else shape
        if sum(size is None for size in wanted) > 1:
            raise NoOnnxError(f"{self.operation.name}: more than one size differs by batch")
        return self.graph.add(
            "Reshape", value, self.graph.integers([-1 if size is None else size for size in wanted])
        )


Rule = Callable[[Use], Value | list[Value]]


def _number(value: float) -> np.ndarray:
    """A number of the network's type."""
    return np.array(value, np.float32)


def _scaled(graph: OnnxGraph, value: Value, factor: float) -> str:
    return graph.add("Mul", value, _number(factor))


def _gelu(graph: OnnxGraph, value: Value) -> str:
    """The exact form, by the error function."""
    error = graph.add("Erf", _scaled(graph, value, 1 / math.sqrt(2)))
    half = _scaled(graph, value, 0.5)
    return graph.add("Mul", half, graph.add("Add", error, _number(1)))


def _clipped(least: float, most: float) -> Callable[[OnnxGraph, Value], str]:
    return lambda graph, value: graph.add("Clip", value, _number(least), _number(most))


def _operator(kind: str, **attributes: Any) -> Callable[[OnnxGraph, Value], str]:
    return lambda graph, value: graph.add(kind, value, **attributes)


# Keras' activations by function name.
ACTIVATIONS: dict[str, Callable[[OnnxGraph, Value], Value]] = {
    "linear": lambda graph, value: value,
    "celu": _operator("Celu", alpha=1.0),
    "elu": _operator("Elu", alpha=1.0),
    "exponential": _operator("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _operator("HardSwish"),
    "hard_tanh": _clipped(-1, 1),
    "leaky_relu": _operator("LeakyRelu", alpha=0.2),
    "log_sigmoid": lambda graph, value: graph.add(
        "Neg", graph.add("Softplus", graph.add("Neg", value))
    ),
    "log_softmax": _operator("LogSoftmax", axis=-1),
    "mish": lambda graph, value: graph.add(
        "Mul", value, graph.add("Tanh", graph.add("Softplus", value))
    ),
    "relu": _operator("Relu"),
    "relu6": _clipped(0, 6),
    "selu": _operator("Selu"),
    "sigmoid": _operator("Sigmoid"),
    "silu": lambda graph, value: graph.add("Mul", value, graph.add("Sigmoid", value)),
    "softmax": _operator("Softmax", axis=-1),
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "tanh": _operator("Tanh"),
}

# Those that an ONNX LSTM knows for its cell, with their parameters.
_OF_CELLS: dict[str, tuple[str, float | None, float | None]] = {
    "elu": ("Elu", 1.0, None),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2, None),
    "linear": ("Affine", 1.0, 0.0),
    "relu": ("Relu", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "softplus": ("Softplus", None, None),
    "softsign": ("Softsign", None, None),
    "tanh": ("Tanh", None, None),
}


def _activated(use: Use, value: Value) -> Value:
    """A tensor after the activation of a layer."""
    name = use.operation.activation.__name__
    if name not in ACTIVATIONS:
        raise NoOnnxError(f"{use.operation.name}: no activation {name!r} in ONNX")
    return ACTIVATIONS[name](use.graph, value)


def _dense(use: Use) -> Value:
    layer = use.operation
    product: Value = use.graph.add("MatMul", use.first, np.asarray(layer.kernel))
    if layer.use_bias:
        product = use.graph.add("Add", product, np.asarray(layer.bias))
    return _activated(use, product)


def _lstm(use: Use) -> list[Value]:
    """An LSTM layer; ONNX takes the time steps first, and the gates as input, output, forget, cell."""
    layer, graph = use.operation, use.graph
    if layer.go_backwards or layer.stateful:
        raise NoOnnxError(f"{layer.name}: reads its time steps backwards, or keeps its state")
    if use.keywords.get("mask") is not None:
        raise NoOnnxError(f"{layer.name}: has a mask")
    cell, units = layer.cell, layer.units

    def by_gate(weights: Any) -> np.ndarray:
        """``(4 * units, inputs)`` in ONNX's order of ``(inputs, 4 * units)`` in Keras'."""
        enter, forget, new, leave = np.split(np.asarray(weights).T, 4)
        return np.concatenate([enter, leave, forget, new])

    bias = np.zeros((2, 4 * units), np.float32)
    if layer.use_bias:
        bias[0] = by_gate(cell.bias)
    state = use.keywords.get("initial_state") or []
    states = [graph.add("Unsqueeze", each, graph.integers([0])) for each in state]
    steps = graph.add("Transpose", use.first, perm=[1, 0, 2])
    every, hidden, memory = graph.add_several(
        "LSTM", 3, steps, by_gate(cell.kernel)[None], by_gate(cell.recurrent_kernel)[None],
        bias.reshape(1, -1), "", *states, hidden_size=units, **_of_cell(layer),
    )  # fmt: skip
    hidden, memory = (graph.add("Squeeze", each, graph.integers([0])) for each in (hidden, memory))
    output = hidden
    if layer.return_sequences:
        output = graph.add(
            "Transpose", graph.add("Squeeze", every, graph.integers([1])), perm=[1, 0, 2]
        )
    return [output, hidden, memory] if layer.return_state else [output]


def _of_cell(layer: Any) -> dict[str, Any]:
    """The attributes of an ONNX LSTM that say its activations: of the gates, the cell and the output."""
    names = [layer.recurrent_activation.__name__, *[layer.activation.__name__] * 2]
    for name in names:
        if name not in _OF_CELLS:
            raise NoOnnxError(f"{layer.name}: an LSTM in ONNX has no activation {name!r}")
    found = [_OF_CELLS[name] for name in names]
    given: dict[str, Any] = {
        "activation_alpha": [alpha for _, alpha, _ in found if alpha is not None],
        "activation_beta": [beta for _, _, beta in found if beta is not None],
    }
    return {
        "activations": [kind for kind, _, _ in found],
        **{name: values for name, values in given.items() if values},
    }


def _embedding(use: Use) -> Value:
    raise NoOnnxError(f"{use.operation.name}: its row differs by window")


def _repeat_vector(use: Use) -> Value:
    unsqueezed = use.graph.add("Unsqueeze", use.first, use.graph.integers([1]))
    times = use.graph.integers([1, use.operation.n, 1])
    return use.graph.add("Expand", unsqueezed, times)


def _reshape(use: Use) -> Value:
    """By the operation's shape or, of the layer of this name, by that of its output."""
    given = getattr(use.operation, "newshape", None)
    return use.reshaped(
        use.first, given and [None if size in (None, -1) else size for size in given]
    )


def _transpose(use: Use) -> Value:
    axes = use.operation.axes or tuple(range(len(use.input_shape)))[::-1]
    return use.graph.add("Transpose", use.first, perm=list(axes))


def _expand_dims(use: Use) -> Value:
    axes = np.atleast_1d(use.operation.axis)
    return use.graph.add("Unsqueeze", use.first, use.graph.integers(axes))


def _repeat(use: Use) -> Value:
    """Each entry of an axis several times in a row."""
    graph, times, axis = use.graph, use.operation.repeats, use.operation.axis
    if axis is None or np.ndim(times):
        raise NoOnnxError(f"{use.operation.name}: repeats some entries more often than others")
    axis, rank = axis % len(use.input_shape), len(use.input_shape)
    apart = graph.add("Unsqueeze", use.first, graph.integers([axis + 1]))
    sizes = [int(times) if place == axis + 1 else 1 for place in range(rank + 1)]
    return use.reshaped(graph.add("Expand", apart, graph.integers(sizes)))


def _get_item(use: Use) -> Value:
    """Slices and single entries of a tensor; a new axis where the key has None."""
    graph, value, key = use.graph, use.first, use.argument(1, "key")
    keys = list(key) if isinstance(key, tuple | list) else [key]
    rank = len(use.input_shape)
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        missing = rank - sum(one is not None for one in keys) + 1
        keys[place : place + 1] = [slice(None)] * missing
    axis = 0
    slices: list[tuple[int, slice]] = []
    single: list[int] = []
    new: list[int] = []
    for place, one in enumerate(keys):
        if one is None:
            new.append(place - len(single))
            continue
        if isinstance(one, slice):
            if one != slice(None):
                slices.append((axis, one))
        elif isinstance(one, int | np.integer):
            slices.append((axis, slice(int(one), int(one) + 1 or None)))
            single.append(axis)
        else:
            raise NoOnnxError(f"{use.operation.name}: an index is {type(one).__name__}")
        axis += 1
    if slices:
        most = np.iinfo(np.int64).max
        bounds = [
            (one.start or 0, most if one.stop is None else one.stop, axis, one.step or 1)
            for axis, one in slices
        ]
        value = graph.add(
            "Slice", value, *(graph.integers(part) for part in zip(*bounds, strict=True))
        )
    if single:
        value = graph.add("Squeeze", value, graph.integers(single))
    return graph.add("Unsqueeze", value, graph.integers(new)) if new else value


def _take(use: Use) -> Value:
    indices = use.argument(1, "indices")
    if isinstance(indices, str) or use.operation.axis is None:
        raise NoOnnxError(f"{use.operation.name}: what it takes differs by window")
    return use.graph.add("Gather", use.first, use.graph.integers(indices), axis=use.operation.axis)


def _joined(use: Use) -> Value:
    return use.graph.add("Concat", *use.first, axis=use.operation.axis)


def _stack(use: Use) -> Value:
    axis = use.graph.integers([use.operation.axis])
    parts = [use.graph.add("Unsqueeze", part, axis) for part in use.first]
    return use.graph.add("Concat", *parts, axis=use.operation.axis)


def _zeros_like(use: Use) -> Value:
    zeros = use.graph.add("ConstantOfShape", use.graph.add("Shape", use.first))
    use.graph.zeros.add(zeros)
    return zeros


def _sum(use: Use) -> Value:
    if use.operation.axis is None and use.graph.is_zero(use.first):
        return _number(0)
    axes = [] if use.operation.axis is None else [use.graph.integers(_axes(use))]
    return use.graph.add("ReduceSum", use.first, *axes, keepdims=int(use.operation.keepdims))


def _axes(use: Use) -> list[int]:
    """The axes that an operation reduces."""
    axis = use.operation.axis
    return list(range(len(use.input_shape))) if axis is None else np.atleast_1d(axis).tolist()


def _mean(use: Use) -> Value:
    return use.graph.add(
        "ReduceMean", use.first, axes=_axes(use), keepdims=int(use.operation.keepdims)
    )


def _variance(use: Use) -> Value:
    graph, axes = use.graph, _axes(use)
    differences = graph.add("Sub", use.first, graph.add("ReduceMean", use.first, axes=axes))
    squares = graph.add("Mul", differences, differences)
    return graph.add("ReduceMean", squares, axes=axes, keepdims=int(use.operation.keepdims))


def _sort(use: Use) -> Value:
    axis = use.operation.axis % len(use.input_shape)
    count = use.graph.integers([use.input_shape[axis]])
    return use.graph.add_several("TopK", 2, use.first, count, axis=axis, largest=0)[0]


def _pad(use: Use) -> Value:
    if use.operation.mode != "constant" or use.keywords.get("constant_values"):
        raise NoOnnxError(f"{use.operation.name}: pads with other values than 0")
    widths = np.broadcast_to(use.operation.pad_width, (len(use.input_shape), 2))
    return use.graph.add("Pad", use.first, use.graph.integers(widths.T.ravel()))


def _sum_of_two(use: Use) -> Value:
    """The sum; what is 0 whatever the window, such as a forecaster without weight, is left out."""
    one, other = _numbers(use)
    for zero, value in ((one, other), (other, one)):
        if use.graph.is_zero(zero) and use.graph.shape(value) == use.output_shape:
            return value
    return use.graph.add("Add", one, other)


def _product(use: Use) -> Value:
    one, other = _numbers(use)
    product = use.graph.add("Mul", one, other)
    if use.graph.is_zero(one) or use.graph.is_zero(other):
        use.graph.zeros.add(product)
    return product


def _of_two(kind: str) -> Rule:
    """A rule of an operator of two tensors."""
    return lambda use: use.graph.add(kind, *_numbers(use))


def _numbers(use: Use) -> list[Value]:
    """The two arguments of an operation; a plain number is one of the network's type."""
    return [one if isinstance(one, str) else np.asarray(one, np.float32) for one in use.arguments]


def _of_one(kind: str) -> Rule:
    """A rule of an operator of one tensor."""
    return lambda use: use.graph.add(kind, use.first)


# By the name of the Keras class.
RULES: dict[str, Rule] = {
    # layers
    "Activation": lambda use: _activated(use, use.first),
    "Dense": _dense,
    "Dropout": lambda use: use.first,
    "Embedding": _embedding,
    "Flatten": lambda use: use.reshaped(use.first),
    "LSTM": _lstm,
    "RepeatVector": _repeat_vector,
    # operations; Reshape is a layer too, whose shape leaves out the windows
    "Absolute": _of_one("Abs"),
    "Add": _sum_of_two,
    "Concatenate": _joined,
    "Divide": _of_two("Div"),
    "ExpandDims": _expand_dims,
    "GetItem": _get_item,
    "Log": _of_one("Log"),
    "Mean": _mean,
    "Multiply": _product,
    "Pad": _pad,
    "Relu": _of_one("Relu"),
    "Repeat": _repeat,
    "Reshape": _reshape,
    "Sigmoid": _of_one("Sigmoid"),
    "Softmax": lambda use: use.graph.add("Softmax", use.first, axis=use.operation.axis),
    "Softplus": _of_one("Softplus"),
    "Sort": _sort,
    "Sqrt": _of_one("Sqrt"),
    "Stack": _stack,
    "Subtract": _of_two("Sub"),
    "Sum": _sum,
    "Take": _take,
    "Transpose": _transpose,
    "TrueDivide": _of_two("Div"),
    "Var": _variance,
    "ZerosLike": _zeros_like,
}
