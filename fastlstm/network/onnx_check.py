"""Check an ONNX model before onnxruntime opens it: it may hold the operators of our networks alone.

Others compute in loops without end, run other graphs, or read other files.
"""

from __future__ import annotations

from fastlstm.errors import StoreError
from fastlstm.network.onnx_graph import OPERATORS
from fastlstm.network.onnx_message import ATTRIBUTE, GRAPH, NODE, OPERATOR, fields

# Numbers of fields in onnx.proto.
_FUNCTIONS = 25  # of a model
_DOMAIN = 7  # of a node
_SUBGRAPH, _SUBGRAPHS = 6, 11  # of an attribute


def check_operators(content: bytes) -> None:
    """Refuse a model with an operator that no network of ours has.

    Args:
        content: the serialized model.

    Raises:
        StoreError: names the operator, or says that the message is damaged.
    """
    for part in fields(memoryview(content)):
        if part.number == _FUNCTIONS:
            raise StoreError("it has functions of its own")
        if part.number == GRAPH:
            for node in fields(part.content):
                if node.number == NODE:
                    _check_node(node.content)


def _check_node(node: memoryview) -> None:
    operator = domain = ""
    for part in fields(node):
        if part.number == OPERATOR:
            operator = part.text
        elif part.number == _DOMAIN:
            domain = part.text
        elif part.number == ATTRIBUTE and any(
            field.number in (_SUBGRAPH, _SUBGRAPHS) for field in fields(part.content)
        ):
            raise StoreError("an operator of it holds a graph")
    if domain or operator not in OPERATORS:
        raise StoreError(f"it has the operator {f'{domain} {operator}'.strip()[:60]!r}")
