"""Names of groups: the values of the columns that 'models_by' lists, as one folder name.

``region=north,shop=12`` is the group with these values. The name is lossless: characters that mean
something here or in a path are percent-encoded (``a/b`` is ``a%2Fb``), so no two groups share a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

# The one model of all groups that have too few rows for their own, and the reports on all models.
POOLED, ALL = "pooled", "all"
# The series column of the pooled rows.
POOLED_SERIES = "series of pooled groups"
# A folder's name may have 255 bytes; a temporary name beside it is longer.
_MOST_BYTES = 200
_PLAIN = " -_.+@"


def _escaped(text: str) -> str:
    """The text without characters that end a value or a folder's name."""
    return "".join(c if c.isalnum() or c in _PLAIN else quote(c, safe="") for c in text)


def group_name(values: Mapping[str, str]) -> str:
    """The name of the group with these values of its columns, in their order.

    Raises:
        ValueError: the name is too long for a folder; the text says what to do.
    """
    name = ",".join(f"{_escaped(column)}={_escaped(value)}" for column, value in values.items())
    if name.startswith("."):  # which would hide the folder
        name = f"%2E{name[1:]}"
    if len(name.encode()) > _MOST_BYTES:
        raise ValueError(
            f"the group {dict(values)!r} makes a folder name of {len(name.encode())} bytes, more than "
            f"{_MOST_BYTES}; give the groups a column of shorter values"
        )
    return name


def group_values(name: str) -> dict[str, str]:
    """The values of its columns, by a group's name; none of the pooled model and the reports."""
    if name in (POOLED, ALL):
        return {}
    pairs = (part.partition("=") for part in name.split(","))
    return {unquote(column): unquote(value) for column, _, value in pairs}


def is_group_name(name: str) -> bool:
    """Whether a folder below a model holds the runs of a group, and is not a run itself."""
    return name in (POOLED, ALL) or ("=" in name and not name.startswith("."))


def model_of_group(model_name: str, group: str) -> str:
    """The name that a group's model has in a store."""
    return f"{model_name}/{group}"


def parse_group(text: str, columns: Sequence[str]) -> str:
    """The name of the group that a person names: its name, or its value where there is one column.

    Raises:
        ValueError: the text names no group of these columns.
    """
    if text in (POOLED, ALL):
        return text
    if "=" not in text and len(columns) == 1:
        return group_name({columns[0]: text})
    values = group_values(text) if "=" in text else {}
    if list(values) != list(columns):
        example = ",".join(f"{_escaped(column)}=…" for column in columns)
        raise ValueError(f"{text!r} names no group; give {example}, {POOLED!r} or {ALL!r}")
    return group_name(values)
