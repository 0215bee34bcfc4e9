"""Labels of series that several columns name together, such as a store and an item."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.errors import DataError

# Between the parts of a label; in a part it stands behind a backslash, as a backslash does.
_MARK = "/"


def joined_labels(
    parts: Sequence[pa.ChunkedArray], names: Sequence[str], where: str
) -> pa.ChunkedArray:
    """The parts of each label as one text, from which ``label_parts`` finds them; empty where one is.

    Args:
        parts: columns of text or whole numbers, ``(n,)`` each.
        names: of the columns.
        where: the file, for messages.

    Raises:
        DataError: a column holds anything else.
    """
    text = [
        _escaped(part, f"{where}: series column {name!r}")
        for part, name in zip(parts, names, strict=True)
    ]
    return pc.binary_join_element_wise(*text, pa.scalar(_MARK, pa.string()))


def label_of(parts: Sequence[str]) -> str:
    """The label of some parts; one part alone is its own label."""
    if len(parts) == 1:
        return parts[0]
    return _MARK.join(re.sub(r"([\\/])", r"\\\1", part) for part in parts)


def label_parts(label: str) -> list[str]:
    """The parts that a label was joined of."""
    found = re.findall(r"(?:[^\\/]|\\.)+", label, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in found]


def _escaped(part: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """A part as text, missing where it is empty."""
    if pa.types.is_dictionary(part.type):
        part = part.cast(part.type.value_type)
    if pa.types.is_floating(part.type):
        raise DataError(
            f"{where} holds {part.type}, in which 7 may have been '007'; label series with text or "
            "integers"
        )
    try:
        text = part.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(f"{where} holds {part.type}; label series with text or integers") from None
    for mark in ("\\", _MARK):
        text = pc.replace_substring(text, mark, f"\\{mark}")
    return pc.if_else(pc.equal(text, ""), None, text)
