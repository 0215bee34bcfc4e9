"""Features and targets as users hold them in a notebook, made into one checked table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import ahead_columns
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.known_future import later_values
from fastlstm.data.split import Cuts
from fastlstm.data.time_grid import grid_positions, microseconds, segments
from fastlstm.errors import DataError


@dataclass(frozen=True)
class RowTable:
    """Rows sorted by series and time.

    Attributes:
        frame: ``__series``, ``__time`` (UTC; row numbers count as microseconds), ``__segment``.
        x: features, float64.
        y: targets, float64.
        weight: weight of each row, or None.
        given_row: number of each row in the order it was given.
        given_x: features as given.
        given_y: targets as given.
        time_unit: ``'us'``, or ``'row'`` where the times are row numbers.
        time_name: name for the time column when it is stored.
        series_name: name for the series column, None with one series.
    """

    frame: pd.DataFrame
    x: pd.DataFrame
    y: pd.DataFrame
    weight: np.ndarray | None
    given_row: np.ndarray
    given_x: pd.DataFrame
    given_y: pd.DataFrame
    time_unit: str
    time_name: str
    series_name: str | None

    def with_index(
        self, features: list[str], targets: list[str]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Features and targets with time and series as their first columns, for storage."""
        times: Any = self.frame[TIME]
        if self.time_unit == "row":
            times = microseconds(self.frame[TIME])
        index = {self.time_name: times}
        if self.series_name is not None:
            index[self.series_name] = self.frame[SERIES]
        left = pd.DataFrame(index)
        # Joined by position: features and targets may share a name.
        return (
            pd.concat([left, self.x[features]], axis=1),
            pd.concat([left, self.y[targets]], axis=1),
        )

    def span(self, split: str, cuts: Cuts | None) -> str:
        """How many rows of a split there are, from when to when."""
        assert cuts is not None  # noqa: S101 (a table is cut as soon as it is made)
        times = microseconds(self.frame[TIME])
        part = np.digitize(times, [cuts.validation, cuts.test])
        mine = times[part == ("train", "validation", "test").index(split)]
        if self.time_unit == "row":
            return f"{len(mine):,} rows, row {mine.min()} to {mine.max()}"
        first, last = (pd.Timestamp(int(t), unit="us") for t in (mine.min(), mine.max()))
        return f"{len(mine):,} rows, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _frame(data: Any, letter: str) -> pd.DataFrame:
    if isinstance(data, pd.Series):
        data = data.to_frame(letter if data.name is None else str(data.name))
    if not isinstance(data, pd.DataFrame):
        values = np.asarray(data)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise DataError(
                f"{letter}_data: has shape {values.shape}; give rows by columns, windows are cut here"
            )
        names = (
            [letter] if values.shape[1] == 1 else [f"{letter}_{i}" for i in range(values.shape[1])]
        )
        data = pd.DataFrame(values, columns=names)
    frame: pd.DataFrame = data.rename(columns=str)
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"{letter}_data: has two columns {twice!r}; rename one")
    if frame.empty:
        raise DataError(f"{letter}_data: is empty; give rows")
    for name in frame:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(
                f"{letter}_data: column {name!r} holds {frame[name].dtype}; convert it to numbers"
            )
    return frame


def _finite(frame: pd.DataFrame, letter: str, *, may_be_missing: Collection[str]) -> None:
    for name in frame:
        bad = ~np.isfinite(frame[name].to_numpy(np.float64))
        if name in may_be_missing:
            # What is derived from later rows is undefined where its rows are not there yet.
            bad &= ~frame[name].isna().to_numpy()
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{letter}_data: column {name!r} has {int(bad.sum())} missing or infinite values, "
                f"first in row {row}; fill or drop those rows first"
            )


def _per_row(values: Any, name: str, count: int) -> pd.Series:
    found = pd.Series(np.asarray(values)) if not isinstance(values, pd.Series) else values
    if len(found) != count:
        raise DataError(f"{name}: has {len(found)} values for {count} rows; give one per row")
    if found.isna().any():
        row = int(np.flatnonzero(found.isna())[0])
        raise DataError(f"{name}: is empty in row {row}; give one per row")
    return found.reset_index(drop=True)


def row_table(
    X_data: Any,
    Y_data: Any,
    *,
    series: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    frequency: str | None = None,
    time_zone: str = "UTC",
    labels: bool = False,
    lookahead: int = 0,
    known_ahead: Mapping[str, int] | None = None,
) -> RowTable:
    """Check features and targets and bring them into one order.

    Args:
        X_data: features: DataFrame, Series or array.
        Y_data: targets of the same rows.
        series: group label of each row.
        time: time of each row; without it a DatetimeIndex of ``X_data``, else row numbers.
        sample_weight: weight of each row.
        frequency: distance between rows; then a hole in time breaks a stretch.
        time_zone: zone in which days and months of ``frequency`` begin.
        labels: whether targets must be 0 or 1.
        lookahead: rows after its own that a target's value depends on; such targets may be missing.
        known_ahead: features known before they happen, and how many rows later; each gives the feature
            ``<name>+<rows>``, missing at the end of a stretch, unless ``X_data`` holds that already.

    Raises:
        DataError: see the messages; each names the argument, the row and the remedy.
    """
    given_x, given_y = _frame(X_data, "X"), _frame(Y_data, "Y")
    count = len(given_x)
    if len(given_y) != count:
        raise DataError(f"Y_data: has {len(given_y)} rows, X_data {count}; give the same rows")
    both_indexed = isinstance(X_data, pd.DataFrame | pd.Series) and isinstance(
        Y_data, pd.DataFrame | pd.Series
    )
    if both_indexed and not given_x.index.equals(given_y.index):
        raise DataError("Y_data: its index differs from X_data's; align them first")
    known = known_ahead or {}
    made = dict(zip(ahead_columns(known), known.items(), strict=True))
    for new, (source, _) in made.items():
        if source not in given_x and new not in given_x:
            raise DataError(
                f"known_ahead: {source!r} is no column of X_data, which has {list(given_x)}; correct it"
            )
    _finite(given_x, "X", may_be_missing=made)
    _finite(given_y, "Y", may_be_missing=[*map(str, given_y)] if lookahead else ())
    if labels:
        for name in given_y:
            values = given_y[name].dropna()
            if not values.isin([0, 1]).all():
                odd = values[~values.isin([0, 1])].iloc[0]
                raise DataError(
                    f"Y_data: column {name!r} holds {odd!r}, a classifier's labels are 0 and 1; "
                    "encode each class as a column, or use LSTM_type 'regressor'"
                )
    group = _per_row(series, "series", count).astype(str) if series is not None else None
    if time is None and isinstance(given_x.index, pd.DatetimeIndex):
        time = given_x.index
    if time is not None:
        moments = pd.to_datetime(_per_row(time, "time", count), utc=True).dt.as_unit("us")
    else:
        rows = np.arange(count) if group is None else group.groupby(group).cumcount().to_numpy()
        moments = pd.Series(pd.to_datetime(rows, unit="us", utc=True)).dt.as_unit("us")
    weight = None
    if sample_weight is not None:
        weight = _per_row(sample_weight, "sample_weight", count).to_numpy(np.float64)
        if (weight < 0).any() or not np.isfinite(weight).all():
            raise DataError("sample_weight: must be finite and not negative")
    key = group if group is not None else pd.Series([""] * count)
    stamps = pd.Series(microseconds(moments))
    backwards = np.flatnonzero(stamps.groupby(key).diff().to_numpy() <= 0)
    if len(backwards):
        row = int(backwards[0])
        raise DataError(
            f"time: row {row} is not after the row before it of the same series; sort the rows by "
            "time, and name the series of each row if there are several"
        )
    order = np.argsort(key.to_numpy(dtype=object), kind="stable")
    frame = pd.DataFrame({SERIES: key, TIME: moments}).iloc[order].reset_index(drop=True)
    if frequency is not None:
        if time is None:
            raise DataError(
                "frequency: has no meaning without times; give time, or a DatetimeIndex"
            )
        positions = grid_positions(frame[TIME], frequency, time_zone)
        off = np.flatnonzero(positions < 0)
        if len(off):
            raise DataError(
                f"frequency: {len(off)} times stand off a grid of {frequency}, first in row "
                f"{order[off[0]]}; correct the times or frequency"
            )
    else:
        positions = np.arange(count)
    frame[SEGMENT] = segments(frame[SERIES].to_numpy(), positions)
    for new, (source, later) in made.items():
        if new not in given_x:
            sorted_values = given_x[source].to_numpy(np.float64)[order]
            column = np.empty(count)
            column[order] = later_values(sorted_values, frame[SEGMENT].to_numpy(), later)
            given_x = given_x.assign(**{new: column})
    taken = {*given_x, *given_y}
    named = getattr(series, "name", None) or "series"
    names = {}
    for role, wish in (("time", given_x.index.name or "time"), ("series", str(named))):
        names[role] = str(wish) if str(wish) not in taken else f"{wish}_of_row"
    return RowTable(
        frame=frame,
        x=given_x.iloc[order].reset_index(drop=True).astype(np.float64),
        y=given_y.iloc[order].reset_index(drop=True).astype(np.float64),
        weight=None if weight is None else weight[order],
        given_row=order,
        given_x=given_x,
        given_y=given_y,
        time_unit="us" if time is not None else "row",
        time_name=names["time"] if time is not None else "row_number",
        series_name=names["series"] if group is not None else None,
    )
