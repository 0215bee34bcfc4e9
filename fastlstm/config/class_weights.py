"""Weights of the classes in a classifier's loss: by class, or by label column and class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastlstm.errors import ConfigError

# Weight of each class by its name.
ByClass = dict[int | str, float]

# 'balanced', or the weights of the classes of one label column.
OfColumn = ByClass | Literal["balanced"]

ClassWeight = dict[int | str, float | OfColumn] | Literal["balanced"]


def is_by_column(weights: Any) -> bool:
    """Whether weights of classes are given by label column."""
    return isinstance(weights, Mapping) and any(
        not isinstance(weight, int | float) for weight in weights.values()
    )


def with_integer_names(weights: Any) -> Any:
    """Weights whose classes 0, 1, … are integers, as JSON cannot have them, of each column too."""
    if not isinstance(weights, Mapping):
        return weights
    return {_integer_or_text(name): with_integer_names(weight) for name, weight in weights.items()}


def _integer_or_text(name: Any) -> Any:
    is_integer = isinstance(name, str) and name.isdecimal() and str(int(name)) == name
    return int(name) if is_integer else name


def form_problems(weights: ClassWeight) -> list[str]:
    """What is wrong with weights whatever the classes are."""
    if not isinstance(weights, dict):
        return []
    columns = [name for name, weight in weights.items() if not isinstance(weight, int | float)]
    if 0 < len(columns) < len(weights):
        rest = [name for name in weights if name not in columns]
        return [
            f"class_weight: {columns} are label columns with weights, {rest} are classes; give the "
            "weights of all classes by label column, or none"
        ]
    parts: list[dict[Any, Any]] = [weights, *(w for w in weights.values() if isinstance(w, dict))]
    given = [w for part in parts for w in part.values() if isinstance(w, int | float)]
    if any(weight <= 0 for weight in given):
        return ["class_weight: every weight must be above 0; correct it"]
    return []


def column_problems(weights: ClassWeight | None, columns: Sequence[str]) -> list[str]:
    """Columns with weights that are no label columns.

    Args:
        weights: as the settings give them.
        columns: the label columns.
    """
    if not isinstance(weights, dict) or not is_by_column(weights):
        return []
    unknown = [str(name) for name in weights if str(name) not in columns]
    if not unknown:
        return []
    return [
        f"class_weight: {unknown} are no label columns, which are {list(columns)}; correct the names"
    ]


def weights_of_columns(
    weights: ClassWeight, labels: Mapping[str, Sequence[str]]
) -> list[dict[str, float] | Literal["balanced"]]:
    """Weights of each label column: of each class by its name, or 'balanced'.

    Args:
        weights: 'balanced'; by the names of the classes, where classes of one name in several columns
            have one weight; or by label column, where the classes of a column without weights weigh
            alike. 0 and 1 are names of 'False' and 'True' and of '0.0' and '1.0', too.
        labels: the classes of each label column.

    Raises:
        ConfigError: a column or class is unknown, or a class of a column with weights has none.
    """
    if weights == "balanced":
        return ["balanced"] * len(labels)
    assert isinstance(weights, dict)  # noqa: S101 (the only other form)
    if not is_by_column(weights):
        return [*_by_class(weights, labels)]
    if problems := column_problems(weights, [*labels]):
        raise ConfigError([f"hyperparameters.{problem}" for problem in problems])
    named = {str(name): found for name, found in weights.items()}
    every: list[dict[str, float] | Literal["balanced"]] = []
    for column, classes in labels.items():
        given = named.get(column, dict.fromkeys(classes, 1.0))
        if given == "balanced":
            every.append("balanced")
        else:
            assert isinstance(given, dict)  # noqa: S101 (see form_problems)
            every += _by_class(given, {column: classes}, f"class_weight.{column}")
    return every


def _by_class(
    weights: Mapping[Any, Any], labels: Mapping[str, Sequence[str]], name: str = "class_weight"
) -> list[dict[str, float]]:
    """Weights of each column's classes, from those by class alone.

    Raises:
        ConfigError: a class is unknown, or one has no weight.
    """
    named, found = {str(key): float(weight) for key, weight in weights.items()}, []
    used: set[str] = set()
    for classes in labels.values():
        keys = list(classes)
        if keys in (["False", "True"], ["0.0", "1.0"]) and not {*keys} <= {*named}:
            keys = ["0", "1"]
        used |= {*keys}
        found.append({key: named.get(given, 0.0) for key, given in zip(classes, keys, strict=True)})
    if used != {*named}:
        known = [label for classes in labels.values() for label in classes]
        raise ConfigError(
            f"hyperparameters.{name}: has classes {sorted(named)}, the train rows have {known}; give "
            "one weight per class"
        )
    return found
