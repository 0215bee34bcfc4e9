"""What is probably wrong with a CSV file whose lines have different numbers of cells."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence

from fastlstm.config.data import DataConfig
from fastlstm.config.dialect import COMMENT_MARKS, DELIMITERS

# Lines at the beginning of a file that are looked at.
_LINES = 200


def shape_hint(lines: Sequence[str], delimiter: str, data: DataConfig) -> str:
    """The setting that makes lines readable, for the end of a message; empty where none is known.

    Args:
        lines: the first ones of the file, as they stand there.
        delimiter: between cells, as declared.
        data: the settings that the file was read by.
    """
    lines = [line for line in lines[data.skip_lines : _LINES] if line.strip()]
    marks = () if data.comment else COMMENT_MARKS
    marked = [m for m in marks if any(line.lstrip().startswith(m) for line in lines)]
    if marked:
        rest = [line for line in lines if not line.lstrip().startswith(marked[0])]
        if len(rest) > 1 and len({*_counts(rest, delimiter, data.quote)}) == 1:
            return f"; set data.comment to {marked[0]!r} if such lines are no rows"
    fits = []
    for other in (delimiter, *(d for d in DELIMITERS if d != delimiter)):
        counts = _counts(lines, other, data.quote)
        common = Counter(counts).most_common(1)[0][0] if counts else 1
        first = counts.index(common) if counts else 0
        if common > 1 and {*counts[first:]} == {common}:
            fits.append((first > 0, other != delimiter, other, first))
    if not fits:
        return ""
    # A header with as many cells as the rows is likelier than a title above it.
    has_title, is_other, found, first = min(fits)
    changes = [f"data.delimiter to {found!r}"] if is_other else []
    if has_title:
        changes.append(f"data.skip_lines to {data.skip_lines + first}")
    title = f" if {lines[0].strip()[:60]!r} is a title and no header" if has_title else ""
    return f"; set {' and '.join(changes)}{title}" if changes else ""


def _counts(lines: Sequence[str], delimiter: str, quote: str | None) -> list[int]:
    """How many cells each row has."""
    try:
        if quote is None:
            return [
                len(row) for row in csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
            ]
        return [len(row) for row in csv.reader(lines, delimiter=delimiter, quotechar=quote)]
    except csv.Error:
        return []
