"""CSV files for people, in which no text is a formula.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet, and whoever fills the
source may name a series or a column so (OWASP, "CSV Injection"). Such text gets an apostrophe in front,
by which spreadsheets know text, and which is removed on reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def write_export(blocks: Iterable[pd.DataFrame], file: Path) -> None:
    """Write a table as CSV, given as one or several blocks of its rows."""
    with file.open("w", encoding="utf-8", newline="") as text:
        for number, block in enumerate(blocks):
            _map_text(block, escaped).to_csv(text, index=False, header=number == 0)


def read_export(file: Path, labels: Collection[int] = ()) -> pd.DataFrame:
    """Read what ``write_export`` wrote.

    Args:
        file: the CSV file.
        labels: numbers of the columns whose cells are text whatever they look like: '007', 'NA', '1e5'.
    """
    lines: Any = {"lineterminator": "\n"}  # a carriage return is part of its cell
    table = pd.read_csv(file, **lines)
    for number in labels:
        text = pd.read_csv(file, usecols=[number], dtype="str", na_filter=False, **lines)
        table.isetitem(number, text.iloc[:, 0].array)
    return _map_text(table, _unescape)


def escaped(text: Any) -> Any:
    """A cell or name as ``write_export`` writes it."""
    return f"'{text}" if isinstance(text, str) and _FORMULA.match(text) else text


def _unescape(text: Any) -> Any:
    return text[1:] if isinstance(text, str) and _ESCAPED.match(text) else text


def _map_text(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """A table with its column names and text cells changed."""
    changed = frame.copy(deep=False)
    for position, dtype in enumerate(frame.dtypes):
        if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
            changed.isetitem(position, frame.iloc[:, position].map(change).array)
    changed.columns = pd.Index([change(name) for name in frame.columns])
    return changed
