"""Look at a table and write settings for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from fastlstm.config.time_formats import EPOCH_UNITS, check_time_format, check_time_zone
from fastlstm.data.files import source_files
from fastlstm.data.joined_labels import joined_labels
from fastlstm.errors import ConfigError, DataError
from fastlstm.inspection.clock_changes import has_clock, with_clock_changes
from fastlstm.inspection.intervals import (
    Intervals,
    operation_of,
    proposed_intervals,
    why_no_feature,
)
from fastlstm.inspection.roles import (
    Roles,
    find_roles,
    find_series,
    horizon_of,
    labels_of_totals,
    look_back_of,
    missing_marks,
    names_in_numbers,
    numbers_parts,
    repeated_rows,
)
from fastlstm.inspection.sample import Sample, listed, read_sample, require_column
from fastlstm.inspection.settings_text import FILLED_ROWS, Found
from fastlstm.inspection.time_parts import given_times, times_in_parts
from fastlstm.inspection.times import Times, candidates, find_times, frequency_of, times_of
from fastlstm.inspection.wide_layout import SERIES, VALUE, are_alike, long_sample

# Names of months, and fewest columns named so whose rows are years.
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_FEWEST_MONTHS = 6
# Most whole numbers of a target that may be classes, and fewest rows of each on average.
_FEW_NUMBERS, _FEWEST_EACH = 5, 5
# Largest share of rows with the series and time of another one that are taken as mistakes.
_FEW_REPEATED = 0.25

# Asks a question with the possible answers; gives the chosen one.
Ask = Callable[[str, Sequence[str]], str]


def inspect_table(
    path: str, *, named: str | None = None, query: str | None = None, targets: Sequence[str] = (),
    time: str | Sequence[str] | None = None, time_format: str | None = None,
    series: str | Sequence[str] | None = None,
    time_zone: str | None = None,
    horizon: int | None = None, look_back: int | None = None, wide: bool = False,
    ask: Ask | None = None,
) -> Found:  # fmt: skip
    """What a config of a table holds.

    Args:
        path: a file, or a folder of them, of which the first is looked at.
        named: the source as the config names it; without it ``path``.
        query: SQL query that the config holds too.
        targets: what is to be forecast; without it a guess, or a question.
        time: the time column, or several that are joined by spaces; without it a guess.
        time_format: how times are written; without it a guess.
        series: the series column, or several that name series together; without it a guess.
        time_zone: IANA zone of times without an offset.
        horizon: rows to forecast.
        look_back: rows of past.
        wide: whether each column but the time is a series; without it columns are, whose names differ in
            a number alone, where no target is given.
        ask: asks what is not clear; None where nobody is there to answer.

    Raises:
        ConfigError: there is nothing at the path.
        DataError: the table cannot be read, or has no times.
    """
    if time_zone is not None:
        try:
            check_time_zone(time_zone)
        except ValueError as error:
            raise ConfigError(f"--time-zone: {error}") from None
    source = source_files(path, "auto")
    sample = read_sample(source.files[0])
    frame = sample.frame
    if frame.empty:
        raise DataError(f"{path}: holds no rows; give a table with rows")
    given_time = [time] if isinstance(time, str) else list(time or ())
    for name in given_time:
        require_column(frame, "--time", name)
    if not given_time:
        given_time = _asked_for_time(frame, ask)
    times = _asked_for_format(_times(frame, given_time, time_format), frame, ask)
    _refuse_absent_times(times, path)
    doubts = list(sample.dialect.doubts)
    of_time = (times.column, *times.parts)
    others = [name for name in map(str, frame) if name not in of_time]
    is_wide = wide or (not (targets or series) and are_alike(sample, others))
    if is_wide:
        if not wide:
            doubts.append(f"layout: columns are assumed to be series ({listed(others)})")
        sample, times = long_sample(sample, times, others)
        frame, series, targets = sample.frame, SERIES, [VALUE]
    sample, times, repeated = _without_repeated(sample, times)
    given = [series] if isinstance(series, str) else list(series or ())
    label = find_series(sample, times, given, targets)
    sample = _with_label(sample, label)
    frame = sample.frame
    times, in_order = with_clock_changes(
        times, time_zone, frame["/".join(label)] if label else None
    )
    arranged = _row_times(times, None if not label else frame["/".join(label)])
    frequency, intervals = arranged.frequency, arranged.intervals
    others = [n for n in map(str, frame) if n not in (*of_time, *label, "/".join(label))]
    if not targets:
        _refuse_months(others)
    targets = targets or _asked_for_targets(frame[others], ask)
    events = {}
    if intervals is not None and intervals.of_events:
        events = {n: why for n in others if n not in targets and (why := why_no_feature(sample, n))}
        if not targets and events.keys() == {*others}:
            # Nothing is measured, so that events themselves are counted.
            targets = [n for n in others if _is_number(frame[n])][:1]
            events = {n: why for n, why in events.items() if n not in targets}
    roles = find_roles(
        sample, times.column, [*times.parts, *(n for n in others if _holds_times(frame, n))], label,
        targets, events,
    )  # fmt: skip
    roles = _asked_for_classes(sample, roles, ask)
    doubts += [
        f"missing: {name} is empty in {roles.missing[name] / len(frame):.0%} of the rows, which counts "
        "as the class '(missing)'; set missing to drop where it means that the label is not known"
        for name in roles.empty_classes
    ]
    if intervals is not None:
        # Events that are written alike have happened twice, and means need no rule for them.
        repeated = 0
        doubts.append(_of_intervals(intervals, roles.targets))
    doubts += _doubts_of_values(sample, roles)
    doubts += _doubts_of_series(sample, roles, times)
    if repeated:
        doubts.append(f"keep: {repeated:,} rows stand twice, of which one is kept")
    repeated += arranged.repeated
    if arranged.repeated:
        key = "series and time" if label else "time"
        doubts.append(
            f"keep: {arranged.repeated:,} rows have the {key} of another, with other values; the last "
            "one is kept"
        )
    rows = sorted(arranged.rows)
    # Of many series the few shortest do not decide on horizon and look-back; they are left out.
    short = rows[len(rows) // 20]
    steps = horizon or horizon_of(frequency, short)
    past = look_back or look_back_of(frequency, steps, short)
    blocks = None if intervals else _usual_blocks(frame, times.values, roles, frequency)
    if (
        look_back is None
        and blocks is not None
        and past + steps > min(blocks[0], blocks[1] + steps)
    ):
        # Gaps such as weekends leave no window of two seasons, or none before the newest row.
        usual, last = blocks
        if horizon is None and 3 * steps > 2 * usual:
            steps = max(1, usual // 4)
        past = min(past, last, look_back_of(frequency, steps, max(usual, 2 * steps)))
        doubts.append(
            f"timesteps: gaps and missing values part the rows into blocks of about {usual:,}, of "
            f"which the newest have {last:,}, so {past} rows of past and {steps} to forecast are taken; "
            "set absent_rows and max_gap, or fill missing values"
        )
    doubts += [*times.doubts, *arranged.doubts]
    is_utc = times.has_zone or times.format in EPOCH_UNITS
    if not is_utc and time_zone is None and has_clock(times.values):
        doubts.append("time_zone: UTC is assumed for times without an offset")
    return Found(
        path=named or path,
        query=query,
        rows=len(frame),
        dialect=sample.dialect,
        times=times,
        time_zone=time_zone or "UTC",
        frequency=frequency,
        roles=roles,
        model_name=_model_name(named or path, roles.targets),
        is_label=any(name in roles.categories for name in roles.targets),
        horizon=steps,
        look_back=past,
        skips_short_series=rows[0] < past + steps,
        doubts=tuple(doubts),
        layout="wide" if is_wide else "long",
        keeps_last=repeated > 0,
        in_order=in_order,
        intervals=intervals,
    )


@dataclass(frozen=True)
class _RowTimes:
    """How the rows of series follow each other.

    Attributes:
        frequency: distance of rows, or None.
        intervals: what is made of rows without regular times, or None.
        rows: number of rows of each series.
        repeated: rows with the series and time of another one, of which the last is kept.
        doubts: what is not certain.
    """

    frequency: str | None
    intervals: Intervals | None
    rows: tuple[int, ...]
    repeated: int
    doubts: tuple[str, ...]


def _row_times(times: Times, groups: pd.Series | None) -> _RowTimes:
    """How rows follow each other, and what is done where they do not.

    Args:
        times: of the rows.
        groups: series of each row; None for one series.

    Raises:
        DataError: times repeat, and nothing says what their rows are.
    """
    values = times.values
    of_rows = pd.Series("", index=values.index) if groups is None else groups
    again = repeated_rows(values, of_rows)
    twice = int(again.sum())
    frequency, share, doubt = frequency_of(
        values[~again], None if groups is None else groups[~again]
    )
    if share < 0.5:
        frequency, doubt = None, doubt or "frequency: rows are not evenly apart"
    few = twice <= _FEW_REPEATED * len(values)
    if frequency is None or not few:
        intervals = proposed_intervals(values, groups)
        if intervals is not None:
            return _RowTimes(intervals.to, intervals, intervals.rows, 0, ())
    if not few:
        row = int(again.to_numpy().argmax())
        which = "" if groups is None else f"series {groups.iloc[row]!r}: "
        raise DataError(
            f"{which}time {values.iloc[row]} repeats, and no columns part its rows into series; give "
            "--series, several times where columns do so together; where rows of one time belong "
            "together, write a config with data.keep or data.resample"
        )
    counts = of_rows[~again].value_counts().tolist()
    return _RowTimes(frequency, None, tuple(counts), twice, (doubt,) if doubt else ())


def _usual_blocks(
    frame: pd.DataFrame, times: pd.Series, roles: Roles, frequency: str | None
) -> tuple[int, int] | None:
    """Rows without a gap: in the block of the median row, and usually at the end of a series.

    Args:
        frame: the rows.
        times: of each row.
        roles: of the columns, whose missing values are filled or dropped as in the config.
        frequency: distance of rows.

    Returns:
        None where rows follow a calendar and not a clock.
    """
    step = pd.NaT if frequency is None else pd.to_timedelta(frequency, errors="coerce")
    if step is pd.NaT:
        return None
    groups = frame[roles.series] if roles.series else pd.Series("", index=frame.index)
    rows = pd.DataFrame({"group": groups, "time": times})
    rows = rows.sort_values(["group", "time"], kind="stable")
    filled = [n for n in roles.missing if n not in (*roles.targets, *roles.categories)]
    dropped = [n for n in roles.targets if n in roles.missing and n not in roles.empty_classes]
    known = frame.loc[rows.index, [*filled, *dropped]]
    if filled:
        known[filled] = known[filled].groupby(rows["group"], sort=False).ffill(limit=FILLED_ROWS)
    rows = rows[known.notna().all(axis=1)].drop_duplicates()
    is_next = (rows["time"].diff() == step) & (rows["group"] == rows["group"].shift())
    block = (~is_next).cumsum()
    lengths = block.value_counts().sort_values(ascending=False)
    half = int((lengths.cumsum() >= len(rows) / 2).to_numpy().argmax())
    last = lengths.loc[block.groupby(rows["group"], sort=False).last()]
    return int(lengths.iloc[half]), int(last.median())


def _with_label(sample: Sample, names: Sequence[str]) -> Sample:
    """The sample with the label that several columns make in their place."""
    if len(names) < 2:
        return sample
    parts = [pa.chunked_array([pa.array(sample.frame[name])]) for name in names]
    labels = joined_labels(parts, names, "--series").to_pandas()
    if labels.isna().any():
        raise DataError(
            f"--series: {', '.join(names)} are empty in a row; fill them, or name others"
        )
    frame = sample.frame.drop(columns=list(names))
    return replace(sample, frame=frame.assign(**{"/".join(names): labels.to_numpy()}))


def _of_intervals(intervals: Intervals, targets: Sequence[str]) -> str:
    """What is doubted of rows that are made."""
    if intervals.of_events:
        what = ", ".join(f"{operation_of(n, targets, of_events=True)} of {n}" for n in targets)
        return (
            f"resample: rows have no regular times and are taken as single events: {what} by "
            f"{intervals.to}, 0 where there are none; change resample if they are measurements"
        )
    return f"resample: rows have no regular times; their means by {intervals.to} are taken"


def _times(frame: pd.DataFrame, time: Sequence[str], time_format: str | None) -> Times:
    """The time column, or the columns that are joined to it.

    Raises:
        ConfigError: the format is none, or it is not said which column it is of.
        DataError: there are no such times.
    """
    if time_format is not None:
        if not time:
            raise ConfigError("--time-format: give --time with the column that is written so, too")
        try:
            check_time_format(time_format)
        except ValueError as error:
            raise ConfigError(f"--time-format: {error}") from None
        return given_times(frame, time, time_format)
    if len(time) > 1:
        some = frame[list(time)]
        found = candidates(some)
        in_parts = times_in_parts(some, found[0] if found else None)
        if in_parts is None or {*in_parts.parts} != {*time}:
            raise DataError(
                f"--time: it is not clear how {', '.join(time)} make a time; give --time-format with a "
                "space between their parts, such as '%Y %m'"
            )
        return in_parts
    if not time:
        found = candidates(frame)
        best = found[0] if found else None
        if best is None or best.format == "%Y" or best.values.duplicated().any():
            in_parts = times_in_parts(frame, best)
            # A time stamp that says as much is better than its parts, which may lack the offset.
            if in_parts is not None and (
                best is None or in_parts.values.nunique() > best.values.nunique()
            ):
                return in_parts
    return find_times(frame, time[0] if time else None)


def _refuse_absent_times(times: Times, path: str) -> None:
    """Refuse rows without a time, such as those of totals.

    Raises:
        DataError: names the first one.
    """
    absent = times.values.isna()
    if absent.any():
        row = int(absent.to_numpy().argmax()) + 1
        raise DataError(
            f"{path}: {int(absent.sum()):,} of {len(absent):,} rows have no time in {times.column!r}, "
            f"the first is row {row:,} below the header; remove these rows, or give them a time"
        )


def _without_repeated(sample: Sample, times: Times) -> tuple[Sample, Times, int]:
    """The sample without rows that another one equals in all columns, and how many these are."""
    again = sample.frame.duplicated()
    if not again.any():
        return sample, times, 0
    kept = sample.frame[~again].reset_index(drop=True)
    values = times.values[~again].reset_index(drop=True)
    return replace(sample, frame=kept), replace(times, values=values), int(again.sum())


def _doubts_of_values(sample: Sample, roles: Roles) -> list[str]:
    """What values may mean instead: missing ones, classes, or times of a day."""
    doubts, frame = [], sample.frame
    numbers = [n for n in roles.features if n not in roles.categories and _is_number(frame[n])]
    for name in numbers:
        doubts += [
            f"na_values: {mark} stands in {name!r} far from all other values; where it means "
            "'missing', add it to na_values as it is written"
            for mark in missing_marks(frame[name])
        ]
    doubts += [
        f"LSTM_type: {name!r} holds {frame[name].nunique()} whole numbers alone and is forecast as a "
        "quantity; where they are classes, set LSTM_type to classifier"
        for name in _few_numbers(sample, [n for n in roles.targets if n in numbers])
    ]
    doubts += [
        f"columns: numbers of {name!r} are taken as quantities; where they are names, set its dtype to "
        "category"
        for name in names_in_numbers(sample, [n for n in numbers if n not in roles.targets])
    ]
    return doubts


def _doubts_of_series(sample: Sample, roles: Roles, times: Times) -> list[str]:
    """What labels of series may mean instead: parts of the time, or sums of other series."""
    if roles.series is None:
        return []
    labels, doubts = sample.frame[roles.series], []
    if totals := labels_of_totals(labels):
        doubts.append(
            f"series: {listed(map(repr, totals))} may be the sum of other series; leave its rows out "
            "where it is"
        )
    if roles.series_parts:
        return doubts
    if numbers_parts(labels, of_a_year=False):
        doubts.append(
            f"series: {roles.series!r} counts rows of a day and is taken to name series; where it is "
            "a part of the time, make one column of both"
        )
    if times.format == "%Y" and numbers_parts(labels, of_a_year=True):
        doubts.append(
            f"series: {roles.series!r} counts parts of a year and is taken to name series; where it is "
            f"the month, give --time {times.column!r} --time {roles.series!r} --time-format '%Y %m'"
        )
    return doubts


def _asked_for_classes(sample: Sample, roles: Roles, ask: Ask | None) -> Roles:
    """The roles, with targets that the one who is asked calls classes among the categories."""
    if ask is None:
        return roles
    may_be = [n for n in roles.targets if n not in roles.categories]
    classes = [
        name for name in _few_numbers(sample, may_be)
        if ask(f"What does {name!r} hold?", ["classes", "quantities"]) == "classes"
    ]  # fmt: skip
    return replace(roles, categories=(*roles.categories, *classes)) if classes else roles


def _few_numbers(sample: Sample, names: Sequence[str]) -> list[str]:
    """Columns of so few whole numbers, each in several rows, that they may be classes."""
    counts = {n: sample.frame[n].nunique() for n in names if n in sample.whole_numbers}
    rows = len(sample.frame)
    return [n for n, count in counts.items() if count <= min(_FEW_NUMBERS, rows // _FEWEST_EACH)]


def _refuse_months(names: Sequence[str]) -> None:
    """Refuse a table whose rows are years and whose columns are months.

    Raises:
        DataError: says what to write instead.
    """
    months = [n for n in names if re.fullmatch(_MONTH, n, re.IGNORECASE)]
    if len(months) >= _FEWEST_MONTHS:
        raise DataError(
            f"columns are named by months ({', '.join(months[:3])}, …), so that a row holds a year; "
            "write a row for each month, with year and month in columns of their own, or give --target "
            "for one of them"
        )


def _asked_for_time(frame: pd.DataFrame, ask: Ask | None) -> list[str]:
    """The time column, by the one who is asked where several hold different times."""
    if ask is None:
        return []
    found = [times for times in candidates(frame) if times.values.nunique() > 2]
    if len(found) < 2 or found[0].values.duplicated().any():
        return []
    return [
        ask("Which column holds the times of the rows?", [times.column for times in found][::-1])
    ]


def _asked_for_format(times: Times, frame: pd.DataFrame, ask: Ask | None) -> Times:
    """Times whose day and month could be exchanged, as the one who is asked says."""
    doubt = next((d for d in times.doubts if d.startswith("time_format: ")), None)
    if doubt is None or ask is None or times.format is None:
        return times
    other = times.format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
    cell = frame[times.column].dropna().iloc[0]
    chosen = ask(f"How is the time {cell!r} written?", [other, times.format])
    values = pd.to_datetime(frame[times.column], format=chosen)
    return Times(times.column, chosen, values, times.has_zone,
                 tuple(d for d in times.doubts if d != doubt))  # fmt: skip


def _asked_for_targets(frame: pd.DataFrame, ask: Ask | None) -> list[str]:
    """The column that is to be forecast, by the one who is asked; none where nobody is."""
    numbers = [str(n) for n in frame if _is_number(frame[n])]
    if ask is None or len(numbers) < 2:
        return []
    return [ask("Which column is to be forecast?", numbers)]


def _is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers."""
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _holds_times(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column of text or time stamps holds times; numbers may mean anything."""
    is_number = pd.api.types.is_numeric_dtype(frame[name].dtype)
    return not is_number and times_of(frame, name) is not None


def _model_name(path: str, targets: Sequence[str]) -> str:
    """A name of the table and what is forecast, of letters and digits of any script."""
    stem = Path(path.rstrip("/")).name.split(".")[0]
    words = re.findall(r"\w+", f"{stem} {targets[0] if targets else ''}".replace("_", " "))
    return "-".join(dict.fromkeys(word.lower() for word in words))[:60] or "model"
