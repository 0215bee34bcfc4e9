"""Rows without regular times, such as one row a purchase: the intervals that may be made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fastlstm.inspection.roles import is_named_as_code
from fastlstm.inspection.sample import Sample

# Lengths that intervals of single events and of measurements may have, the shortest first.
_OF_EVENTS = ("1h", "1D", "W-SUN", "MS")
_OF_MEASURES = (
    "1min",
    "5min",
    "10min",
    "15min",
    "30min",
    "1h",
    "3h",
    "6h",
    "12h",
    "1D",
    "W-SUN",
    "MS",
)
# Least share of the intervals between first and last row that hold one, and fewest of them.
_FILLED_BY_EVENTS, _FILLED_BY_MEASURES, _FEWEST = 0.5, 0.8, 24
# Share of repeated times up to which rows are measurements of which some stand twice.
_REPEATED = 0.25
# Share of equal steps from which a series has regular times of its own.
_ALIKE = 0.9
# Longest interval of measurements, by their usual distance.
_LONGEST = 3
# Measurements come at times like those of a clock that is not exact.
_NEAR, _NEAR_SHARE = (0.5, 1.5), 0.6

# Names of columns that number single events.
_NAMES_EVENTS = re.compile(r"(^|[\W_])(no|nr|number|key|invoice|order)$", re.IGNORECASE)


@dataclass(frozen=True)
class Intervals:
    """Rows of intervals that are proposed in place of those of the table.

    Attributes:
        to: their length as a pandas offset.
        of_events: whether rows are single events, whose targets are summed and 0 where there are none.
        rows: how many there are of each series.
        share: of the intervals between first and last row that hold one.
    """

    to: str
    of_events: bool
    rows: tuple[int, ...]
    share: float


def proposed_intervals(times: pd.Series, labels: pd.Series | None) -> Intervals | None:
    """The intervals that rows without regular times suggest; None where none would be filled.

    Args:
        times: of each row, ``(n,)``.
        labels: series of each row; None for one series.
    """
    known = times.dropna()
    of_row = pd.Series("", index=known.index) if labels is None else labels.loc[known.index]
    repeated = pd.DataFrame({"time": known, "label": of_row}).duplicated().mean()
    steps = known.sort_values().groupby(of_row, sort=False).diff().dropna()
    steps = steps[steps > pd.Timedelta(0)]
    if steps.empty:
        return None
    if repeated == 0 and _alike_in_each(steps, of_row) >= _ALIKE:
        return None
    ratio = steps / steps.median()
    of_events = repeated > _REPEATED or ratio.between(*_NEAR).mean() < _NEAR_SHARE
    lengths = _OF_EVENTS if of_events else _OF_MEASURES
    enough = _FILLED_BY_EVENTS if of_events else _FILLED_BY_MEASURES
    for to in lengths:
        rows, expected = _intervals_of(known, of_row, to)
        share = sum(rows) / max(1, expected)
        if max(rows) < _FEWEST:
            return None
        if not of_events and pd.Timedelta(_LONGEST * steps.median()) < _length(to):
            return None
        if share >= enough:
            return Intervals(to, bool(of_events), tuple(rows), share)
    return None


def operation_of(name: str, targets: Sequence[str], *, of_events: bool) -> str:
    """What becomes of a column of numbers in an interval.

    Args:
        name: of the column.
        targets: what is forecast.
        of_events: see ``Intervals``.
    """
    if not of_events or name not in targets:
        return "mean"
    return "count" if _is_identifier(name) else "sum"


def why_no_feature(sample: Sample, name: str) -> str | None:
    """Why a column of single events says nothing of an interval; None where it does."""
    if not pd.api.types.is_numeric_dtype(sample.frame[name].dtype):
        return "is of single rows, of which an interval has many"
    return "names single rows" if _is_identifier(name) else None


def _is_identifier(name: str) -> bool:
    return is_named_as_code(name) or _NAMES_EVENTS.search(name) is not None


def _alike_in_each(steps: pd.Series, labels: pd.Series) -> float:
    """Share of the steps that are the usual one of their series, as of weeks that end on other days."""
    usual = steps.groupby(labels.loc[steps.index], sort=False).transform("median")
    return float((steps == usual).mean())


def _length(to: str) -> pd.Timedelta:
    return pd.Timedelta({"W-SUN": "7D", "MS": "30D"}.get(to, to))


def _intervals_of(times: pd.Series, labels: pd.Series, to: str) -> tuple[list[int], int]:
    """How many intervals of each series hold a row, and how many lie between its first and last one."""
    if to == "MS":
        numbers = times.dt.year * 12 + times.dt.month
    else:
        numbers = (times - pd.Timestamp("1970-01-05")) // _length(to)
    of_series = numbers.groupby(labels, sort=False)
    expected = (of_series.max() - of_series.min() + 1).sum()
    return [int(count) for count in of_series.nunique()], int(expected)
