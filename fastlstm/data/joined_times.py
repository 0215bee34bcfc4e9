"""Times whose parts stand in several columns, such as a date and an hour."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.errors import DataError, first_line


def joined_times(parts: Sequence[pa.ChunkedArray], where: str) -> pa.ChunkedArray:
    """The parts of each time, joined by spaces; empty where one is.

    Args:
        parts: columns of text, whole numbers, dates or time stamps at midnight, ``(n,)`` each.
        where: file and column, for messages.

    Raises:
        DataError: a part cannot be written as text.
    """
    try:
        text = [_as_text(part) for part in parts]
        return pc.binary_join_element_wise(*text, pa.scalar(" ", pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{where}: its parts cannot be joined ({first_line(error)}); give text, whole numbers or "
            "dates"
        ) from None


def _as_text(part: pa.ChunkedArray) -> pa.ChunkedArray:
    """A part as text; time stamps at midnight are dates."""
    if pa.types.is_dictionary(part.type):
        part = part.cast(part.type.value_type)
    if pa.types.is_floating(part.type):
        part = part.cast(pa.int64())
    if pa.types.is_timestamp(part.type):
        days = part.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(part.type), part)).as_py():
            part = days
    part = part.cast(pa.string())
    part = pc.utf8_trim_whitespace(part)
    return pc.if_else(pc.equal(part, ""), None, part)
