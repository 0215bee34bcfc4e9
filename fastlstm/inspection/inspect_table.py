"""Look at a table and write settings for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fastlstm.config.time_formats import check_time_zone
from fastlstm.data.files import source_files
from fastlstm.errors import ConfigError, DataError
from fastlstm.inspection.roles import find_roles, find_series, horizon_of, look_back_of
from fastlstm.inspection.sample import Sample, listed, read_sample, require_column
from fastlstm.inspection.settings_text import Found
from fastlstm.inspection.time_parts import times_in_parts
from fastlstm.inspection.times import Times, candidates, find_times, frequency_of, times_of
from fastlstm.inspection.wide_layout import SERIES, VALUE, are_alike, long_sample

# Asks a question with the possible answers; gives the chosen one.
Ask = Callable[[str, Sequence[str]], str]


def inspect_table(
    path: str, *, named: str | None = None, query: str | None = None, targets: Sequence[str] = (),
    time: str | None = None, series: str | None = None, time_zone: str | None = None,
    horizon: int | None = None, look_back: int | None = None, wide: bool = False,
    ask: Ask | None = None,
) -> Found:  # fmt: skip
    """What a config of a table holds.

    Args:
        path: a file, or a folder of them, of which the first is looked at.
        named: the source as the config names it; without it ``path``.
        query: SQL query that the config holds too.
        targets: what is to be forecast; without it a guess, or a question.
        time: the time column; without it a guess.
        series: the series column; without it a guess.
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
    if time is not None:
        require_column(frame, "--time", time)
    times = _asked_for_format(_times(frame, time), frame, ask)
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
    if repeated:
        doubts.append(f"keep: {repeated:,} rows stand twice, of which one is kept")
    frame = sample.frame
    label = find_series(sample, times.column, times.values, series)
    groups = None if label is None else frame[label]
    frequency, share, doubt = frequency_of(times.values, groups)
    if share < 0.5:
        frequency, doubt = None, doubt or "frequency: rows are not evenly apart"
    others = [n for n in map(str, frame) if n not in (*of_time, label)]
    roles = find_roles(
        sample, times.column, [*times.parts, *(n for n in others if _holds_times(frame, n))], label,
        targets or _asked_for_targets(frame[others], ask),
    )  # fmt: skip
    rows = sorted([len(frame)] if groups is None else groups.value_counts().tolist())
    # Of many series the few shortest do not decide on horizon and look-back; they are left out.
    short = rows[len(rows) // 20]
    steps = horizon or horizon_of(frequency, short)
    past = look_back or look_back_of(frequency, steps, short)
    doubts += [*times.doubts, *([doubt] if doubt else [])]
    if not times.has_zone and time_zone is None and _has_clock(times.values):
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
    )


def _times(frame: pd.DataFrame, time: str | None) -> Times:
    """The time column, or the columns that are joined to it."""
    if time is None:
        found = candidates(frame)
        best = found[0] if found else None
        if best is None or best.format == "%Y" or best.values.duplicated().any():
            in_parts = times_in_parts(frame, best)
            if in_parts is not None:
                return in_parts
    return find_times(frame, time)


def _without_repeated(sample: Sample, times: Times) -> tuple[Sample, Times, int]:
    """The sample without rows that another one equals in all columns, and how many these are."""
    again = sample.frame.duplicated()
    if not again.any():
        return sample, times, 0
    kept = sample.frame[~again].reset_index(drop=True)
    values = times.values[~again].reset_index(drop=True)
    return replace(sample, frame=kept), replace(times, values=values), int(again.sum())


def _asked_for_format(times: Times, frame: pd.DataFrame, ask: Ask | None) -> Times:
    """Times whose day and month could be exchanged, as the one who is asked says."""
    doubt = next((d for d in times.doubts if d.startswith("time_format: ")), None)
    if doubt is None or ask is None or times.format is None:
        return times
    other = times.format.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
    cell = frame[times.column].dropna().iloc[0]
    chosen = ask(f"How is the time {cell!r} written?", [times.format, other])
    values = pd.to_datetime(frame[times.column], format=chosen)
    return Times(times.column, chosen, values, times.has_zone,
                 tuple(d for d in times.doubts if d != doubt))  # fmt: skip


def _asked_for_targets(frame: pd.DataFrame, ask: Ask | None) -> list[str]:
    """The column that is to be forecast, by the one who is asked; none where nobody is."""
    numbers = [str(n) for n in frame if pd.api.types.is_numeric_dtype(frame[n].dtype)]
    if ask is None or len(numbers) < 2:
        return []
    return [ask("Which column is to be forecast?", numbers)]


def _holds_times(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column of text or time stamps holds times; numbers may mean anything."""
    is_number = pd.api.types.is_numeric_dtype(frame[name].dtype)
    return not is_number and times_of(frame, name) is not None


def _has_clock(times: pd.Series) -> bool:
    """Whether times are more than dates."""
    return bool((times.dropna() != times.dropna().dt.normalize()).any())


def _model_name(path: str, targets: Sequence[str]) -> str:
    """A name of the table and what is forecast, of letters and digits of any script."""
    stem = Path(path.rstrip("/")).name.split(".")[0]
    words = re.findall(r"\w+", f"{stem} {targets[0] if targets else ''}".replace("_", " "))
    return "-".join(dict.fromkeys(word.lower() for word in words))[:60] or "model"
