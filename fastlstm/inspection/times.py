"""Which column of a table holds its times, how they are written, and how far rows are apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastlstm.config.time_formats import (
    DAY_OR_MONTH,
    EPOCH_UNITS,
    EXCEL_DAYS,
    EXCEL_FIRST_DAY,
    FIRST_SECOND,
    LAST_SECOND,
    USUAL_FORMATS,
    USUAL_QUARTERS,
)
from fastlstm.data.time_stamps import OFFSET, quarters
from fastlstm.errors import DataError
from fastlstm.inspection.sample import listed

# Names that columns of times have in many tables, the likeliest first.
_NAMES = (
    "timestamp", "ts", "datetime", "date_time", "time", "date", "ds", "day", "week", "month",
    "quarter", "period", "year", "hour", "when",
)  # fmt: skip
# Days of spreadsheets that stand for the years 1950 to 2100.
_FROM_DAY, _TO_DAY = 18_264, 73_051
# Names of columns of numbers that may be years or days, and of those that may be ISO weeks.
_OF_YEARS = re.compile(r"year|date|time|\byr\b", re.IGNORECASE)
_OF_DAYS = re.compile(r"date|time|\bday\b|\bts\b|datum|fecha|dato|jour", re.IGNORECASE)
_OF_WEEKS = re.compile(r"week|\bkw\b|\bwk\b", re.IGNORECASE)

# Share of cells below which others than times are few, and fewest cells to tell it from.
_FEW, _FEWEST_CELLS = 0.1, 10

# Cells by which a format is tried before all of them are.
_TRIED = 200


@dataclass(frozen=True)
class Times:
    """The times of a table.

    Attributes:
        column: name of the column.
        format: ``data.time_format``; None for ISO 8601 and time stamps.
        values: the times of the sample's rows, without a zone or in UTC, ``(n,)``.
        has_zone: whether cells carry an offset.
        doubts: what is not certain.
        parts: columns that are joined to it; none where it is one column.
    """

    column: str
    format: str | None
    values: pd.Series
    has_zone: bool = False
    doubts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


def find_times(frame: pd.DataFrame, column: str | None) -> Times:
    """The time column of a table and how it is written.

    Args:
        frame: the sample; see ``fastlstm.inspection.sample``.
        column: the column, where it is known.

    Raises:
        DataError: no column, or the given one not, holds times.
    """
    found = candidates(frame, column)
    if not found:
        what = f"column {column!r} holds" if column else "no column holds"
        hint = _if_some_are_none(frame, column) or _if_spaced(frame) or _if_transposed(frame)
        raise DataError(
            f"{what} times as ISO 8601, one of the usual formats or numbers since 1970; columns: "
            f"{listed(frame)}; {hint or _how_to_give_times(frame)}"
        )
    best = found[0]
    _refuse_mixed_offsets(frame[best.column], best)
    others = [t.column for t in found if t is not best and _is_moving(t.values)]
    if others:
        doubt = f"time: {best.column!r} is assumed; {', '.join(map(repr, others))} hold times too"
        return Times(best.column, best.format, best.values, best.has_zone, (*best.doubts, doubt))
    return best


def _how_to_give_times(frame: pd.DataFrame) -> str:
    """What to say of a table whose times are written in a way that nobody knows."""
    has_words = any(
        frame[name].dropna().head(_TRIED).astype("str").str.contains(r"[^\W\d]{3}.*\d").mean() > 0.9
        for name in frame
        if not pd.api.types.is_numeric_dtype(frame[name].dtype)
    )
    months = "; names of months are read in English" if has_words else ""
    return (
        "give --time with the column, or each of several that make the time together, and "
        f"--time-format, such as '%d/%m/%Y'{months}"
    )


def _refuse_mixed_offsets(cells: pd.Series, times: Times) -> None:
    """Refuse ISO 8601 times of which only some have an offset, as reading does."""
    if times.format is not None or pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return
    known = cells.dropna().astype("str")
    has_offset = known.str.contains(OFFSET) & known.str.contains(":")
    if has_offset.any() and not has_offset.all():
        raise DataError(
            f"column {times.column!r}: {known[has_offset].iloc[0]!r} has an offset and "
            f"{known[~has_offset].iloc[0]!r} has none; write all the same way"
        )


def candidates(frame: pd.DataFrame, column: str | None = None) -> list[Times]:
    """The columns that hold times, the likeliest first.

    Args:
        frame: the sample.
        column: the only one that is looked at; None: all.
    """
    names = [column] if column is not None else [str(name) for name in frame]
    given = column is not None
    found = [t for name in names if (t := times_of(frame, name, given=given)) is not None]
    return sorted(found, key=lambda times: _likelihood(times, frame), reverse=True)


def _if_some_are_none(frame: pd.DataFrame, column: str | None) -> str:
    """What to say of a column whose cells are times but for a few, such as a row of totals."""
    for name in [column] if column is not None else map(str, frame):
        cells = frame[name].dropna()
        if pd.api.types.is_numeric_dtype(cells.dtype) or len(cells) < _FEWEST_CELLS:
            continue
        text = cells.astype("str")
        patterns = text.str.replace(r"\d", "0", regex=True)
        is_odd = patterns.isin(_rare(patterns))
        if is_odd.any() and times_of(frame.loc[text.index[~is_odd]], name) is not None:
            odd = text[is_odd]
            return (
                f"column {name!r} does but for {odd.iloc[0]!r}, in {len(odd):,} of {len(text):,} rows; "
                "remove these rows"
            )
    return ""


def _rare(patterns: pd.Series) -> list[str]:
    """The patterns of few cells; none where the cells of such patterns are many together."""
    shares = patterns.value_counts(normalize=True)
    rare = shares[shares < _FEW]
    return list(rare.index) if rare.sum() < _FEW else []


def _if_spaced(frame: pd.DataFrame) -> str:
    """What to say of a table whose columns stand apart by spaces."""
    names = [str(name) for name in frame]
    if len(names) > 1 or len(names[0].split()) < 2:
        return ""
    return (
        "columns seem to stand apart by spaces, which part none here: write the table with commas "
        "between them"
    )


def _if_transposed(frame: pd.DataFrame) -> str:
    """What to say of a table whose columns are times."""
    named = [
        str(name) for name in frame if re.fullmatch(r"\D?\d{4}([-/_ ]?\d{1,2}){0,2}", str(name))
    ]
    if len(named) < 3:
        return ""
    return (
        f"columns are named by times ({', '.join(named[:3])}, …): exchange rows and columns, so that "
        "one row is one time, and use --wide"
    )


def _likelihood(times: Times, frame: pd.DataFrame) -> tuple[float, ...]:
    name = times.column.lower()
    by_name = next(
        (-i for i, known in enumerate(_NAMES) if known in re.split(r"[\W_]+", name)), -99
    )
    distinct = times.values.nunique() / max(1, len(times.values))
    return (float(_is_moving(times.values)), by_name, distinct, -list(frame).index(times.column))


def _is_moving(values: pd.Series) -> bool:
    """Whether there are several times."""
    return bool(values.nunique() > 2)


def times_of(frame: pd.DataFrame, name: str, *, given: bool = False) -> Times | None:
    """The times of a column; None where it holds none.

    Args:
        frame: the sample.
        name: of the column.
        given: whether it is known to hold times, so that its name need not say so.
    """
    cells = frame[name]
    known = cells.dropna()
    if known.empty:
        return None
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return Times(name, None, cells.dt.tz_convert("UTC").dt.tz_localize(None), has_zone=True)
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return Times(name, None, cells)
    if pd.api.types.is_bool_dtype(cells.dtype):
        return None
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return _numbers(cells, name, given=given)
    text = cells.astype("str").where(cells.notna())
    return _text(text, name)


def _numbers(cells: pd.Series, name: str, *, given: bool) -> Times | None:
    """Numbers as years, days, weeks, units since 1970, or days of spreadsheets."""
    known = cells.dropna()
    low, high = float(known.min()), float(known.max())
    if known.nunique() < 3:
        return None
    if low >= _FROM_DAY and high < _TO_DAY and (given or _OF_DAYS.search(name)):
        seconds = pd.to_timedelta((cells * 86_400).round(), unit="s")
        doubt = (
            f"time_format: numbers of {name!r} such as {known.iloc[0]:g} are read as days of "
            f"spreadsheets ({pd.Timestamp(EXCEL_FIRST_DAY) + seconds[known.index[0]]:%Y-%m-%d})"
        )
        return Times(name, EXCEL_DAYS, pd.Timestamp(EXCEL_FIRST_DAY) + seconds, doubts=(doubt,))
    if (known != np.floor(known)).any():
        return None
    for unit, per_second in EPOCH_UNITS.items():
        if FIRST_SECOND * per_second <= low and high < LAST_SECOND * per_second:
            return Times(name, unit, pd.to_datetime(cells / per_second, unit="s"))
    text = cells.map(lambda value: f"{value:.0f}", na_action="ignore")
    if low >= 1500 and high <= 2200 and (given or _OF_YEARS.search(name)):
        return Times(name, "%Y", pd.to_datetime(text, format="%Y", errors="coerce"))
    for written, digits in (("%Y%m%d", 8), ("%Y%m", 6)):
        if text.dropna().str.len().eq(digits).all():
            values = pd.to_datetime(text, format=written, errors="coerce")
            if values.notna().sum() == len(known) and values.dt.year.between(1800, 2200).all():
                return Times(name, written, values)
    of_week = text.dropna().str.fullmatch(r"(19|20)\d{2}(0[1-9]|[1-4]\d|5[0-3])").all()
    if of_week and (given or _OF_WEEKS.search(name)):
        values = pd.to_datetime(text + " 1", format="%G%V %u", errors="coerce")
        doubt = f"time_format: numbers of {name!r} such as {text.dropna().iloc[0]} are read as ISO weeks"
        if values.notna().sum() == len(known):
            return Times(name, "%G%V", values, doubts=(doubt,))
    of_year = text.dropna().str.fullmatch(r"(19|20)\d{2}(0\d\d|[12]\d\d|3[0-6]\d)").all()
    if of_year and (given or _OF_DAYS.search(name)):
        values = pd.to_datetime(text, format="%Y%j", errors="coerce")
        if values.notna().sum() == len(known):
            return Times(name, "%Y%j", values)
    return None


def _text(cells: pd.Series, name: str) -> Times | None:
    known = cells.dropna()
    if not known.head(_TRIED).str.contains(r"\d").all():
        return None
    if known.head(_TRIED).str.fullmatch(r"(1[5-9]|2[01])\d{2}").all():
        return Times(name, "%Y", pd.to_datetime(cells, format="%Y", errors="coerce"))
    if known.head(_TRIED).str.fullmatch(r"\d{1,6}|[+-]?\d*[.,]\d+").all():
        return None
    iso = _parsed(cells, "ISO8601")
    if iso is not None:
        has_zone = bool(known.head(_TRIED).str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all())
        return Times(name, None, iso, has_zone=has_zone)
    for day_first, month_first in DAY_OR_MONTH:
        first, second = _parsed(cells, day_first), _parsed(cells, month_first)
        if first is not None and second is not None:
            return _day_or_month(name, cells, {day_first: first, month_first: second})
        for written, values in ((day_first, first), (month_first, second)):
            if values is not None:
                return Times(name, written, values)
    if known.str.fullmatch(r"\d{4}-W\d{2}").all():
        values = pd.to_datetime(cells + "-1", format="%G-W%V-%u", errors="coerce")
        return Times(name, "%G-W%V", values)
    if known.head(_TRIED).str.contains(r"[qQ]\d|\d[qQ]").all():
        for written in USUAL_QUARTERS:
            if (values := quarters(cells.fillna(""), written)).notna().sum() == len(known):
                return Times(name, written, values)
    for written in USUAL_FORMATS:
        if (values := _parsed(cells, written)) is not None:
            return Times(name, written, values)
    return None


def _day_or_month(name: str, cells: pd.Series, read: dict[str, pd.Series]) -> Times:
    """Times that may begin with the day or with the month: those whose rows are evenly apart."""
    evenness = {written: _evenness(values) for written, values in read.items()}
    best = max(evenness, key=evenness.__getitem__)
    other = next(written for written in read if written != best)
    doubts: tuple[str, ...] = ()
    if evenness[best] < 0.8 or evenness[best] - evenness[other] < 0.2:
        cell = cells.dropna().iloc[0]
        doubts = (f"time_format: {cell!r} is read by {best!r}, and {other!r} fits as well",)
    return Times(name, best, read[best], doubts=doubts)


def _evenness(values: pd.Series) -> float:
    """Share of the steps between distinct times that are the commonest, counting months alike."""
    times = values.dropna().drop_duplicates().sort_values()
    if len(times) < 3:
        return 0.0
    steps = times.diff().dropna()
    months = (times.dt.year * 12 + times.dt.month).diff().dropna()
    same_day = times.dt.day.nunique() == 1
    of_months = float(months.value_counts(normalize=True).iloc[0]) if same_day else 0.0
    return max(float(steps.value_counts(normalize=True).iloc[0]), of_months)


def _parsed(cells: pd.Series, written: str) -> pd.Series | None:
    """All cells by a format; None where one is not of it. 24:00 is the end of a day."""
    ends = written == "ISO8601" or written.endswith(("%H:%M", "%H:%M:%S"))
    if ends and (after := cells.str.contains(r"[ T]24:00(?::00)?$").eq(True)).any():
        begins = _parsed(cells.str.replace(r"(?<=[ T])24(?=:00)", "00", regex=True), written)
        return None if begins is None else begins + pd.to_timedelta(after.astype("int64"), unit="D")
    for some in (cells.dropna().head(_TRIED), cells):
        values = pd.to_datetime(some, format=written, errors="coerce", utc=written == "ISO8601")
        if values.notna().sum() < some.notna().sum():
            return None
    return values.dt.tz_localize(None) if values.dt.tz is not None else values


def frequency_of(
    times: pd.Series, series: pd.Series | None
) -> tuple[str | None, float, str | None]:
    """The distance between rows as a pandas offset, the share of steps that have it, and a doubt.

    None where rows do not lie on one grid, as where the weeks of series end on different days.

    Args:
        times: of each row, ``(n,)``.
        series: label of each row's series; None for one series.
    """
    found, share, doubt = _commonest_step(times, series)
    if found is not None and (off := _off_grid(times, found)):
        why = f"{off:,} of {len(times):,} rows do not lie on the grid of {found}, so it is left out"
        return None, share, f"frequency: {why}; windows may then span gaps"
    return found, share, doubt


def _off_grid(times: pd.Series, frequency: str) -> int:
    """How many rows do not lie on the grid that most rows lie on."""
    from pandas.tseries.frequencies import to_offset
    from pandas.tseries.offsets import Day, Tick

    offset, known = to_offset(frequency), times.dropna()
    if isinstance(offset, (Tick, Day)):
        step = pd.Timedelta(days=offset.n) if isinstance(offset, Day) else pd.Timedelta(offset)
        phases = known.astype("datetime64[us]").astype("int64") % (step // pd.Timedelta("1us"))
        return int(len(known) - phases.value_counts().iloc[0])
    days = pd.DatetimeIndex(known.dt.normalize().unique())
    off = [day for day in days if not offset.is_on_offset(day)]
    return int(known.dt.normalize().isin(off).sum())


def _commonest_step(
    times: pd.Series, series: pd.Series | None
) -> tuple[str | None, float, str | None]:
    """See ``frequency_of``."""
    from pandas.tseries.frequencies import to_offset

    groups = [times] if series is None else [part for _, part in times.groupby(series, sort=False)]
    steps = [part.sort_values().drop_duplicates() for part in groups]
    diffs = pd.concat([part.diff().dropna() for part in steps])
    if diffs.empty:
        return None, 0.0, "frequency: no series has two rows"
    counts = diffs.value_counts(normalize=True)
    common, share = counts.index[0], float(counts.iloc[0])
    longest = max(steps, key=len)
    calendar = _calendar_frequency(longest)
    if calendar is not None:
        return calendar, _share_on(steps, calendar), None
    if common >= pd.Timedelta("1D") and common % pd.Timedelta("7D") == pd.Timedelta(0):
        weeks = common // pd.Timedelta("7D")
        day = longest.dt.day_name().str[:3].str.upper().value_counts().index[0]
        return f"{'' if weeks == 1 else weeks}W-{day}", share, None
    if common == pd.Timedelta("1D") and (longest.dt.day_of_week < 5).all() and len(longest) > 10:
        absent = sum(len(pd.bdate_range(s.iloc[0], s.iloc[-1])) - len(s) for s in steps if len(s))
        if absent:
            return "C", float((diffs <= pd.Timedelta("4D")).mean()), (
                f"frequency: 'C' (trading days, as rows follow each other) is assumed, for {absent:,} "
                "weekdays have no row; declare closed_days, so that holidays get no forecasts"
            )  # fmt: skip
        return "B", float((diffs <= pd.Timedelta("3D")).mean()), (
            "frequency: 'B' (weekdays) is assumed; declare closed_days if rows lack on holidays"
        )  # fmt: skip
    days = common // pd.Timedelta("1D")
    text = (
        f"{days}D" if common % pd.Timedelta("1D") == pd.Timedelta(0) else to_offset(common).freqstr
    )
    doubt = None if share > 0.8 else (
        f"frequency: only {share:.0%} of the rows follow the one before after {text}"
    )  # fmt: skip
    return text if text[0].isdigit() else f"1{text}", share, doubt


def _calendar_frequency(times: pd.Series) -> str | None:
    """The frequency of months, quarters and years that most steps have; None for another one."""
    days = times.dt.normalize()
    if not days.eq(times).all() or len(times) < 3:
        return None
    months = (times.dt.year * 12 + times.dt.month).to_numpy()
    step = int(np.median(np.diff(months)))
    if step not in (1, 3, 12) or (np.diff(months) == 0).any():
        return None
    starts, ends = bool(times.dt.is_month_start.all()), bool(times.dt.is_month_end.all())
    if not (starts or ends):
        return None
    kind = "S" if starts else "E"
    if step == 1:
        return f"M{kind}"
    month = times.dt.month_name().str[:3].str.upper().iloc[0]
    if step == 12:
        return f"Y{kind}-{month}"
    return f"Q{kind}-{month}"


def _share_on(steps: Sequence[pd.Series], frequency: str) -> float:
    """Share of the rows of all series that a frequency's range between first and last time holds."""
    expected = sum(
        len(pd.date_range(s.iloc[0], s.iloc[-1], freq=frequency)) for s in steps if len(s)
    )
    return sum(len(s) for s in steps) / max(1, expected)
