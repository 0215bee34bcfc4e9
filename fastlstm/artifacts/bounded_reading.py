"""Read files and JSON that anybody may have written: bounded in size, and one error for each fault."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from fastlstm.errors import StoreError

JSON_BYTES = 64 << 20


class MissingKeyError(StoreError, KeyError):
    """An object of a stored JSON file lacks a key."""

    __str__ = Exception.__str__


class StoredObject(dict[str, Any]):
    """An object of a JSON file, whose absent keys are an error that names the file.

    Attributes:
        where: address of the file.
    """

    def __init__(self, items: dict[str, Any], where: str) -> None:
        super().__init__(items)
        self.where = where

    def __missing__(self, key: str) -> Any:
        """Refuse an absent key.

        Raises:
            MissingKeyError: always.
        """
        raise MissingKeyError(
            f"{self.where}: has no {key!r}; the file is damaged, or of another kind: take it from where "
            "it was written"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """How copies are made."""
        return StoredObject, (dict(self), self.where)


def read_bytes(file: Path, limit: int = JSON_BYTES) -> bytes:
    """The bytes of a plain file.

    Args:
        file: its path; a pipe or a device is not opened, for reading it could wait without end.
        limit: most bytes.

    Raises:
        StoreError: it is missing, no plain file, cannot be read, or has more bytes.
    """
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{file}: is no plain file; copy it again from where it was written")
        if found.st_size > limit:
            raise StoreError(f"{file}: has over {limit:,} bytes; no such file is so large")
        with file.open("rb") as opened:
            content = opened.read(limit + 1)
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing") from None
    except OSError as error:
        raise StoreError(
            f"{file}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    if len(content) > limit:
        raise StoreError(f"{file}: has over {limit:,} bytes; no such file is so large")
    return content


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text, without NaN and infinity.

    Args:
        text: the text; bytes are UTF-8.
        where: address of its file, for the error.

    Raises:
        StoreError: it is no JSON, is nested without end, or has a number without end.
    """
    try:
        return json.loads(
            text, parse_constant=_refuse, parse_float=_finite,
            object_hook=lambda items: StoredObject(items, where),
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: is damaged, no JSON ({error})") from None


def read_json(file: Path, limit: int = JSON_BYTES) -> Any:
    """The value in a JSON file; see ``read_bytes`` and ``parse_json``.

    Raises:
        StoreError: the file is missing, too large, or no JSON.
    """
    return parse_json(read_bytes(file, limit), str(file))


def read_object(file: Path, limit: int = JSON_BYTES) -> dict[str, Any]:
    """The object in a JSON file; see ``read_json``.

    Raises:
        StoreError: the file is missing, too large, or holds no JSON object.
    """
    found = read_json(file, limit)
    if not isinstance(found, dict):
        raise StoreError(f"{file}: is damaged, its JSON is no object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    """A number of JSON; one beyond float64 is none."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is beyond the range of numbers")
    return number
