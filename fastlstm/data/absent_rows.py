"""Rows that a series lacks between its first and its last one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.known_future import is_ahead
from fastlstm.data.time_grid import grid_positions, position_times
from fastlstm.errors import DataError


def with_absent_rows(
    frame: pd.DataFrame, data: DataConfig, values: list[str]
) -> tuple[pd.DataFrame, int]:
    """A table with the rows that it lacks on the grid of its frequency, and how many were added.

    No value is taken from a later row, and none is added after the last row that has happened.

    Args:
        frame: rows sorted by series and time, each time once in a series.
        data: the settings.
        values: value columns present.

    Raises:
        DataError: a column of labels is to be 0.
    """
    offset = row_offset(data.frequency, data.closed_days)
    assert offset is not None  # noqa: S101 (settings say so)
    positions = grid_positions(frame[TIME], offset, data.time_zone)
    codes, _ = pd.factorize(frame[SERIES])
    later = is_ahead(frame, data, values)
    lacking = np.diff(positions) - 1
    between = (codes[1:] == codes[:-1]) & (positions[1:] >= 0) & (positions[:-1] >= 0) & ~later[1:]
    most = data.max_gap or np.iinfo(np.int64).max
    gaps = np.flatnonzero(between & (lacking > 0) & (lacking <= most))
    if not len(gaps):
        return frame, 0
    counts = lacking[gaps]
    before = np.repeat(gaps, counts)
    within = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    times = position_times(positions[before] + within, frame[TIME], offset, data.time_zone)
    added = pd.DataFrame({SERIES: frame[SERIES].to_numpy()[before], TIME: times})
    added[SERIES] = added[SERIES].astype(frame[SERIES].dtype)
    place = np.concatenate([np.arange(len(frame)) * 1.0, before + 0.5])
    order = np.argsort(place, kind="stable")
    whole = pd.concat([frame, added], ignore_index=True).iloc[order].reset_index(drop=True)
    is_added = order >= len(frame)
    for name in values:
        kind = _kind_of(name, data)
        if kind == "zero" and not pd.api.types.is_float_dtype(frame[name].dtype):
            raise DataError(
                f"data.absent_rows: {name!r} holds labels, which 'zero' is not one of; give "
                f"{{{name}: forward_fill}}, or set data.columns.{name}.dtype to 'integer' or 'boolean' "
                "where they are numbers"
            )
        if kind == "zero":
            whole.loc[is_added, name] = 0.0
        elif kind == "forward_fill":
            last = frame[name].groupby(frame[SERIES], sort=False).ffill().to_numpy()[before]
            whole.loc[is_added, name] = last
    return whole, int(is_added.sum())


def _kind_of(name: str, data: DataConfig) -> str:
    """What a column holds in a row that is added."""
    targets = {*data.target_columns, *(d.column for d in data.derived_targets.values())}
    is_target = name in targets
    if name in data.static or (data.rules(name).dtype == "category" and not is_target):
        return "forward_fill"
    given = data.absent_rows
    if isinstance(given, dict):
        return given.get(name, given.get("*", "missing"))
    return "forward_fill" if given == "zero" and not is_target else given
