"""Times as they stand in a source, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fastlstm.config.time_formats import (
    EPOCH_UNITS,
    EXCEL_DAYS,
    EXCEL_FIRST_DAY,
    ISO_WEEK,
    QUARTER,
    of_whole_days,
    quarter_pattern,
)
from fastlstm.data.clock_changes import day_instants, skipped_times, unchanged_zone
from fastlstm.data.time_hints import format_remedy
from fastlstm.errors import DataError, first_line

# The offset from UTC at the end of a time.
OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"
_LAST = 253_402_300_800_000_000  # microseconds from 1970 to the year 10000


@dataclass(frozen=True)
class TimeRules:
    """How a column is read as times, and what messages about it say.

    Attributes:
        where: file and column, or the argument.
        first_row: number of the first row.
        time_format: strftime format, or ``'epoch_s'`` and its like; None for ISO 8601.
        time_zone: IANA zone of times without an offset.
        frequency: distance between rows as a pandas offset; None where it is not declared.
        settings: what stands before a setting's name in messages: ``'data.'`` or nothing.
        in_order: whether repeated times follow each other in order, see ``data.clock_changes``.
        repeated: series and time of such rows so far, in other blocks of the table.
    """

    where: str
    first_row: int
    time_format: str | None = None
    time_zone: str = "UTC"
    frequency: str | None = None
    settings: str = ""
    in_order: bool = False
    repeated: set[tuple[str, pd.Timestamp]] = field(default_factory=set)

    def refuse(self, row: int, problem: str) -> DataError:
        """The error about one row."""
        return DataError(f"{self.where}, row {row + self.first_row}: {problem}")


def as_utc(column: pa.ChunkedArray, rules: TimeRules, series: pd.Series | None = None) -> pd.Series:
    """A time column in UTC, in microseconds.

    Times without an offset are those of ``rules.time_zone``. Where rows are a day or more apart, a time
    that a clock change skips is the first one after it, and of one that happens twice the first is
    meant: so a day begins although the clock has no midnight that day. Elsewhere both are refused.

    Args:
        column: the time column as read: time stamps, dates, text, or numbers with a format.
        rules: how to read it.
        series: label of each row's series, ``(n,)``; None for one series.

    Raises:
        DataError: a cell is empty or holds no time; the first such row is named.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_text(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), None, column)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise rules.refuse(row, f"is empty ({column.null_count} such rows); give every row a time")
    times = _read(column, rules)
    if times.dt.tz is None:
        times = _localized(times, rules, series)
    try:
        utc: pd.Series = times.dt.tz_convert("UTC").dt.as_unit("us")
        return utc
    except (ValueError, OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise DataError(
            f"{rules.where}: {first_line(error)}; use times that microseconds can represent"
        ) from None


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


# A format of times that are whole numbers, such as 1950 or 20240131.
_WHOLE_NUMBER = r"(%[YmdHMS])+"
# A part of a format whose digits follow each other, such as '%H%M' of 930.
_DIGITS = r"%[mdHMSy](%[mdHMSyY])+"
# What precedes and follows the 24 at the end of a day. Without look-around, for which pandas would
# search every cell in Python.
_BEFORE_24, _AFTER_24 = r"^|[ T]", r"(?::?00){0,2}(?:Z|[+-]\d\d:?\d\d)?"
# Formats that end with the hour or time of a day, which may be 24:00.
_ENDS_WITH_HOUR = r"(^|.*[ T])%H(:?%M(:?%S)?)?"


def _read(column: pa.ChunkedArray, rules: TimeRules) -> pd.Series:
    """The times, with a zone where the column or its format has one."""
    kind, declared = column.type, rules.time_format
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times: pd.Series = pd.to_datetime(column.to_pandas())
        return times
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if declared in EPOCH_UNITS and (number or _is_text(kind)):
        return _since_epoch(column, EPOCH_UNITS[declared], rules)
    if declared == EXCEL_DAYS and (number or _is_text(kind)):
        return _since_excel(column, rules)
    if number and declared is not None:
        return _parsed(_whole_numbers(column, rules), rules)
    if _is_text(kind):
        return _parsed(column.to_pandas(), rules)
    remedy = (
        f"say what the numbers are with {rules.settings}time_format: 'epoch_s' or 'epoch_ms' for "
        "seconds or milliseconds since 1970, '%Y' for years, '%Y%m%d' for days, 'excel' for days of "
        "spreadsheets; or give time stamps"
        if number
        else f"give time stamps, or text with {rules.settings}time_format"
    )
    raise DataError(f"{rules.where} holds {kind}; {remedy}")


def _since_epoch(column: pa.ChunkedArray, per_second: int, rules: TimeRules) -> pd.Series:
    """Numbers of units since 1970 (UTC) as times."""
    numbers = pd.to_numeric(column.to_pandas(), errors="coerce")
    wrong = np.flatnonzero(~np.isfinite(numbers.to_numpy(np.float64)))
    if len(wrong):
        found = column[int(wrong[0])].as_py()
        raise rules.refuse(
            wrong[0],
            f"{found!r} is no number, {rules.settings}time_format is {rules.time_format!r}; correct "
            "the rows or the format",
        )
    beyond = np.flatnonzero(np.abs(numbers.to_numpy(np.float64)) >= _LAST / 1e6 * per_second)
    if len(beyond):
        raise rules.refuse(
            beyond[0],
            f"{numbers.iloc[beyond[0]]} lies beyond the year 9999 as {rules.time_format!r}; set "
            f"{rules.settings}time_format to the unit of the numbers: {', '.join(EPOCH_UNITS)}",
        )
    whole = numbers.to_numpy()
    if not np.issubdtype(whole.dtype, np.integer):
        micros = np.round(whole.astype(np.float64) * (1e6 / per_second)).astype(np.int64)
    elif per_second > 1_000_000:
        micros = whole.astype(np.int64) // (per_second // 1_000_000)
    else:
        micros = whole.astype(np.int64) * (1_000_000 // per_second)
    return pd.Series(pd.DatetimeIndex(micros.view("datetime64[us]")).tz_localize("UTC"))


def _since_excel(column: pa.ChunkedArray, rules: TimeRules) -> pd.Series:
    """Days as spreadsheets count them, to the second, as times without a zone."""
    numbers = pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64)
    # Days before March 1900 are counted with a February 29 that there was not.
    wrong = np.flatnonzero(~((numbers >= 61) & (numbers < 2_958_466)))
    if len(wrong):
        found = column[int(wrong[0])].as_py()
        raise rules.refuse(
            wrong[0],
            f"{found!r} is no day from 1900 to 9999 as spreadsheets count them; correct the rows or "
            f"{rules.settings}time_format",
        )
    seconds = np.round(numbers * 86_400).astype("timedelta64[s]")
    return pd.Series(np.datetime64(EXCEL_FIRST_DAY, "s") + seconds)


def _whole_numbers(column: pa.ChunkedArray, rules: TimeRules) -> pd.Series:
    """Numbers such as 2024 or 20240131 as text, to be read by a format."""
    numbers = column.cast(pa.float64()).to_numpy()
    wrong = np.flatnonzero(numbers != np.floor(numbers))
    if len(wrong):
        raise rules.refuse(
            wrong[0],
            f"{numbers[wrong[0]]} is no whole number, {rules.settings}time_format is "
            f"{rules.time_format!r}; correct the rows or the format",
        )
    text: pd.Series = column.cast(pa.int64()).cast(pa.string()).to_pandas()
    return text


def _parsed(text: pd.Series, rules: TimeRules) -> pd.Series:
    """Times written as text, in ``rules.time_format`` or ISO 8601.

    Raises:
        DataError: a cell holds no such time, or only some have an offset.
    """
    declared = rules.time_format
    if declared is not None and re.fullmatch(_WHOLE_NUMBER, declared):
        # Programs write whole numbers of columns with missing values as '1950.0'.
        text = text.str.replace(r"\.0+$", "", regex=True)
    if declared is not None and re.search(_DIGITS, declared):
        text = _padded(text, declared)
    after = pd.Series(False, index=text.index)
    if declared is None or re.fullmatch(_ENDS_WITH_HOUR, declared):
        after = text.str.contains(f"(?:{_BEFORE_24})24{_AFTER_24}$", regex=True)
        if after.any():
            end_of_day = f"({_BEFORE_24})24({_AFTER_24})$"
            text = text.str.replace(end_of_day, r"\g<1>00\g<2>", regex=True)
    if declared is None:
        has_offset = text.str.contains(OFFSET, regex=True) & text.str.contains(":")
        without = pd.to_datetime(text[~has_offset], format="ISO8601", errors="coerce")
        if has_offset.any() and without.notna().any():
            row = int(np.flatnonzero(has_offset != has_offset.iloc[0])[0])
            raise rules.refuse(
                row,
                f"{text.iloc[row]!r} mixes times with and without an offset; write all the same way",
            )
        aware = bool(has_offset.any())
    else:
        aware = "%z" in declared
    if declared is not None and QUARTER in declared:
        times = quarters(text, declared)
    elif declared is not None and re.search(ISO_WEEK, declared):
        # pandas needs a day of the week, which begins on Monday.
        times = pd.to_datetime(text + " 1", format=f"{declared} %u", errors="coerce")
    elif declared is None and not aware:
        times = without
    else:
        times = pd.to_datetime(text, format=declared or "ISO8601", errors="coerce", utc=aware)
    wrong = np.flatnonzero(times.isna())
    if len(wrong):
        raise rules.refuse(
            wrong[0],
            f"{text.iloc[wrong[0]]!r} is no {declared or 'ISO 8601'} time ({len(wrong)} such rows); "
            + format_remedy(text, int(wrong[0]), f"{rules.settings}time_format"),
        )
    # 24:00 is the midnight at the end of a day (ISO 8601).
    return times + pd.to_timedelta(after.astype("int64"), unit="D") if after.any() else times


def _padded(text: pd.Series, time_format: str) -> pd.Series:
    """Times whose parts of digits have the zeros again that numbers lose: 930 is 0930."""
    formats = time_format.split(" ")
    cells = text.str.split(" ", n=len(formats) - 1, expand=True)
    if cells.shape[1] != len(formats):
        return text
    for at, part in enumerate(formats):
        if re.fullmatch(_DIGITS, part):
            width = sum(4 if letter == "Y" else 2 for letter in part[1::2])
            cells[at] = cells[at].where(
                ~cells[at].str.isdigit().eq(True), cells[at].str.zfill(width)
            )
    others = cells.drop(columns=0)
    joined: pd.Series = cells[0].str.cat(others, sep=" ") if len(formats) > 1 else cells[0]
    return joined.where(joined.notna(), text)


def quarters(text: pd.Series, time_format: str) -> pd.Series:
    """The first days of quarters; missing where a cell is none.

    Args:
        text: such as '2024-Q3', ``(n,)``.
        time_format: with %Y and %q.
    """
    found = text.str.extract(f"^{quarter_pattern(time_format)}$".replace("^(?i)", "(?i)^"))
    months = found["quarter"].map({str(q): f"-{3 * q - 2:02d}-01" for q in range(1, 5)})
    first: pd.Series = pd.to_datetime(found["year"] + months, format="%Y-%m-%d", errors="coerce")
    return first


def _localized(times: pd.Series, rules: TimeRules, series: pd.Series | None) -> pd.Series:
    """Times without an offset as times of ``rules.time_zone``.

    Raises:
        DataError: a clock change makes a time ambiguous or skips it, where rows are no days.
    """
    if of_whole_days(rules.frequency, bool((times == times.dt.normalize()).all())):
        return pd.Series(day_instants(pd.DatetimeIndex(times), rules.time_zone))
    if rules.in_order:
        return _in_order(times, rules, series)
    localized: pd.Series = times.dt.tz_localize(rules.time_zone, ambiguous="NaT", nonexistent="NaT")
    wrong = np.flatnonzero(localized.isna())
    if len(wrong):
        raise rules.refuse(
            wrong[0],
            f"{times.iloc[wrong[0]]} happens twice or never in {rules.time_zone} (clock change; "
            f"{len(wrong)} such rows); store times in UTC or with their offset"
            f"{_if_in_order(rules)}{_if_unchanged(times, rules)}",
        )
    return localized


def _if_unchanged(times: pd.Series, rules: TimeRules) -> str:
    """What to set where a time is skipped, which a clock that is never changed does not do."""
    skipped = skipped_times(times, rules.time_zone)
    if skipped.empty:
        return ""
    zone = unchanged_zone(skipped.iloc[0], rules.time_zone)
    return f", or set {rules.settings}time_zone to {zone!r} for a clock that is never changed"


def _if_in_order(rules: TimeRules) -> str:
    """The setting that takes such times, where there is one."""
    if not rules.settings:
        return ""
    return (
        f", or set {rules.settings}clock_changes to 'in_order' where rows follow each other in time"
    )


def _in_order(times: pd.Series, rules: TimeRules, series: pd.Series | None) -> pd.Series:
    """Times of a zone, of which the second of two equal ones of a series lies after a clock change."""
    once = times.dt.tz_localize(rules.time_zone, ambiguous="NaT", nonexistent="shift_forward")
    is_first = np.ones(len(times), bool)
    rows = np.flatnonzero(once.isna())
    labels = [""] * len(rows) if series is None else series.iloc[rows].tolist()
    for row, label in zip(rows, labels, strict=True):
        key = (label, times.iloc[row])
        is_first[row] = key not in rules.repeated
        rules.repeated.add(key)
    found: pd.Series = times.dt.tz_localize(
        rules.time_zone, ambiguous=is_first, nonexistent="shift_forward"
    )
    return found
