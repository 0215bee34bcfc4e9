"""An ONNX graph while it is written: its nodes, and constants that are stored once each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Release of the operators' definitions: of 2022, which the runtimes for Java and C# of since then know.
OPSET = 17

# All operators that a network of ours may have; a model with another one is not opened.
OPERATORS = frozenset({
    "Abs", "Add", "Celu", "Clip", "Concat", "ConstantOfShape", "Div", "Elu", "Erf", "Exp", "Expand",
    "Gather", "HardSigmoid", "HardSwish", "Identity", "LSTM", "LeakyRelu", "Log", "LogSoftmax", "MatMul",
    "Mul", "Neg", "Pad", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Selu", "Shape", "Sigmoid",
    "Slice", "Softmax", "Softplus", "Softsign", "Sqrt", "Squeeze", "Sub", "Tanh", "TopK", "Transpose",
    "Unsqueeze",
})  # fmt: skip

# What a tensor of the network is in the graph: a name or, where no window changes it, its value.
Value = str | np.ndarray


@dataclass
class OnnxGraph:
    """Nodes in the order they are computed in.

    Attributes:
        nodes: what was added so far.
        zeros: names of tensors that are 0 whatever the window.
        shapes: of the network's tensors by name, the number of windows None.
    """

    nodes: list[Any] = field(default_factory=list)
    zeros: set[str] = field(default_factory=set)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    _constants: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def named(self, value: Value) -> str:
        """The name of a tensor; a constant becomes a part of the graph."""
        if isinstance(value, str):
            return value
        array = np.asarray(value, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        return self._constants.setdefault(key, f"constant_{len(self._constants)}")

    def integers(self, values: Any) -> str:
        """The name of an int64 constant, as shapes and axes are."""
        return self.named(np.asarray(values, np.int64))

    def add(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node with one output; returns the output's name.

        Args:
            kind: the ONNX operator.
            inputs: what it takes; an empty text leaves an optional input out.
            attributes: the operator's.
        """
        return self.add_several(kind, 1, *inputs, **attributes)[0]

    def add_several(self, kind: str, outputs: int, *inputs: Value, **attributes: Any) -> list[str]:
        """Add a node with several outputs; for arguments see ``add``."""
        from onnx.helper import make_node

        if kind not in OPERATORS:
            raise ValueError(f"{kind} is not in OPERATORS; add it there, so that readers take it")
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name if not number else f"{name}_{number}" for number in range(outputs)]
        self.nodes.append(
            make_node(kind, [self.named(i) for i in inputs], names, name=name, **attributes)
        )
        return names

    def shape(self, value: Value) -> tuple[int | None, ...]:
        """The shape of a tensor of the network."""
        return self.shapes[value] if isinstance(value, str) else value.shape

    def is_zero(self, value: Value) -> bool:
        """Whether a tensor is 0 whatever the window."""
        return value in self.zeros if isinstance(value, str) else not value.any()

    def model(self, window: tuple[int, int], forecast: str, outputs: tuple[int, ...]) -> bytes:
        """The serialized model, without nodes that the forecast does not need.

        Args:
            window: time steps and features of an input.
            forecast: name of the tensor that is the output.
            outputs: shape of an output of one window.
        """
        from onnx import TensorProto, helper, numpy_helper

        self.nodes.append(helper.make_node("Identity", [forecast], ["forecast"], name="forecast"))
        nodes = _needed(self.nodes, "forecast")
        used = {name for node in nodes for name in node.input}
        constants = [
            numpy_helper.from_array(np.frombuffer(content, dtype).reshape(shape), name)
            for (dtype, shape, content), name in self._constants.items()
            if name in used
        ]

        def described(name: str, shape: tuple[int, ...]) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["windows", *shape])

        graph = helper.make_graph(
            nodes, "fastlstm", [described("window", window)], [described("forecast", outputs)],
            constants,
        )  # fmt: skip
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
            producer_name="fastlstm",
        )  # fmt: skip
        return bytes(made.SerializeToString(deterministic=True))


def _needed(nodes: list[Any], output: str) -> list[Any]:
    """The nodes that an output depends on, in their order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
