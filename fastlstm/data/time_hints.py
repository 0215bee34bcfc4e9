"""How times that are not written as declared are written, for the messages that refuse them."""

from __future__ import annotations

import pandas as pd

from fastlstm.config.time_formats import (
    DAY_OR_MONTH,
    EPOCH_UNITS,
    FIRST_SECOND,
    LAST_SECOND,
    USUAL_FORMATS,
    USUAL_QUARTERS,
    quarter_pattern,
)

# Cells by which formats are tried.
_TRIED = 200
# Numbers without a separator that are days, and years.
_OF_DIGITS = ("%Y%m%d", "%Y")


def fitting_formats(text: pd.Series) -> list[str]:
    """The values of ``time_format`` that read all cells; two where day and month may change places.

    Args:
        text: cells of a column of times, ``(n,)``, of which the first ones are tried.
    """
    cells = text.dropna().astype("str").str.strip().head(_TRIED)
    if cells.empty:
        return []
    if cells.str.fullmatch(r"\d+(\.0+)?").all():
        numbers = cells.astype("float64")
        for unit, per_second in EPOCH_UNITS.items():
            if numbers.between(FIRST_SECOND * per_second, LAST_SECOND * per_second).all():
                return [unit]
        whole = cells.str.replace(r"\.0+$", "", regex=True)
        return [written for written in _OF_DIGITS if _reads(written, whole)][:1]
    for pair in DAY_OR_MONTH:
        if found := [written for written in pair if _reads(written, cells)]:
            return found
    if cells.str.fullmatch(r"\d{4}-W\d{2}").all():
        return ["%G-W%V"]
    for written in USUAL_QUARTERS:
        if cells.str.fullmatch(quarter_pattern(written)).all():
            return [written]
    return [written for written in USUAL_FORMATS if _reads(written, cells)][:1]


def _reads(written: str, cells: pd.Series) -> bool:
    """Whether a format reads all cells."""
    return bool(pd.to_datetime(cells, format=written, errors="coerce").notna().all())


def format_remedy(text: pd.Series, wrong: int, setting: str) -> str:
    """What to do where a cell is no time as declared, for the end of a message.

    Args:
        text: cells of the column, ``(n,)``.
        wrong: position of the cell.
        setting: name of the setting, such as ``'data.time_format'``.
    """
    found = fitting_formats(pd.concat([text.iloc[[wrong]], text]))
    if not found:
        return f"correct the rows or set {setting}, e.g. '%d/%m/%Y'"
    if len(found) == 1:
        return f"set {setting} to {found[0]!r}"
    return f"set {setting} to {found[0]!r} if days come first, to {found[1]!r} if months"
