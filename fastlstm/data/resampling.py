"""Rows of longer intervals made of those that fall into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Day, Tick

from fastlstm.config.arrangement import Resample
from fastlstm.config.data import DataConfig
from fastlstm.data.clock_changes import day_instants, wall_times
from fastlstm.data.clock_grid import begins, clock_length
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError

# Share of a series' steps that are multiples of one, where its next row is due after one of them.
_REGULAR = 0.95

# Offsets whose dates are the first day of what they name.
_NAMED_BY_BEGIN = ("MS", "BMS", "QS", "BQS", "YS", "BYS", "SMS")


@dataclass(frozen=True)
class Intervals:
    """The interval of each of some times.

    Attributes:
        names: the time of its row, microseconds since 1970 (UTC), ``(n,)``.
        ends: its end, which it does not hold, likewise.
    """

    names: np.ndarray
    ends: np.ndarray


def intervals_of(times: pd.DatetimeIndex, resample: Resample, time_zone: str) -> Intervals:
    """The interval that holds each time; days and longer ones begin at local midnight.

    Args:
        times: in UTC, ``(n,)``.
        resample: length and label.
        time_zone: IANA zone.
    """
    offset = to_offset(resample.to)
    if isinstance(offset, Tick):
        first = begins(times.as_unit("us").asi8, offset, time_zone)
        last = first + clock_length(offset)
        return Intervals(last if resample.label == "end" else first, last)
    codes, distinct = pd.factorize(wall_times(times, time_zone).normalize())
    days = pd.DatetimeIndex(distinct)
    names: Any
    ends: Any
    if isinstance(offset, Day):
        since = (days - pd.Timestamp("1970-01-01")).days.to_numpy()
        names = days - pd.to_timedelta(since % offset.n, unit="D")
        ends = names + offset.n * pd.Timedelta("1D")
    elif offset.rule_code.partition("-")[0] in _NAMED_BY_BEGIN:
        names = pd.DatetimeIndex([offset.rollback(day) for day in days])
        ends = pd.DatetimeIndex([name + offset for name in names])
    else:
        names = pd.DatetimeIndex([offset.rollforward(day) for day in days])
        ends = names + pd.Timedelta("1D")
    of_names, of_ends = (
        day_instants(pd.DatetimeIndex(found).as_unit("us"), time_zone).as_unit("us").asi8
        for found in (names, ends)
    )
    return Intervals(of_names[codes], of_ends[codes])


def resampled(
    frame: pd.DataFrame, data: DataConfig, values: list[str], newest: pd.Timestamp
) -> tuple[pd.DataFrame, int]:
    """The rows of the intervals, and how many intervals are left out as they may not be over.

    An interval is over where a row of the table has come after it, or where the next row of its series
    is due after it, if these lie on a grid. What is known of later rows stays known.

    Args:
        frame: rows sorted by series and time.
        data: the settings.
        values: value columns present.
        newest: time of the newest row of the table that has happened.
    """
    resample = data.resample
    assert resample is not None  # noqa: S101 (its caller has looked)
    of = intervals_of(pd.DatetimeIndex(frame[TIME]), resample, data.time_zone)
    times = microseconds(frame[TIME])
    codes, _ = pd.factorize(frame[SERIES])
    limit = microseconds(pd.Series([newest]))[0] + _regular_steps(codes, times)[codes]
    known = [name for name in values if name in data.known_columns]
    observed = [name for name in values if name not in known]
    late = of.ends > limit
    has_happened = frame[observed].notna().any(axis=1).to_numpy() if observed else ~late
    cut = late & has_happened
    groups = pd.DataFrame({"series": codes, "name": of.names})
    number = groups.groupby(["series", "name"], sort=False).ngroup().to_numpy()
    open_ones = np.unique(number[cut])
    is_open = np.isin(number, open_ones)
    kept = frame
    if is_open.any():
        kept = frame.copy()
        kept.loc[is_open, observed] = np.nan
    _refuse_text(frame, resample, values)
    by_interval = kept.groupby(number, sort=True)
    columns = {
        name: _aggregated(by_interval[name], str(resample.operation(name))) for name in values
    }
    first = np.unique(number, return_index=True)[1]
    made = pd.DataFrame({
        SERIES: frame[SERIES].to_numpy()[first],
        TIME: pd.DatetimeIndex(of.names[first].view("datetime64[us]")).tz_localize("UTC"),
        **columns,
    })  # fmt: skip
    made[SERIES] = made[SERIES].astype(frame[SERIES].dtype)
    lost = np.isin(np.unique(number), open_ones)
    if known and lost.any():
        lost &= ~made[known].notna().any(axis=1).to_numpy()
    return made[~lost].reset_index(drop=True), len(open_ones)


def _refuse_text(frame: pd.DataFrame, resample: Resample, values: list[str]) -> None:
    """Refuse operations on numbers for columns of names.

    Raises:
        DataError: names the first.
    """
    for name in values:
        operation = resample.operation(name)
        of_names = operation in ("first", "last", "count")
        if not of_names and not pd.api.types.is_float_dtype(frame[name].dtype):
            raise DataError(
                f"data.resample: {name!r} holds labels, of which there is no {operation}; give 'last', "
                f"or set data.columns.{name}.dtype to 'integer' or 'boolean' where they are numbers"
            )


def _regular_steps(codes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The distance between the rows of each series, microseconds; 0 where they lie on no grid.

    Args:
        codes: series of each row, ``(n,)``, rows sorted by series and time.
        times: microseconds, ``(n,)``.
    """
    steps = np.diff(times)
    same = (codes[1:] == codes[:-1]) & (steps > 0)
    by_series = pd.Series(steps[same]).groupby(codes[1:][same])
    medians = by_series.median()
    # Rows that lack leave steps that are multiples of the others.
    alike = by_series.agg(lambda own: (own % own.median() == 0).mean())
    found = np.zeros(int(codes.max()) + 1 if len(codes) else 0, np.int64)
    found[medians.index.to_numpy()] = np.where(alike >= _REGULAR, medians, 0).astype(np.int64)
    return found


def _aggregated(groups: Any, operation: str) -> np.ndarray:
    """One value for each interval; missing where it has none."""
    if operation == "sum":
        found = groups.sum(min_count=1)
    elif operation == "count":
        found = groups.count().astype(np.float64)
    else:
        found = getattr(groups, operation)()
    values: np.ndarray = found.to_numpy()
    return values
