"""Rewrite an ONNX model so that many windows are forecast faster: LSTM layers as plain operators.

onnxruntime's operator ``LSTM`` applies its activations window by window, in loops as short as the layer
is narrow. Here a time step is one matrix product and a few operators on all windows of a batch. Units
are the first axis and windows the last, so that each gate is one piece of memory. The outputs are the
same but for rounding. A single window is slower so, and the file of a run stays as it is: what is made
here is for one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastlstm.network.onnx_message import (
    ATTRIBUTE,
    GRAPH,
    NODE,
    OPERATOR,
    Field,
    field_of,
    fields,
    integers,
)

# Numbers of fields in onnx.proto.
_INITIALIZER, _OUTPUT = 5, 12  # of a graph
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER, _ATTRIBUTE_TYPE = 1, 3, 20
_ATTRIBUTE_INTEGERS, _ATTRIBUTE_STRINGS = 8, 9
_TENSOR_SIZES, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_CONTENT = 1, 2, 8, 9
_OUTPUT_NAME = 1

_FLOAT, _INT64 = 1, 7  # of values of a tensor
_DTYPES: dict[int, np.dtype[Any]] = {_FLOAT: np.dtype("<f4"), _INT64: np.dtype("<i8")}
_INTEGER, _INTEGERS = 2, 7  # of an attribute

# Most time steps of all layers: each is a dozen operators, which take time and memory to prepare.
_MOST_STEPS = 2_000

# The gates of a batch at a time step should stay in a core's own cache.
_GATE_VALUES = 1 << 16

_ACTIVATIONS = [b"Sigmoid", b"Tanh", b"Tanh"]


class Unrolled(NamedTuple):
    """A model without LSTM operators.

    Attributes:
        content: the serialized model.
        batch: how many windows to compute at once.
    """

    content: bytes
    batch: int


def lstm_layers(content: bytes) -> str:
    """The LSTM layers of a model, as inputs x units with how often each occurs.

    Empty where it has none, or one that ``unrolled`` does not know.

    Raises:
        StoreError: the message is damaged.
    """
    graph = _graph_of(content)
    sizes = Counter((graph.tensors[node.inputs[1]].shape[-1], node.units) for node in graph.layers)
    return ", ".join(
        f"{count} of {inputs} x {units}" for (inputs, units), count in sorted(sizes.items())
    )


def unrolled(
    content: bytes, run: Callable[[bytes, list[str]], list[np.ndarray]]
) -> Unrolled | None:
    """A model with its LSTM layers as plain operators; None where they have too many time steps.

    Args:
        content: the serialized model, as ``fastlstm.network.onnx_export`` writes it, which has layers by
            ``lstm_layers``.
        run: computes outputs of a model, by name, for one window of zeros.

    Raises:
        StoreError: the message is damaged.
    """
    graph = _graph_of(content)
    layers = graph.layers
    read = sorted({node.inputs[0] for node in layers})
    # Messages that follow each other are one: the inputs of the layers become outputs of the model too.
    more = b"".join(field_of(_OUTPUT, field_of(_OUTPUT_NAME, name)) for name in read)
    found = run(content + field_of(GRAPH, more), read)
    steps = {name: values.shape[0] for name, values in zip(read, found, strict=True)}
    if sum(steps[node.inputs[0]] for node in layers) > _MOST_STEPS:
        return None
    writer = _Writer(graph)
    for node in graph.nodes:
        if node.operator == "LSTM":
            writer.add_layer(node, steps[node.inputs[0]])
        else:
            writer.keep(node)
    widest = max(node.units for node in layers)
    batch = min(1024, max(64, 1 << (_GATE_VALUES // (4 * widest)).bit_length() - 1))
    rest = b"".join(p.whole for p in fields(memoryview(content)) if p.number != GRAPH)
    return Unrolled(rest + field_of(GRAPH, writer.graph()), batch)


def _graph_of(content: bytes) -> _Graph:
    """The graph of a model."""
    graphs = [part.content for part in fields(memoryview(content)) if part.number == GRAPH]
    return _Graph.read(graphs[0] if len(graphs) == 1 else memoryview(b""))


@dataclass(frozen=True)
class _Node:
    """A node of a graph; names in the order of the operator's definition, empty where left out."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, memoryview]
    whole: bytes

    @classmethod
    def read(cls, part: Field) -> _Node:
        inputs, outputs, operator = [], [], ""
        attributes: dict[str, memoryview] = {}
        for one in fields(part.content):
            if one.number == _NODE_INPUT:
                inputs.append(one.text)
            elif one.number == _NODE_OUTPUT:
                outputs.append(one.text)
            elif one.number == OPERATOR:
                operator = one.text
            elif one.number == ATTRIBUTE:
                names = [f.text for f in fields(one.content) if f.number == _ATTRIBUTE_NAME]
                attributes[names[0] if names else ""] = one.content
        return cls(operator, inputs, outputs, attributes, bytes(part.whole))

    @property
    def units(self) -> int:
        """Units of an LSTM layer."""
        return self._integers("hidden_size", _ATTRIBUTE_INTEGER)[0]

    @property
    def order(self) -> list[int]:
        """The order of axes of a transpose."""
        return self._integers("perm", _ATTRIBUTE_INTEGERS)

    def _integers(self, name: str, number: int) -> list[int]:
        parts = fields(self.attributes.get(name, memoryview(b"")))
        return [value for f in parts if f.number == number for value in integers(f.content)]


@dataclass(frozen=True)
class _Graph:
    """The parts of a graph."""

    nodes: list[_Node]
    tensors: dict[str, np.ndarray]
    outputs: list[str]
    rest: bytes
    _whole_tensors: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, message: memoryview) -> _Graph:
        made = cls([], {}, [], b"".join(
            part.whole for part in fields(message) if part.number not in (NODE, _INITIALIZER)
        ))  # fmt: skip
        for part in fields(message):
            if part.number == NODE:
                made.nodes.append(_Node.read(part))
            elif part.number == _INITIALIZER:
                name, values = _tensor(part.content)
                made._whole_tensors[name] = bytes(part.whole)
                if values is not None:
                    made.tensors[name] = values
            elif part.number == _OUTPUT:
                names = (f.text for f in fields(part.content) if f.number == _OUTPUT_NAME)
                made.outputs.extend(names)
        return made

    @property
    def layers(self) -> list[_Node]:
        """Its LSTM layers; none where one of them is of a kind that our networks do not have."""
        found = [node for node in self.nodes if node.operator == "LSTM"]
        return found if all(self._is_plain(node) for node in found) else []

    def _is_plain(self, node: _Node) -> bool:
        """Whether an LSTM is one that our networks have: forward, of constant weights, with tanh."""
        strings = [
            bytes(f.content)
            for f in fields(node.attributes.get("activations", memoryview(b"")))
            if f.number == _ATTRIBUTE_STRINGS
        ]
        return (
            set(node.attributes) <= {"activations", "hidden_size"}
            and strings in ([], _ACTIVATIONS)
            and len(node.inputs) in (4, 5, 7)
            and not any(node.inputs[4:5])
            and all(name in self.tensors for name in node.inputs[1:4])
        )

    def constants(self, used: set[str]) -> Iterator[bytes]:
        """The stored tensors of these names."""
        return (whole for name, whole in self._whole_tensors.items() if name in used)


def _tensor(message: memoryview) -> tuple[str, np.ndarray | None]:
    """Name and values of a stored tensor; None for types that no layer is read by."""
    name, sizes, kind, content = "", [], 0, memoryview(b"")
    for part in fields(message):
        if part.number == _TENSOR_NAME:
            name = part.text
        elif part.number == _TENSOR_SIZES:
            sizes += integers(part.content)
        elif part.number == _TENSOR_TYPE:
            (kind,) = integers(part.content)
        elif part.number == _TENSOR_CONTENT:
            content = part.content
    if kind not in _DTYPES or len(content) != _DTYPES[kind].itemsize * int(np.prod(sizes)):
        return name, None
    return name, np.frombuffer(content, _DTYPES[kind]).reshape(sizes)


class _Steps(NamedTuple):
    """A sequence as one tensor ``(units, windows)`` for each time step.

    Attributes:
        names: of the tensors.
        layout: what the sequence is elsewhere in the graph: 'layer' ``(steps, 1, windows, units)``,
            'steps' ``(steps, windows, units)`` or 'windows' ``(windows, steps, units)``.
    """

    names: Sequence[str]
    layout: str


class _Writer:
    """Writes the graph anew."""

    def __init__(self, read: _Graph) -> None:
        self._read = read
        self._nodes: list[tuple[list[str], list[str], bytes]] = []
        self._tensors: dict[str, bytes] = {}
        self._known: dict[str, _Steps] = {}
        self._first, self._second = self._integers("axis_0", [0]), self._integers("axis_1", [1])

    def keep(self, node: _Node) -> None:
        """Add a node of the model as it is; remember what it does to a sequence of a layer."""
        self._nodes.append((node.inputs, node.outputs, node.whole))
        known = self._known.get(node.inputs[0]) if node.inputs else None
        if known is None:
            return
        if node.operator == "Squeeze" and known.layout == "layer":
            axes = self._read.tensors.get(node.inputs[1])
            if axes is not None and axes.tolist() == [1]:
                self._known[node.outputs[0]] = _Steps(known.names, "steps")
        elif node.operator == "Transpose" and known.layout != "layer" and node.order == [1, 0, 2]:
            other = {"steps": "windows", "windows": "steps"}[known.layout]
            self._known[node.outputs[0]] = _Steps(known.names, other)

    def add_layer(self, node: _Node, steps: int) -> None:
        """Add what computes an LSTM layer, under the names that its outputs had.

        ONNX has the gates in the order input, output, forget, cell: the three that a sigmoid is applied
        to follow each other.
        """
        prefix, units = f"unrolled_{len(self._nodes)}", node.units
        kernel, recurrent, biases = (self._read.tensors[name][0] for name in node.inputs[1:4])
        of_inputs = self._floats(f"{prefix}_w", kernel)
        of_both = self._floats(f"{prefix}_wr", np.concatenate([kernel, recurrent], axis=1))
        bias = self._floats(f"{prefix}_b", (biases[: 4 * units] + biases[4 * units :])[:, None])
        by_gate = self._integers(f"{prefix}_gates", [3 * units, units])
        each = self._integers(f"{prefix}_each", [units] * 3)
        hidden, memory = (self._state(name) for name in (node.inputs[5:7] or ["", ""]))
        sequence = []
        for inputs in self._inputs(node.inputs[0], steps):
            if hidden:
                both = self._add("Concat", [inputs, hidden], axis=0)
                product = self._add("MatMul", [of_both, both])
            else:
                product = self._add("MatMul", [of_inputs, inputs])
            gates, new = self._split(self._add("Add", [product, bias]), by_gate, 2)
            enter, leave, forget = self._split(self._add("Sigmoid", [gates]), each, 3)
            entered = self._add("Mul", [enter, self._add("Tanh", [new])])
            kept = memory and self._add("Mul", [forget, memory])
            memory = self._add("Add", [kept, entered]) if kept else entered
            hidden = self._add("Mul", [leave, self._add("Tanh", [memory])])
            sequence.append(hidden)
        every, last, last_memory = [*node.outputs, "", "", ""][:3]
        if every:
            self._known[every] = _Steps(sequence, "layer")
            apart = [self._add("Unsqueeze", [one, self._first]) for one in sequence]
            joined = self._add("Concat", apart, axis=0)
            by_window = self._add("Transpose", [joined], perm=[0, 2, 1])
            self._add("Unsqueeze", [by_window, self._second], every)
        for name, state in ((last, hidden), (last_memory, memory)):
            if name:
                turned = self._add("Transpose", [state], perm=[1, 0])
                self._add("Unsqueeze", [turned, self._first], name)

    def graph(self) -> bytes:
        """The graph, without what its outputs do not need."""
        wanted, nodes = set(self._read.outputs), []
        for inputs, outputs, whole in reversed(self._nodes):
            if wanted.intersection(outputs):
                wanted.update(inputs)
                nodes.append(whole)
        tensors = [whole for name, whole in self._tensors.items() if name in wanted]
        kept = self._read.constants(wanted)
        return b"".join([*nodes[::-1], *kept, *tensors, self._read.rest])

    def _inputs(self, name: str, steps: int) -> Sequence[str]:
        """Inputs of each time step ``(inputs, windows)`` of a sequence ``(steps, windows, inputs)``."""
        known = self._known.get(name)
        if known is not None and known.layout == "steps":
            return known.names
        turned = self._add("Transpose", [name], perm=[0, 2, 1])
        sizes = self._integers(f"{turned}_steps", [1] * steps)
        parts = self._split(turned, sizes, steps)
        return [self._add("Squeeze", [part, self._first]) for part in parts]

    def _state(self, name: str) -> str:
        """A first state ``(units, windows)`` of one ``(1, windows, units)``; empty where it is 0."""
        if not name:
            return ""
        return self._add("Transpose", [self._add("Squeeze", [name, self._first])], perm=[1, 0])

    def _split(self, name: str, sizes: str, parts: int) -> list[str]:
        """Parts of a tensor along its first axis."""
        outputs = [f"split_{len(self._nodes)}_{number}" for number in range(parts)]
        self._write("Split", [name, sizes], outputs)
        return outputs

    def _add(
        self, operator: str, inputs: list[str], output: str = "", **attributes: int | list[int]
    ) -> str:
        """Add a node with one output; returns the output's name."""
        name = output or f"{operator.lower()}_at_{len(self._nodes)}"
        self._write(operator, inputs, [name], **attributes)
        return name

    def _write(
        self, operator: str, inputs: list[str], outputs: list[str], **attributes: int | list[int]
    ) -> None:
        parts = [field_of(_NODE_INPUT, name) for name in inputs]
        parts += [field_of(_NODE_OUTPUT, name) for name in outputs]
        parts.append(field_of(OPERATOR, operator))
        for name, value in attributes.items():
            number, kind = _ATTRIBUTE_INTEGERS, _INTEGERS
            if isinstance(value, int):
                number, kind, value = _ATTRIBUTE_INTEGER, _INTEGER, [value]
            content = field_of(_ATTRIBUTE_NAME, name) + field_of(_ATTRIBUTE_TYPE, kind)
            content += b"".join(field_of(number, each) for each in value)
            parts.append(field_of(ATTRIBUTE, content))
        self._nodes.append((inputs, outputs, field_of(NODE, b"".join(parts))))

    def _floats(self, name: str, values: np.ndarray) -> str:
        return self._store(name, _FLOAT, values)

    def _integers(self, name: str, values: list[int]) -> str:
        return self._store(name, _INT64, np.array(values))

    def _store(self, name: str, kind: int, values: np.ndarray) -> str:
        """Add a constant; returns its name."""
        content = b"".join(field_of(_TENSOR_SIZES, size) for size in values.shape)
        content += field_of(_TENSOR_TYPE, kind) + field_of(_TENSOR_NAME, name)
        content += field_of(_TENSOR_CONTENT, values.astype(_DTYPES[kind]).tobytes())
        self._tensors[name] = field_of(_INITIALIZER, content)
        return name
