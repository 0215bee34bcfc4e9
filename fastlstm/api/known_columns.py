"""What is known of later rows as features of a table in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from fastlstm.api.containers import holds_times, levels_of
from fastlstm.api.row_table import RowSettings, RowTable
from fastlstm.api.row_times import utc_times
from fastlstm.config.calendar import learnable_calendar
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.known_future import shifts
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.calendar import calendar_of
from fastlstm.data.column_names import SEGMENT, TIME
from fastlstm.data.known_future import later_values
from fastlstm.data.own_columns import refuse_other_values
from fastlstm.data.tables import with_columns
from fastlstm.errors import ConfigError

Setting = TypeVar("Setting", bound=BaseModel)


def checked_setting(given: Any, model: type[Setting], name: str) -> Setting | None:
    """A setting of several values, e.g. ``holidays``, checked; None where it is not given.

    Args:
        given: its values.
        model: what they are.
        name: the setting's name, for messages.

    Raises:
        ConfigError: a value is not known.
    """
    try:
        return None if given is None else model.model_validate(given)
    except ValidationError as error:
        raise ConfigError([f"{name}.{line}" for line in describe(error, RetrainConfig)]) from None


def with_calendar(
    settings: RowSettings, table: RowTable, hyperparameters: Hyperparameters
) -> RowSettings:
    """The settings with ``calendar`` 'auto' resolved by the times of the rows.

    A table to forecast from must hold its times the same way, so 'auto' takes none unless the features
    have a DatetimeIndex.

    Raises:
        ConfigError: a calendar is set, and the rows have no times.
    """
    has_times = table.time_unit != "row"
    if settings.calendar != "auto":
        if not has_times and (settings.calendar or settings.holidays):
            raise ConfigError(
                "calendar, holidays: the rows have no times; give X_data a DatetimeIndex, or give time"
            )
        return settings
    kinds: list[Any] = []
    indexed = holds_times(table.given_x.index)
    if has_times and indexed and hyperparameters.takes_calendar:
        seconds = (table.frame[TIME].max() - table.frame[TIME].min()).total_seconds()
        share = hyperparameters.train_size_rate
        kinds = list(
            learnable_calendar(
                settings.frequency, seconds * share, hyperparameters.timesteps, [*table.x, *table.y]
            )
        )
    return replace(settings, calendar=kinds)


def data_section(
    settings: RowSettings, features: list[str], targets: list[str], table: RowTable | None
) -> dict[str, Any]:
    """The section ``data`` of a run over rows in memory."""
    return {
        "path": "memory",
        "time": table.time_name if table else "time",
        "series": table.series_name if table else None,
        "frequency": settings.frequency,
        "time_zone": table.time_zone if table else settings.time_zone or "UTC",
        "closed_days": settings.closed_days,
        "features": features,
        "targets": targets,
        "target_lookahead": settings.target_lookahead,
        "known_ahead": dict(settings.known_ahead),
        "known_future": list(settings.known_future),
        "calendar": [] if settings.calendar == "auto" else list(settings.calendar),
        "holidays": settings.holidays,
        "categories": {name: list(found) for name, found in settings.categories.items()},
        "columns": {
            **{
                name: rules.model_dump(exclude_unset=True)
                for name, rules in settings.columns.items()
            },
            **{name: {"dtype": "category"} for name in settings.categories},
        },
        "clip_forecasts": settings.clip_forecasts,
        "round_forecasts": settings.round_forecasts,
    }


def described_data(
    settings: RowSettings, features: list[str], targets: list[str], table: RowTable | None
) -> DataConfig:
    """The same as checked settings.

    Raises:
        ConfigError: they contradict each other.
    """
    try:
        return DataConfig.model_validate(data_section(settings, features, targets, table))
    except ValidationError as error:
        raise ConfigError(describe(error, RetrainConfig)) from None


def with_future_features(
    data: DataConfig, hyperparameters: Hyperparameters
) -> tuple[DataConfig, Hyperparameters]:
    """Settings with the features of the rows to forecast; see ``RetrainConfig``."""
    if hyperparameters.future_features == {}:
        return data, hyperparameters
    rows = shifts(hyperparameters.steps_ahead, hyperparameters.timesteps)
    data, future = data.with_future(rows, hyperparameters.steps_ahead)
    return data, hyperparameters.model_copy(update={"future_features": future or None})


def with_known_columns(table: RowTable, data: DataConfig) -> RowTable:
    """The table with the features of later rows and of the calendar that it lacks.

    A later row's value is missing at the end of a contiguous block.

    Raises:
        DataError: a column of the table has the name of one of these, and other values.
    """
    block = table.frame[SEGMENT].to_numpy()
    columns = dict(calendar_of(table.frame[TIME], data))
    for name, (source, rows) in data.ahead_sources.items():
        if name not in columns and source in table.x:
            columns[name] = later_values(table.x[source].to_numpy(np.float64), block, rows)
    refuse_other_values("X_data", table.x, columns, data)
    added = {name: values for name, values in columns.items() if name not in table.x}
    if not added:
        return table
    given: dict[str, np.ndarray] = {}
    for name, values in added.items():
        given[name] = np.empty(len(values))
        given[name][table.given_row] = values
    x, given_x = with_columns(table.x, added), with_columns(table.given_x, given)
    return replace(table, x=x, given_x=given_x)


def known_columns_of(frame: pd.DataFrame, data: DataConfig) -> Mapping[str, Any]:
    """The same of the rows of one series, which are to be forecast.

    Raises:
        ConfigError: the calendar needs times, and the index has none.
        DataError: a column of the table has the name of one of these, and other values.
    """
    columns: dict[str, Any] = {
        name: frame[source].shift(-rows)
        for name, (source, rows) in data.ahead_sources.items()
        if source in frame
    }
    of_time = {*data.calendar_columns}
    by_time = [
        name for name in data.features
        if name in of_time or data.ahead_sources.get(name, ("",))[0] in of_time
    ]  # fmt: skip
    index = levels_of(frame.index, "data").time if by_time else None
    absent = [name for name in by_time if name not in frame]
    if absent and index is None:
        raise ConfigError(
            f"{absent[0]!r} follows from the time of a row; give the table a DatetimeIndex"
        )
    if index is not None:
        times = utc_times(index, "the index", None, data.time_zone, data.frequency)
        columns |= calendar_of(times, data)
    refuse_other_values("data", frame, columns, data)
    return {name: values for name, values in columns.items() if name not in frame}
