"""Messages of Protocol Buffers, as an ONNX model is one, read and written field by field.

What forecasts with stored runs does not install the package ``onnx``. Encoding:
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fastlstm.errors import StoreError

# Numbers of fields in onnx.proto: of a model, of its graph, and of a node.
GRAPH = 7
NODE = 1
OPERATOR, ATTRIBUTE = 4, 5

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: which field.
        content: of text, bytes and messages; of a number its encoded form.
        whole: the field with its key and size, to be copied.
    """

    number: int
    content: memoryview
    whole: memoryview

    @property
    def text(self) -> str:
        """The content of a text."""
        return bytes(self.content).decode("utf-8", "replace")


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        StoreError: it is no message.
    """
    position = 0
    while position < len(message):
        start = position
        key, position = _number(message, position)
        kind, begin = key & 7, position
        if kind == _VARINT:
            _, position = _number(message, position)
        elif kind == _BYTES:
            size, begin = _number(message, position)
            position = begin + size
        elif kind in _FIXED_SIZES:
            position += _FIXED_SIZES[kind]
        else:
            raise StoreError("it is damaged")
        if position > len(message):
            raise StoreError("it is damaged")
        yield Field(key >> 3, message[begin:position], message[start:position])


def integers(content: memoryview) -> list[int]:
    """The numbers of a field, one or several packed in a row.

    Raises:
        StoreError: they are damaged.
    """
    found, position = [], 0
    while position < len(content):
        value, position = _number(content, position)
        found.append(value - (1 << 64) if value >> 63 else value)
    return found


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


def field_of(number: int, content: bytes | str | int) -> bytes:
    """A field with text, bytes, a message or a number that is not negative."""
    if isinstance(content, int):
        return _encoded(number << 3 | _VARINT) + _encoded(content)
    given = content.encode() if isinstance(content, str) else content
    return _encoded(number << 3 | _BYTES) + _encoded(len(given)) + given


def _encoded(value: int) -> bytes:
    """A number of variable length."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
