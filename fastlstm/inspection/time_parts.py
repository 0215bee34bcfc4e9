"""Times whose parts stand in several columns of a table that nobody has described."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from fastlstm.data.joined_times import joined_times
from fastlstm.data.time_stamps import TimeRules, as_utc
from fastlstm.errors import DataError
from fastlstm.inspection.times import Times

# Names that columns of each part have, without marks between letters, and how it is written.
_YEAR = {"year", "yr", "yyyy"}
_PARTS: tuple[tuple[set[str], tuple[str, ...]], ...] = (
    ({"month", "mnth", "mon", "mo", "mm"}, ("%m", "%b", "%B")),
    ({"day", "dayofmonth", "dom", "dd"}, ("%d",)),
    ({"hour", "hr", "hh", "hourofday"}, ("%H",)),
    ({"minute", "min", "mins"}, ("%M",)),
)
_QUARTER = {"quarter", "qtr", "q"}
# Parts of years as statistical offices write them: 'M01', 'Q01', 'W01'.
_PERIOD, _OF_PERIOD = {"period", "per", "subperiod"}, r"[A-Za-z]\d{1,2}"
_PERIODS = ("%Y M%m", "%Y Q%q", "%Y Q0%q", "%G W%V")
_WEEK = {"week", "isoweek", "weekofyear", "wk", "kw"}
# Beside a date: an hour or a time of day.
_OF_DAY = {"hour", "hr", "hh", "hourofday", "time", "timeofday", "clock"}
_TIMES_OF_DAY = ("%H", "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%H%M")


def times_in_parts(frame: pd.DataFrame, date: Times | None) -> Times | None:
    """Times that several columns make together; None where none do.

    Args:
        frame: the sample; see ``fastlstm.inspection.sample``.
        date: the times of one column, where there is one.
    """
    for parts, formats in [*_of_years(frame), *_of_dates(frame, date)]:
        for written in formats:
            times = _read(frame, parts, written)
            if times is not None:
                return times
        if formats == list(_PERIODS) and (date is None or date.format == "%Y"):
            _refuse_other_periods(frame, *parts)
    return None


def _refuse_other_periods(frame: pd.DataFrame, year: str, period: str) -> None:
    """Refuse parts of years of which some are none, such as 'M13' for a year's mean.

    Raises:
        DataError: they are named.
    """
    kinds = frame[period].dropna().astype("str").str.upper()
    count = kinds.str[0].map({"M": 12, "Q": 4, "W": 53}).fillna(0)
    odd = kinds[pd.to_numeric(kinds.str[1:], errors="coerce") > count]
    example = kinds.iloc[0] if odd.empty else odd.iloc[0]
    what = "of more than one kind" if odd.empty else "no month, quarter or week"
    raise DataError(
        f"columns {year!r} and {period!r} hold years and parts of them, {example!r} is {what}; keep the "
        f"rows of one kind, or give --time {year!r} and --series {period!r} if each part is a series"
    )


def given_times(frame: pd.DataFrame, parts: Sequence[str], written: str) -> Times:
    """Times of columns and a format that are known.

    Args:
        frame: the sample.
        parts: the column, or several that are joined by spaces.
        written: ``data.time_format``.

    Raises:
        DataError: a row holds no such time.
    """
    columns = [pa.chunked_array([pa.Array.from_pandas(frame[name])]) for name in parts]
    name, several = " ".join(parts), len(parts) > 1
    joined = joined_times(columns, f"--time {name}") if several else columns[0]
    values = as_utc(joined, TimeRules(f"--time {name}", 1, written)).dt.tz_localize(None)
    return Times(
        name, written, values, has_zone="%z" in written, parts=tuple(parts) if several else ()
    )


def _letters(name: object) -> str:
    return re.sub(r"[\W_]", "", str(name).lower())


def _column(frame: pd.DataFrame, names: set[str]) -> str | None:
    """The first column with such a name, also before a unit in brackets: 'Time (HH:MM)'."""
    plain = {str(name): _letters(re.sub(r"\(.*\)|\[.*\]", "", str(name))) for name in frame}
    return next((name for name, letters in plain.items() if letters in names), None)


def _of_years(frame: pd.DataFrame) -> list[tuple[list[str], list[str]]]:
    """A year and the parts after it, as many as follow each other, with the possible formats."""
    year = _column(frame, _YEAR)
    if year is None:
        return []
    found, formats = [year], ["%Y"]
    for names, ways in _PARTS:
        part = _column(frame, names)
        if part is None:
            break
        found.append(part)
        formats = [f"{before} {way}" for before in formats for way in ways]
    if len(found) > 1:
        return [(found, formats)]
    period = _column(frame, _PERIOD)
    if period is not None and _is_period(frame[period]):
        return [([year, period], list(_PERIODS))]
    quarter, week = _column(frame, _QUARTER), _column(frame, _WEEK)
    if quarter is not None:
        return [([year, quarter], ["%Y %q", "%Y Q%q"])]
    return [] if week is None else [([year, week], ["%G %V", "%G W%V"])]


def _is_period(cells: pd.Series) -> bool:
    """Whether a column holds parts of years such as 'M01'."""
    known = cells.dropna()
    return len(known) > 0 and bool(known.astype("str").str.fullmatch(_OF_PERIOD).all())


def _of_dates(frame: pd.DataFrame, date: Times | None) -> list[tuple[list[str], list[str]]]:
    """A date that repeats, and an hour or time of day beside it."""
    part = _column(frame, _OF_DAY)
    if date is None or part in (None, date.column):
        return []
    known = date.values.dropna()
    if not known.duplicated().any() or (known != known.dt.normalize()).any():
        return []
    written = date.format or "%Y-%m-%d"
    return [([date.column, str(part)], [f"{written} {way}" for way in _TIMES_OF_DAY])]


def _read(frame: pd.DataFrame, parts: Sequence[str], written: str) -> Times | None:
    """The joined times by a format; None where a row has none."""
    try:
        columns = [pa.chunked_array([pa.Array.from_pandas(frame[name])]) for name in parts]
        joined = joined_times(columns, "times")
        values = as_utc(joined, TimeRules("times", 1, written)).dt.tz_localize(None)
    except (DataError, pa.ArrowException):
        return None
    if values.nunique() < 3:
        return None
    return Times(" ".join(parts), written, values, doubts=_doubts(frame[parts[-1]], written),
                 parts=tuple(parts))  # fmt: skip


def _doubts(last: pd.Series, written: str) -> tuple[str, ...]:
    """What is not certain about times that several columns make.

    Args:
        last: the column of their last part.
        written: their format.
    """
    if "%V" in written:
        return (f"time_format: {last.name!r} is read as the number of an ISO week",)
    numbers = pd.to_numeric(last, errors="coerce") if written.endswith("%H") else last.head(0)
    if len(numbers) and numbers.max() == 24:
        return (
            f"time: {last.name!r} counts hours to 24, which is read as the midnight at the end of the "
            "day; rows then have the time at which their hour ends",
        )
    return ()
