"""Names of the features that hold what is known of later rows, and how many rows later.

A window holds the values at the rows to forecast in columns that are shifted: the feature
``<column>+<rows>`` is the column's value so many rows later. Its last rows lie in the future.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def shifts(steps_ahead: int, timesteps: int) -> list[int]:
    """By how many rows a column is shifted so that windows hold it at each row to forecast, rising.

    One shift by the horizon is enough unless a window is shorter than the horizon.

    Args:
        steps_ahead: rows to forecast.
        timesteps: rows of a window.
    """
    return sorted(range(steps_ahead, 0, -timesteps))


def ahead_columns(known_ahead: Mapping[str, int]) -> dict[str, int]:
    """Features of ``known_ahead`` by name, in its order, and the rows each looks ahead."""
    return {f"{name}+{rows}": rows for name, rows in known_ahead.items()}


def shifted(columns: Iterable[str], rows: Iterable[int]) -> dict[str, int]:
    """Features that hold columns some rows later, by name, and how many rows later each."""
    names = list(columns)
    return {f"{name}+{number}": number for number in rows for name in names}


def shifted_columns(
    features: Iterable[str], columns: Collection[str]
) -> dict[str, tuple[str, int]]:
    """The column and the number of rows of each feature that holds one of these columns later."""
    found = {}
    for name in features:
        column, _, rows = name.rpartition("+")
        if column in columns and rows.isdecimal():
            found[name] = column, int(rows)
    return found
