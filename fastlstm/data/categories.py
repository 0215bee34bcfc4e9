"""Columns of categories: what train rows hold, the number of each row's category, and indicators.

Categories are learned from train rows alone and kept with the settings of a run, so that each row has
the same number everywhere. A row of another category has none: its number is -1, and all indicators of
the column are 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.categories import MISSING, in_order
from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.column_types import NULLS
from fastlstm.data.findings import CASES, Finding, literal
from fastlstm.errors import ConfigError, DataError

# Most categories of a feature that have an indicator; the others share the place of unknown ones.
_MOST = 100

# Most series that all can be embedded, each of which has an indicator.
_MOST_SERIES = 2_000

# The number of a row whose category is none of the known ones.
UNKNOWN = -1


# How 0 and 1 are written in columns of numbers.
_ZERO_OR_ONE = ("0", "1", "0.0", "1.0")


def names_or_numbers(column: pd.Series) -> pd.Series:
    """A column of text as float64 where all of it is 0, 1 or missing, else as it is."""
    number = ~column.isin(NULLS)
    values = column[number].dropna()
    if len(values) and values.isin(_ZERO_OR_ONE).all():
        return column.where(number).astype(np.float64)
    return column


class CategoryTally:
    """Counts of the names in columns of categories, by the train rows of a table or of its shards.

    Args:
        data: the settings.
        columns: names of the columns.
    """

    def __init__(self, data: DataConfig, columns: Sequence[str]) -> None:
        self._data = data
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in columns}
        self._missing: set[str] = set()
        self.series: set[str] = set()

    def add(self, rows: Mapping[Any, pd.Series], train: np.ndarray) -> None:
        """Count the train rows of a table or shard.

        Args:
            rows: its columns, those of the series included.
            train: which rows are train rows, ``(n,)``.
        """
        self.series.update(map(str, rows[SERIES][train].unique()))
        for name, counts in self._counts.items():
            values = rows[name][train]
            counts.update({str(name): int(n) for name, n in values.value_counts().items()})
            if values.isna().any():
                self._missing.add(name)

    def categories(self, *, labels: bool) -> dict[str, list[str]]:
        """Categories of each column.

        Args:
            labels: whether targets are labels.

        Raises:
            DataError: a label column has one class in the train rows, or none, or targets are no labels.
        """
        targets = self._data.target_columns
        for name in self._counts:
            if name in targets and not labels:
                raise DataError(
                    f"target {name!r} holds text, LSTM_type is 'regressor'; give numbers, or use "
                    "LSTM_type 'classifier'"
                )
        found = {}
        for name, counts in self._counts.items():
            is_label = name in targets
            has_missing = name in self._missing
            if is_label:
                has_missing &= self._data.rules(name).missing == "class"
            found[name] = categories_of(counts, name, has_missing=has_missing, is_label=is_label)
        return found


def categories_of(
    counts: Mapping[str, int], name: str, *, has_missing: bool, is_label: bool
) -> list[str]:
    """Categories of one column, in order: those of a feature that are frequent enough, and missing
    values as one where they are.

    Args:
        counts: train rows of each category.
        name: of the column.
        has_missing: whether missing values are a category.
        is_label: whether it is a label.

    Raises:
        DataError: a label column has fewer than two.
    """
    if is_label:
        numbers = [label for label in counts if label not in NULLS]
        if numbers and all(label in _ZERO_OR_ONE for label in numbers):
            # Missing values of a column of 0 and 1 are no class.
            counts = {label: counts[label] for label in numbers}
        if len(counts) + has_missing < 2:
            held = repr(next(iter(counts))) if counts else "no value"
            raise DataError(
                f"target {name!r}: the train rows hold {held} alone, a classifier needs two "
                "classes; give more rows, or raise train_size_rate"
            )
        return [*in_order({*counts} - {MISSING}), MISSING] if has_missing else in_order(counts)
    # Equally frequent ones by name, so that the order of the rows does not matter.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    frequent = in_order(name for name, _ in ranked[:_MOST])
    return [*frequent, MISSING] if has_missing else frequent


def embedded_series(series: Collection[str]) -> list[str]:
    """The series of ``embedded_series: all``, by name.

    Raises:
        ConfigError: they are too many to be embedded.
    """
    if len(series) > _MOST_SERIES:
        raise ConfigError(
            f"data.embedded_series: 'all' are {len(series):,} series, the most is {_MOST_SERIES:,}; "
            "list those to embed"
        )
    return in_order(series)


@dataclass(frozen=True)
class CategoryCounts:
    """Rows of a column that have none of its categories.

    Attributes:
        unknown: rows of another category.
        first: the first of these categories by name, up to five.
        missing: rows without a value.
    """

    unknown: int
    first: tuple[str, ...]
    missing: int


def numbered(values: pd.Series, categories: Sequence[str]) -> tuple[np.ndarray, CategoryCounts]:
    """The number of each row's category as float64, NaN where missing, and what is none of them.

    Args:
        values: names of categories, or numbers that are their names; missing ones are NaN.
        categories: in the order of their numbers.
    """
    index = pd.Index(categories)
    missing = values.isna().to_numpy()
    names = values.astype(object).where(~missing, MISSING).astype(str)
    number = index.get_indexer(pd.Index(names)).astype(np.float64)
    number[missing & (number == UNKNOWN)] = np.nan
    unknown = number == UNKNOWN
    first = in_order(names[unknown].unique())[:5] if unknown.any() else []
    return number, CategoryCounts(int(unknown.sum()), tuple(first), int(missing.sum()))


def unknown_text(column: str, counts: CategoryCounts) -> str:
    """A warning of rows whose category is none of the known ones.

    Args:
        column: its name.
        counts: see ``numbered``.
    """
    names = ", ".join(map(repr, counts.first))
    return (
        f"{counts.unknown:,} rows of column {column!r} hold {names}, which the training rows do not "
        "teach; they count as none of the known categories"
    )


def renumbered(number: np.ndarray, categories: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Numbers of categories in another order, ``(n,)``; unknown where they are none of the wanted ones.

    Args:
        number: of each row's category, ``(n,)``; -1 where it is unknown, NaN where missing.
        categories: in the order of these numbers.
        wanted: in the order of the result's.
    """
    place = np.append(pd.Index(wanted).get_indexer(pd.Index(categories)), UNKNOWN)
    known = ~np.isnan(number)
    found = np.full(len(number), np.nan)
    found[known] = place[number[known].astype(int)]
    return found


def encode(frame: pd.DataFrame, data: DataConfig, values: Iterable[str]) -> list[Finding]:
    """Put numbers in place of the names in columns of categories, and tell what has none.

    Args:
        frame: a loaded table; its columns are replaced.
        data: the categories.
        values: names of the value columns present.
    """
    findings = []
    for name in values:
        if name not in data.categories or pd.api.types.is_numeric_dtype(frame[name]):
            continue
        given = frame[name]
        frame[name], counts = numbered(given, data.categories[name])
        if counts.unknown:
            number = frame[name].to_numpy()
            is_label = name in data.target_columns
            findings.append(unknown_finding(frame, given, number, counts, is_label=is_label))
    return findings


def unknown_finding(
    frame: pd.DataFrame, given: pd.Series, number: np.ndarray, counts: CategoryCounts,
    *, is_label: bool,
) -> Finding:  # fmt: skip
    """Rows of a category that no train row has.

    Args:
        frame: series and time of the rows.
        given: names of their categories.
        number: of each row's category.
        counts: see ``numbered``.
        is_label: whether they are labels.
    """
    rows = np.flatnonzero(number == UNKNOWN)
    names = literal(", ".join(map(repr, counts.first)))
    then = (
        "windows with such a target row are left out"
        if is_label
        else "they count as none of the known categories"
    )
    cases = _cases(frame, rows, given)
    template = f"{{:,}} rows hold {names}, which the train rows do not teach; {then}"
    return Finding.counted(
        "unknown category", str(given.name), counts.unknown, template, [counts.unknown], cases
    )


def _cases(frame: pd.DataFrame, rows: np.ndarray, given: pd.Series | None) -> list[dict[str, Any]]:
    """Series, time and value of the first of some rows; without values they are missing."""
    return [
        {"series": frame[SERIES].iloc[r], "time": frame[TIME].iloc[r].isoformat(),
         "value": None if given is None else str(given.iloc[r])}
        for r in rows[:CASES]
    ]  # fmt: skip


def fill_missing_ahead(ahead: pd.DataFrame, data: DataConfig) -> list[Finding]:
    """Count missing categories of rows to forecast as none of the known ones, and tell how many.

    Args:
        ahead: rows after the end of a series, with numbers of categories; its columns are replaced.
        data: the categories, and the policies of missing values.
    """
    findings = []
    for name in [*data.known_future, *data.known_ahead]:
        if data.rules(name).missing != "category" or name not in ahead:
            continue
        missing = ahead[name].isna().to_numpy()
        ahead[name] = ahead[name].fillna(UNKNOWN)
        if missing.any():
            template = (
                "{:,} rows to forecast lack it, as no train row does; they count as none of the known "
                "categories"
            )
            rows = int(missing.sum())
            cases = _cases(ahead, np.flatnonzero(missing), None)
            findings.append(
                Finding.counted("unknown category", name, rows, template, [rows], cases)
            )
    return findings


def add_indicators(clean: pd.DataFrame, data: DataConfig) -> None:
    """Add the indicators of categories to a table of their numbers; missing ones stay missing."""
    for name, (column, category) in data.indicator_columns.items():
        if column in clean:
            number, known = data.categories[column].index(category), clean[column].notna()
            clean[name] = (clean[column] == number).astype(np.float64).where(known)


def add_label_outputs(clean: pd.DataFrame, data: DataConfig) -> None:
    """Add the outputs of labels to a table of their numbers; that of an unknown label is missing."""
    for name, (column, label) in data.label_outputs.items():
        if column in clean:
            number = data.categories[column].index(label)
            known = clean[column].where(clean[column] >= 0)
            clean[name] = (known == number).astype(np.float64).where(known.notna())
