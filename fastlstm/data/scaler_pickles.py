"""Read scalers from pickle files without unpickling.

A pickle is a program for a stack machine, and Python's own machine calls what the file names. This one
runs the few opcodes that a fitted scaler is written with, and makes plain Python values alone: a call
is noted, not made. What was noted is then compared with the forms of NumPy's arrays, numbers and types,
and becomes lists of numbers or text. So no state that a file sets reaches an object of NumPy.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastlstm.config.scalers import SCALERS

# Most opcodes; a scaler takes three for each name of a column, and a few dozen beside.
_OPCODES = 300_000
# Formats of struct for the types of NumPy that scalers hold numbers in.
_FORMATS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "u8": "Q", "u4": "I"}
_ARRAY_MODULES = ("numpy._core.multiarray", "numpy.core.multiarray")


class UnreadablePickleError(ValueError):
    """A pickle that is damaged, or holds something else than scalers."""


class _Name(NamedTuple):
    """A function or class that the file names."""

    module: str
    name: str


@dataclass(eq=False)
class _Call:
    """A call that the file asks for, which is not made."""

    of: _Name
    arguments: Any
    state: Any = None


_DTYPE, _ENCODE = _Name("numpy", "dtype"), _Name("_codecs", "encode")
_WRAPPER = _Name("joblib.numpy_pickle", "NumpyArrayWrapper")
_RECONSTRUCT = {_Name(module, "_reconstruct") for module in _ARRAY_MODULES}
_SCALAR = {_Name(module, "scalar") for module in _ARRAY_MODULES}
_FROM_BUFFER = {
    _Name("numpy._core.numeric", "_frombuffer"),
    _Name("numpy.core.numeric", "_frombuffer"),
}
_SCALERS = {_Name(module, name) for name, module in SCALERS.items()}
_KNOWN = {
    _DTYPE, _ENCODE, _WRAPPER, _Name("numpy", "ndarray"),
    *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER, *_SCALERS,
}  # fmt: skip


def scalers_in(content: bytes) -> Any:
    """What a pickle file holds: a scaler as ``(name of its class, attributes)``, or a dict of scalers.

    Attributes are plain: text, numbers, bools, None, and lists of numbers or text.

    Args:
        content: bytes of the file, as ``pickle.dumps`` or an uncompressed ``joblib.dump`` wrote them.

    Raises:
        UnreadablePickleError: the file is damaged, or holds anything but scalers.
    """
    try:
        found = _Machine(io.BytesIO(content)).run()
    except UnreadablePickleError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, struct.error) as error:
        raise UnreadablePickleError(str(error) or type(error).__name__) from None
    if isinstance(found, dict):
        return {name: _scaler(value) for name, value in found.items()}
    return _scaler(found)


class _Machine:
    """The stack machine for one pickle of a file, and for those that joblib nests in it.

    Args:
        stream: the file, at the pickle's first byte.
        nested: whether it lies within another pickle.
    """

    def __init__(self, stream: io.BytesIO, nested: bool = False) -> None:
        self._stream, self._nested = stream, nested
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value that the pickle leaves on the stack."""
        for count, (opcode, argument, _) in enumerate(self._opcodes()):
            if count > _OPCODES:
                raise UnreadablePickleError(f"it has over {_OPCODES:,} opcodes")
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[opcode.name](argument))
            elif opcode.name not in _IGNORED:
                operation = _OPERATIONS.get(opcode.name)
                if operation is None:
                    raise UnreadablePickleError(f"it has the opcode {opcode.name}")
                operation(self, argument)
        raise UnreadablePickleError("it has no end")

    def _opcodes(self) -> Iterator[Any]:
        return pickletools.genops(self._stream)

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        found, self._stack = self._stack, self._below.pop()
        return found

    def _memoize(self, argument: Any) -> None:
        self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]

    def _get(self, argument: Any) -> None:
        self._stack.append(self._memo[argument])

    def _tuple(self, size: int) -> None:
        values = tuple(self._stack[-size:])
        if len(values) != size:
            raise UnreadablePickleError("its stack is too short")
        self._stack[-size:] = [values]

    def _marked_tuple(self, _: Any) -> None:
        values = tuple(self._since_mark())
        self._stack.append(values)

    def _append(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise UnreadablePickleError("it appends to what is no list")
        self._stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        found = self._stack[-1]
        if not isinstance(found, dict) or len(values) % 2:
            raise UnreadablePickleError("it sets items of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str):
                raise UnreadablePickleError("it has a key that is no text")
            found[key] = value

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in _KNOWN:
            raise UnreadablePickleError(f"it names {str(module)[:80]}.{str(name)[:80]}")
        self._stack.append(_Name(module, name))

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnreadablePickleError("it names something by what is no text")
        self._name(module, name)

    def _call(self, _: Any) -> None:
        arguments, of = self._stack.pop(), self._stack.pop()
        if not isinstance(of, _Name) or not isinstance(arguments, tuple):
            raise UnreadablePickleError("it calls what is no function")
        self._stack.append(_encoded(arguments) if of == _ENCODE else _Call(of, arguments))

    def _build(self, _: Any) -> None:
        state, call = self._stack.pop(), self._stack[-1]
        if not isinstance(call, _Call) or call.state is not None or state is None:
            raise UnreadablePickleError("it sets a state of what has none")
        call.state = state
        if call.of == _WRAPPER:
            self._stack[-1] = self._joblib_array(state)

    def _joblib_array(self, state: Any) -> Any:
        """The array whose bytes joblib wrote behind the description of it."""
        if not isinstance(state, dict):
            raise UnreadablePickleError("it describes an array by what is no dict")
        kind = _type_of(state.get("dtype"))
        if kind == "O8":
            if self._nested:
                raise UnreadablePickleError("it nests pickles in nested pickles")
            return _Machine(self._stream, nested=True).run()
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])
        size = _count(state.get("shape")) * int(kind[1])
        return _numbers(kind, state.get("shape"), self._stream.read(size))


_IGNORED = ("PROTO", "FRAME")
_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    **{
        name: lambda argument: argument
        for name in (
            "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
            "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
        )
    },
}  # fmt: skip
_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "TUPLE": _Machine._marked_tuple,
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": lambda machine, _: machine._append([machine._stack.pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._since_mark()),
    "SETITEM": lambda machine, _: machine._set([machine._stack.pop(-2), machine._stack.pop()]),
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "MEMOIZE": _Machine._memoize,
    "BINPUT": _Machine._memoize,
    "LONG_BINPUT": _Machine._memoize,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "NEWOBJ": _Machine._call,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
}


def _encoded(arguments: tuple[Any, ...]) -> bytes:
    """Bytes as protocol 2 writes them: text, of which each character is one byte."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] != "latin1":
        raise UnreadablePickleError("it encodes what is no bytes")
    return arguments[0].encode("latin1")


def _scaler(value: Any) -> tuple[str, dict[str, Any]]:
    """The class of a scaler and its attributes."""
    if not isinstance(value, _Call) or value.of not in _SCALERS or value.arguments != ():
        raise UnreadablePickleError(f"it holds {_described(value)}, not a scaler")
    if not isinstance(value.state, dict):
        raise UnreadablePickleError("it holds a scaler without attributes")
    return value.of.name, {
        name: _plain(attribute)
        for name, attribute in value.state.items()
        if name != "_sklearn_version"
    }


def _described(value: Any) -> str:
    return value.of.name if isinstance(value, _Call) else type(value).__name__


def _plain(value: Any) -> Any:
    """An attribute as plain values."""
    if isinstance(value, tuple | list):
        if not all(isinstance(one, str | int | float | bool) for one in value):
            raise UnreadablePickleError("it holds an attribute that is no list of numbers or text")
        return list(value)
    if not isinstance(value, _Call):
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise UnreadablePickleError(f"it holds an attribute that is {_described(value)}")
    if value.of in _SCALAR:
        kind, content = _exactly(value.arguments, 2)
        return _numbers(_type_of(kind), (), content)
    if value.of in _FROM_BUFFER:
        content, kind, shape, _ = _exactly(value.arguments, 4)
        return _numbers(_type_of(kind), shape, content)
    if value.of in _RECONSTRUCT:
        _, shape, kind, _, content = _exactly(value.state, 5)
        return _numbers(_type_of(kind), shape, content)
    raise UnreadablePickleError(f"it holds an attribute that is {_described(value)}")


def _exactly(values: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(values, tuple) or len(values) != count:
        raise UnreadablePickleError("it describes an array in another way than NumPy")
    return values


def _type_of(value: Any) -> str:
    """The name of a NumPy type of numbers or of objects, little-endian."""
    if not isinstance(value, _Call) or value.of != _DTYPE:
        raise UnreadablePickleError("it has an array without a type")
    kind = value.arguments[0] if value.arguments else None
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) == 8 else None
    if kind == "O8" and order == "|":
        return "O8"
    if kind not in _FORMATS or order not in ("<", "="):
        raise UnreadablePickleError("it has an array of a type that no scaler has")
    return str(kind)


def _count(shape: Any) -> int:
    """Number of values of an array with one axis, or of a number, which has none."""
    if not isinstance(shape, tuple) or len(shape) > 1:
        raise UnreadablePickleError("it has an array with more than one axis")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise UnreadablePickleError("it has an array of no size")
    return math.prod(shape)


def _numbers(kind: str, shape: Any, content: Any) -> Any:
    """The values of an array, or one number, from their bytes; text from a list of objects."""
    count = _count(shape)
    if kind == "O8":
        if not isinstance(content, list) or len(content) != count:
            raise UnreadablePickleError("it has an array of objects that are not there")
        if not all(isinstance(one, str) for one in content):
            raise UnreadablePickleError("it has an array of objects that are no text")
        return content
    if not isinstance(content, bytes | bytearray) or len(content) != count * int(kind[1]):
        raise UnreadablePickleError("it has an array of another size than its bytes")
    values = list(struct.unpack(f"<{count}{_FORMATS[kind]}", content))
    return values if shape else values[0]
