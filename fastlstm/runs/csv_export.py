"""CSV files for people: text that a spreadsheet would run as a formula is made text again.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet, and a series or a
column may be named so by whoever fills the source (OWASP, "CSV Injection"). Such text gets an
apostrophe in front, which spreadsheets take for 'this is text', and which is taken off on reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


_MARKED = re.compile(r"'+[=+\-@\t\r]")


def write_export(blocks: Iterable[pd.DataFrame], file: Path) -> None:
    """Write a table as CSV, given as one or several blocks of its rows."""
    with file.open("w", encoding="utf-8", newline="") as text:
        for number, block in enumerate(blocks):
            _each_text(block, _mark).to_csv(text, index=False, header=number == 0)


def read_export(file: Path) -> pd.DataFrame:
    """Read what ``write_export`` wrote."""
    return _each_text(pd.read_csv(file), _unmark)


def _mark(text: Any) -> Any:
    return f"'{text}" if isinstance(text, str) and _FORMULA.match(text) else text


def _unmark(text: Any) -> Any:
    return text[1:] if isinstance(text, str) and _MARKED.match(text) else text


def _each_text(frame: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """A table with its column names and text cells changed."""
    changed = frame.copy(deep=False)
    for position, kind in enumerate(frame.dtypes):
        if pd.api.types.is_string_dtype(kind) or pd.api.types.is_object_dtype(kind):
            changed.isetitem(position, frame.iloc[:, position].map(change).array)
    changed.columns = pd.Index([change(name) for name in frame.columns])
    return changed
