"""Shapes of stored JSON: the types of what is read are checked before any of it is used.

A hash protects a file against damage, not against whoever wrote it, and a program of another version
may have written other types.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from fastlstm.errors import StoreError

# A number of a JSON file, which has neither infinity nor NaN; a score is null where it is undefined.
Number = Annotated[float, Field(strict=True)]
Score = Number | None
# JSON may hold whole numbers of any length; arrays hold those below.
Count = Annotated[int, Field(strict=True, ge=0, lt=1 << 53)]

_LONGEST_VALUE = 60


def require_shape(found: Any, shape: TypeAdapter[Any], where: str) -> None:
    """Refuse a value of a stored file that has another shape than what is read of it.

    Args:
        found: the value.
        shape: of what is read; keys that it does not name may be there and hold anything.
        where: address of the file, for the error.

    Raises:
        StoreError: names the first place where it differs.
    """
    try:
        shape.validate_python(found, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part)[:_LONGEST_VALUE] for part in first["loc"])
        value = repr(first["input"])
        shown = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
        raise StoreError(
            f"{where}: {place} is {shown} ({first['msg']}); the file is damaged, or of another kind: "
            "take it from where it was written"
        ) from None
