"""Check an ONNX model before onnxruntime opens it: it may hold the operators of our networks alone.

Others compute in loops without end, run other graphs, or read other files. The model is a message of
Protocol Buffers, of which the few fields that matter are read here, for what forecasts with stored runs
does not install the package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastlstm.errors import StoreError
from fastlstm.network.onnx_graph import OPERATORS

# Numbers of fields in onnx.proto.
_GRAPH, _FUNCTIONS = 7, 25  # of a model
_NODES = 1  # of a graph
_ATTRIBUTES, _OPERATOR, _DOMAIN = 5, 4, 7  # of a node
_SUBGRAPH, _SUBGRAPHS = 6, 11  # of an attribute

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


def check_operators(content: bytes) -> None:
    """Refuse a model with an operator that no network of ours has.

    Args:
        content: the serialized model.

    Raises:
        StoreError: names the operator, or says that the message is damaged.
    """
    for number, part in _fields(memoryview(content)):
        if number == _FUNCTIONS:
            raise StoreError("it has functions of its own")
        if number == _GRAPH:
            for kind, node in _fields(part):
                if kind == _NODES:
                    _check_node(node)


def _check_node(node: memoryview) -> None:
    operator = domain = ""
    for number, part in _fields(node):
        if number == _OPERATOR:
            operator = bytes(part).decode("utf-8", "replace")
        elif number == _DOMAIN:
            domain = bytes(part).decode("utf-8", "replace")
        elif number == _ATTRIBUTES and any(
            kind in (_SUBGRAPH, _SUBGRAPHS) for kind, _ in _fields(part)
        ):
            raise StoreError("an operator of it holds a graph")
    if domain or operator not in OPERATORS:
        raise StoreError(f"it has the operator {f'{domain} {operator}'.strip()[:60]!r}")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a message; numbers as fields are empty.

    Raises:
        StoreError: it is no message.
    """
    position = 0
    while position < len(message):
        key, position = _number(message, position)
        kind, size = key & 7, 0
        if kind == _VARINT:
            _, position = _number(message, position)
        elif kind == _BYTES:
            size, position = _number(message, position)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise StoreError("it is damaged")
        if position + size > len(message):
            raise StoreError("it is damaged")
        yield key >> 3, message[position : position + size]
        position += size


def _number(message: memoryview, position: int) -> tuple[int, int]:
    """A number of variable length, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise StoreError("it is damaged")
