"""Text columns of rows in memory: features become indicators, labels the outputs of their classes."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from fastlstm.api.keywords import parse_hyperparameters
from fastlstm.api.row_table import RowSettings, RowTable, as_names
from fastlstm.config.categories import indicators, label_outputs, type_of_labels
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.categories import (
    UNKNOWN,
    categories_of,
    numbered,
    unknown_finding,
    unknown_text,
)
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.findings import Finding
from fastlstm.data.own_columns import refuse_other_values
from fastlstm.data.split import cuts_of
from fastlstm.data.tables import with_columns
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError


def with_categories(
    table: RowTable, settings: RowSettings, hyperparameters: Hyperparameters
) -> tuple[RowTable, RowSettings, Hyperparameters]:
    """Numbers in place of text columns, and the settings with the categories of the train rows.

    Args:
        table: the rows; columns of text are features, or labels of a classifier.
        settings: how they were read, with the categories that are known.
        hyperparameters: the shares of the splits.

    Raises:
        DataError: a label column has one class in the train rows, or a regressor's target is text.
    """
    text = {"x": _text_columns(table.x), "y": _text_columns(table.y)}
    hp = hyperparameters
    if not text["y"] and hp.weighs_indicators(table.y.shape[1]):
        # Each label is weighed by its class, so labels 0 and 1 are named then as others are.
        classes = {name: ["0", "1"] for name in table.y}
        hp = parse_hyperparameters({**hp.model_dump(), "classes": classes})
    if not any(text.values()):
        return table, settings, hp
    if hp.is_regressor and text["y"]:
        raise DataError(
            f"Y_data: column {text['y'][0]!r} holds text; a regressor forecasts numbers, so convert it, "
            "or use LSTM_type 'classifier'"
        )
    times = microseconds(table.frame[TIME])
    train = times < cuts_of(times, table.frame[SERIES].to_numpy(), hp).validation
    found = dict(settings.categories)
    for part, names in text.items():
        for name in names:
            if name not in found:
                values = getattr(table, part)[name]
                seen = values[train]
                counts = {str(label): int(n) for label, n in seen.value_counts().items()}
                has_missing = part == "x" and bool(seen.isna().any())
                found[name] = categories_of(
                    counts, name, has_missing=has_missing, is_label=part == "y"
                )
    settings = replace(settings, categories=found)
    classes = {
        name: found.get(name, ["0", "1"]) if name in text["y"] else ["0", "1"] for name in table.y
    }
    if text["y"]:
        given = {n: kind for n, kind in (hp.label_types or {}).items() if kind != "text"}
        types = {
            name: given.get(name, "text")
            for name in (*table.text_labels, *given)
            if name in classes and type_of_labels(classes[name]) != "text"
        }
        hp = parse_hyperparameters(
            {**hp.model_dump(), "classes": classes, "label_types": types or None}
        )
    return _encoded(table, found, text), settings, hp


def with_indicators(rows: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """A table with the indicators of its text columns, where it lacks them.

    A category that no train row has is none of the known ones, and is counted in a warning.

    Raises:
        DataError: a column of the table has the name of one of these, and other values.
    """
    made, features = {}, data.indicator_columns
    for column in dict.fromkeys(column for column, _ in features.values()):
        if column not in rows:
            continue
        categories = data.categories[column]
        number, counts = numbered(as_names(rows[column]), categories)
        if counts.unknown:
            warnings.warn(f"data: {unknown_text(column, counts)}", stacklevel=2)
        for position, name in enumerate(indicators(column, categories)):
            if name in features:
                made[name] = (number == position).astype(np.float64)
    refuse_other_values("data", rows, made, data)
    added = {name: values for name, values in made.items() if name not in rows}
    return with_columns(rows, added)


def _text_columns(frame: pd.DataFrame) -> list[str]:
    return [name for name in map(str, frame) if not pd.api.types.is_numeric_dtype(frame[name])]


def _encoded(
    table: RowTable, categories: Mapping[str, list[str]], text: Mapping[str, list[str]]
) -> RowTable:
    """The table with the columns that each text column becomes in its place."""
    x, findings = _features(table, categories, text["x"])
    y = _labels(table, categories, text["y"], findings)
    given = {}
    for name, part in (("given_x", x), ("given_y", y)):
        rows = np.empty(len(part), np.int64)
        rows[table.given_row] = np.arange(len(part))
        given[name] = part.iloc[rows].set_axis(getattr(table, name).index)
    return replace(
        table, x=x, y=y, findings=(*table.findings, *findings),
        given_x=given["given_x"], given_y=given["given_y"],
    )  # fmt: skip


def _refuse_taken(made: str, column: str, taken: Collection[str], argument: str) -> None:
    """Refuse the name that a category of a column becomes where another column has it.

    Raises:
        DataError: it does.
    """
    if made in taken:
        raise DataError(
            f"{argument}: a category of {column!r} becomes {made!r}, which is another column too; "
            "rename one of these columns"
        )


def _features(
    table: RowTable, categories: Mapping[str, list[str]], text: list[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """Features with indicators, and what is none of the categories."""
    columns, findings = {}, []
    for name in table.x:
        if name not in text:
            columns[name] = table.x[name]
            continue
        number, counts = numbered(table.x[name], categories[name])
        if counts.unknown:
            findings.append(
                unknown_finding(table.frame, table.x[name], number, counts, is_label=False)
            )
        for position, column in enumerate(indicators(name, categories[name])):
            _refuse_taken(column, name, {*map(str, table.x), *map(str, columns)}, "X_data")
            columns[column] = pd.Series((number == position).astype(np.float64))
    return pd.DataFrame(columns), findings


def _labels(
    table: RowTable, categories: Mapping[str, list[str]], text: list[str], findings: list[Finding]
) -> pd.DataFrame:
    """Outputs of labels; those of an unknown or missing label are missing."""
    columns = {}
    for name in table.y:
        if name not in text:
            columns[name] = table.y[name]
            continue
        classes = categories[name]
        number, counts = numbered(table.y[name], classes)
        if counts.unknown:
            findings.append(
                unknown_finding(table.frame, table.y[name], number, counts, is_label=True)
            )
        number[number == UNKNOWN] = np.nan
        outputs = label_outputs(name, classes)
        first = len(classes) - len(outputs)
        for position, column in enumerate(outputs, start=first):
            _refuse_taken(column, name, {*table.x, *table.y, *columns} - {name}, "Y_data")
            indicator = (number == position).astype(np.float64)
            columns[column] = pd.Series(np.where(np.isnan(number), np.nan, indicator))
    return pd.DataFrame(columns)
