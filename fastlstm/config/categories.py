"""Names of the columns that categories and labels become, and how labels are divided among them.

A feature of dtype 'category' becomes an indicator ``<column>=<category>`` for each category of its train
rows. A label column of two classes becomes one output named like it, the probability of the second
class; one of more classes an output ``<column>: <class>`` for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

# What forecasts give the classes of a label column as.
LabelType = Literal["text", "integer", "boolean"]

# Whole numbers beyond it have no type of their own in tables.
_LARGEST_INTEGER = 2**63 - 1

# The category of missing values, where train rows have any.
MISSING = "(missing)"


def indicators(column: str, categories: Iterable[str]) -> list[str]:
    """Names of a feature's indicators."""
    return [f"{column}={category}" for category in categories]


def label_outputs(column: str, labels: Sequence[str]) -> list[str]:
    """Names of a label column's outputs."""
    return [column] if len(labels) == 2 else [f"{column}: {label}" for label in labels]


def outputs_of_labels(labels: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Column and class of each output, by its name; see ``label_outputs``.

    Args:
        labels: classes of each label column.
    """
    found: dict[str, tuple[str, str]] = {}
    for column, classes in labels.items():
        outputs = label_outputs(column, classes)
        found |= dict(zip(outputs, [(column, c) for c in classes[-len(outputs) :]], strict=True))
    return found


def in_order(categories: Iterable[str]) -> list[str]:
    """Categories by name, each once; whole numbers by their value, and '007' before '7'."""
    distinct = sorted(set(categories))
    if all(name.removeprefix("-").isdecimal() for name in distinct):
        return sorted(distinct, key=int)
    return distinct


def type_of_labels(classes: Sequence[str]) -> LabelType:
    """What classes are by their names: True and False, whole numbers as programs write them, or text.

    '007' and '1.0' are text.
    """
    if {*classes} == {"False", "True"}:
        return "boolean"
    plain = all(c.removeprefix("-").isdecimal() and str(int(c)) == c for c in classes)
    if plain and all(abs(int(c)) <= _LARGEST_INTEGER for c in classes):
        return "integer"
    return "text"


def bin_names(edges: Sequence[float]) -> list[str]:
    """Names of the bins that some edges separate; a value on an edge is in the bin below."""
    ends = [f"{edge:g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]
