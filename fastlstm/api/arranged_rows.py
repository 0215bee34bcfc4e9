"""Rows in memory as the settings of rows in time want them: rounded, kept once, resampled, completed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.api.known_columns import data_section
from fastlstm.api.row_table import (
    RowSettings,
    TimesAndLabels,
    as_frame,
    as_names,
    times_and_labels,
)
from fastlstm.config.data import DataConfig
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.arranged_rows import arranged, arrangement_lines
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.errors import ConfigError, DataError


@dataclass(frozen=True)
class ArrangedRows:
    """Rows that were made, sorted by series and time.

    Attributes:
        X_data: features.
        Y_data: targets.
        settings: how they are read.
    """

    X_data: Any
    Y_data: Any
    settings: RowSettings


def arrange_rows(
    X_data: Any, Y_data: Any, settings: RowSettings, arrangement: Mapping[str, Any], *,
    static: list[str], labels: bool,
) -> ArrangedRows:  # fmt: skip
    """Make the rows that ``snap``, ``keep``, ``resample``, ``absent_rows`` and ``max_gap`` ask for.

    The settings mean what they mean in a config, see ``fastlstm.config.arrangement.Arrangement``, and
    the same functions do it. What was done is warned of.

    Args:
        X_data: features, ``(n, n_features)``.
        Y_data: targets of the same rows, ``(n, n_targets)`` or ``(n,)``.
        settings: how rows are read.
        arrangement: these settings by name; those that are None are not set.
        static: features with one value in each series, which added rows keep.
        labels: whether targets are labels.

    Raises:
        ConfigError: a setting is refused, or there are no rows.
        DataError: rows have no times or have weights, or a column is not fit for an operation.
    """
    wanted = {name: value for name, value in arrangement.items() if value is not None}
    if not wanted:
        return ArrangedRows(X_data, Y_data, settings)
    shown = ", ".join(wanted)
    if X_data is None or Y_data is None:
        raise ConfigError(f"{shown}: there are no rows to arrange; give X_data and Y_data")
    if settings.sample_weight is not None:
        raise DataError(
            f"sample_weight: is of the given rows, of which {shown} makes others; leave it out, or "
            "arrange the rows first"
        )
    x, y = as_frame(X_data, "X"), as_frame(Y_data, "Y")
    if len(x) != len(y):
        raise DataError(f"Y_data: has {len(y)} rows, X_data {len(x)}; give the same rows")
    found = times_and_labels(x, settings)
    if found.times is None:
        raise DataError(f"{shown}: rows have no times; give time, or X_data a DatetimeIndex")
    x, y = _of_known_types(x), _of_known_types(y, labels=labels)
    columns = _together(x, y)
    data = _settings(settings, wanted, columns, [*x], [*y], found, static)
    keys = pd.DataFrame({
        SERIES: "" if found.labels is None else found.labels.to_numpy(),
        TIME: pd.DatetimeIndex(found.times).as_unit("us"),
    }).astype({SERIES: "str"})  # fmt: skip
    frame = pd.concat([keys, columns], axis=1)
    frame = frame.sort_values([SERIES, TIME], kind="stable", ignore_index=True)
    made = arranged(frame, data, data.value_columns)
    for line, _ in arrangement_lines(made.counts, data):
        warnings.warn(line, stacklevel=3)
    rows = made.frame
    times = pd.DatetimeIndex(rows[TIME], name=found.time_name)
    series = pd.Series(rows[SERIES].to_numpy(), name=found.series_name)
    # Times that were an index stay one, for tables to forecast from have their calendar as these have.
    in_index = settings.time is None
    index = times if in_index else pd.RangeIndex(len(rows))
    return ArrangedRows(
        rows[[*x]].set_axis(index),
        rows[[*y]].set_axis(index),
        replace(
            settings,
            series=None if found.labels is None else series.set_axis(index),
            time=None if in_index else pd.Series(times, name=found.time_name),
            time_format=None,
            time_zone=found.zone,
            frequency=data.frequency,
        ),
    )


def _settings(
    settings: RowSettings, wanted: Mapping[str, Any], columns: pd.DataFrame, features: list[str],
    targets: list[str], found: TimesAndLabels, static: list[str],
) -> DataConfig:  # fmt: skip
    """The settings of a source that holds these rows.

    Raises:
        ConfigError: one is refused, or they contradict each other.
    """
    section = data_section(replace(settings, calendar=[], holidays=None), features, targets, None)
    text = [n for n in columns if not pd.api.types.is_numeric_dtype(columns[n].dtype)]
    try:
        return DataConfig.model_validate({
            **section,
            # No column of the rows has such a name.
            "time": "\0", "series": None if found.labels is None else "\0\0",
            "time_zone": found.zone, "categories": {}, "static": static,
            "columns": {**section["columns"], **{name: {"dtype": "category"} for name in text}},
            **wanted,
        })  # fmt: skip
    except ValidationError as error:
        raise ConfigError(describe(error, RetrainConfig)) from None


def _of_known_types(frame: pd.DataFrame, *, labels: bool = False) -> pd.DataFrame:
    """Numbers as float64 and names as text; booleans are names where they are labels."""
    found = {}
    for name in frame:
        column = frame[name]
        is_label = labels and pd.api.types.is_bool_dtype(column.dtype)
        is_number = pd.api.types.is_numeric_dtype(column.dtype) and not is_label
        found[name] = column.astype(np.float64) if is_number else as_names(column)
    return pd.DataFrame(found, index=frame.index)


def _together(x: pd.DataFrame, y: pd.DataFrame) -> pd.DataFrame:
    """Features and targets in one table, a column that is both once.

    Raises:
        DataError: columns of one name hold other values.
    """
    columns = {name: x[name].to_numpy() for name in x}
    for name in y:
        values = y[name].to_numpy()
        if name in columns and not pd.Series(columns[name]).equals(pd.Series(values)):
            raise DataError(
                f"X_data, Y_data: both have a column {name!r}, with other values; rename one of them"
            )
        columns[name] = values
    return pd.DataFrame(columns)
