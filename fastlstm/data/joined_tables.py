"""Tables that are joined to rows by series and time, never with a value of a later time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.config.data import DataConfig
from fastlstm.config.dialect import Dialect
from fastlstm.config.joins import Join
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.column_types import as_names, as_numbers
from fastlstm.data.file_formats import first_row, read_columns, read_values
from fastlstm.data.joined_labels import joined_labels, label_of, label_parts
from fastlstm.data.known_future import is_ahead
from fastlstm.data.labels import as_labels
from fastlstm.data.source_content import files_of_join
from fastlstm.data.time_stamps import TimeRules, as_utc
from fastlstm.errors import DataError


@dataclass(frozen=True)
class JoinedTable:
    """One table of ``data.joins``.

    Attributes:
        join: its settings.
        where: its place in the settings and its file, for messages.
        frame: ``__series`` and ``__time`` as far as rows are found by them, and its columns by the names
            that they have in the rows.
    """

    join: Join
    where: str
    frame: pd.DataFrame

    @property
    def keys(self) -> list[str]:
        """Columns that rows are found by."""
        return [name for name in (SERIES, TIME) if name in self.frame]


def read_joined(data: DataConfig, values: list[str]) -> list[JoinedTable]:
    """The joined tables that hold one of some value columns.

    Raises:
        ConfigError: a file is absent.
        DataError: a file, column or cell cannot be read, or two rows have one key.
    """
    return [
        _read(number, join, data)
        for number, join in enumerate(data.joins)
        if {*join.columns} & {*values}
    ]


def _read(number: int, join: Join, data: DataConfig) -> JoinedTable:
    """One joined table."""
    where = f"data.joins.{number} ({Path(join.path).name})"
    settings = _settings(join, data)
    parts = []
    for file in files_of_join(number, join):
        taken = list(join.columns.values())
        if join.time is not None:
            columns = read_columns(file, settings, taken)
        else:
            columns = _with_label(
                read_values(file, settings, [*join.series_names, *taken]), join, str(file.path)
            )
        first = first_row(file, settings)
        table: dict[str, Any] = {}
        if join.time is not None:
            rules = TimeRules(
                f"{file.path}: time column {join.time!r}", first, join.time_format, data.time_zone,
                None, f"data.joins.{number}.",
            )  # fmt: skip
            table[TIME] = as_utc(next(columns), rules)
        if join.series is not None:
            label = f"{file.path}: series column {join.series!r}"
            table = {SERIES: as_labels(next(columns), label, first), **table}
        for name, there in join.columns.items():
            if data.rules(name).dtype == "category":
                table[name] = as_names(next(columns), there, file.path)
            else:
                table[name] = as_numbers(next(columns), there, file.path, settings, first)
        parts.append(pd.DataFrame(table))
    found = JoinedTable(join, where, pd.concat(parts, ignore_index=True))
    _refuse_repeated(found)
    if join.known_after is not None:
        found.frame[TIME] += pd.Timedelta(join.known_after)
    return found


def _settings(join: Join, data: DataConfig) -> DataConfig:
    """Settings by which the joined table is read."""
    there = list(join.columns.values())
    written = {name: getattr(join, name) for name in Dialect.model_fields}
    return DataConfig.model_validate({
        **written,
        "path": join.path, "format": join.format, "series": join.series,
        "series_parts": join.series_parts,
        "time": join.time or "\0", "time_columns": join.time_columns, "features": there,
        "targets": there[:1], "calendar": [],
        "columns": {old: data.rules(new).model_dump(exclude_unset=True)
                    for new, old in join.columns.items()},
    })  # fmt: skip


def _with_label(
    columns: Iterator[pa.ChunkedArray], join: Join, where: str
) -> Iterator[pa.ChunkedArray]:
    """Columns with one of labels in place of those that name a series together."""
    if join.series_parts:
        parts = [next(columns) for _ in join.series_parts]
        yield joined_labels(parts, join.series_parts, where)
    yield from columns


def _labels_there(labels: pd.Series, join: Join, data: DataConfig) -> pd.Series:
    """The label by which the joined table knows each row's series: some of its parts, or all."""
    names = join.series_names
    if len(names) in (0, len(data.series_parts)) or not data.series_parts:
        return labels
    chosen = [data.series_parts.index(name) for name in names]
    found = {}
    for label in labels.unique():
        parts = label_parts(label)
        found[label] = label_of([parts[number] for number in chosen])
    return labels.map(found).astype("str")


def _refuse_repeated(table: JoinedTable) -> None:
    """Refuse rows of one key.

    Raises:
        DataError: names the first.
    """
    again = table.frame.duplicated(table.keys)
    if again.any():
        first = table.frame[table.keys].iloc[int(again.to_numpy().argmax())]
        shown = " at ".join(map(str, first))
        raise DataError(
            f"{table.where}: {int(again.sum()):,} rows have the same {_key_text(table)} as another, "
            f"first {shown}; keep one row of each"
        )


def _key_text(table: JoinedTable) -> str:
    names = {SERIES: "series", TIME: "time"}
    return " and ".join(names[key] for key in table.keys)


def with_joined(
    frame: pd.DataFrame, tables: list[JoinedTable], data: DataConfig
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows with the columns of joined tables, and those without a match by table.

    Args:
        frame: rows sorted by series and time.
        tables: see ``read_joined``.
        data: the settings.

    Raises:
        DataError: rows have no match, and a column's rule for missing values is 'error'.
    """
    frame = _with_future_rows(frame, tables, data)
    unmatched: dict[str, int] = {}
    own = [str(name) for name in frame if name not in (SERIES, TIME)]
    ahead = _are_future(frame, own, data)
    for table in tables:
        labels = _labels_there(frame[SERIES], table.join, data)
        rows = _matches(frame[[TIME]].assign(**{SERIES: labels}), table)
        columns = [str(name) for name in table.frame if name not in (SERIES, TIME)]
        for name in columns:
            values = table.frame[name].reindex(rows).reset_index(drop=True)
            frame[name] = values.to_numpy() if values.dtype == float else values
            if ahead.any() and name not in data.known_columns:
                # What is measured is not known of rows to forecast, whatever the table says.
                frame.loc[ahead, name] = np.nan
        lost = (rows < 0) & ~ahead
        if lost.any():
            unmatched[table.where] = int(lost.sum())
            _refuse_unmatched(frame, table, lost, labels, columns, data)
    return frame, unmatched


def _matches(frame: pd.DataFrame, table: JoinedTable) -> np.ndarray:
    """The row of the joined table for each row, -1 where there is none, ``(n,)``."""
    there = table.frame
    if table.join.as_of is not None:
        left = frame[[TIME]].assign(row=np.arange(len(frame)))
        right = there[[TIME]].assign(found=np.arange(len(there)))
        by = [SERIES] if SERIES in table.keys else []
        for key in by:
            left[key], right[key] = frame[key], there[key]
        merged = pd.merge_asof(
            left.sort_values(TIME, kind="stable"), right.sort_values(TIME, kind="stable"), on=TIME,
            by=by or None, tolerance=pd.Timedelta(table.join.as_of),
        ).sort_values("row")  # fmt: skip
        return merged["found"].fillna(-1).to_numpy(np.int64)
    if len(table.keys) == 1:
        key = table.keys[0]
        return np.asarray(pd.Index(there[key]).get_indexer(pd.Index(frame[key])))
    index = pd.MultiIndex.from_frame(there[table.keys])
    return np.asarray(index.get_indexer(pd.MultiIndex.from_frame(frame[table.keys])))


def _refuse_unmatched(
    frame: pd.DataFrame, table: JoinedTable, lost: np.ndarray, labels: pd.Series,
    columns: list[str], data: DataConfig,
) -> None:  # fmt: skip
    """Refuse rows without a match where a column must have a value.

    Raises:
        DataError: counts them and names the first.
    """
    strict = [name for name in columns if data.rules(name).missing == "error"]
    if not strict:
        return
    row = int(lost.argmax())
    series = f"series {frame[SERIES].iloc[row]!r} at " if SERIES in frame and data.series else ""
    rules = " and ".join(f"data.columns.{name}.missing" for name in strict)
    # A value of each series has no row before it that another one could be filled from.
    remedy = f"set {rules} to 'drop'" + (" or 'forward_fill'" if TIME in table.keys else "")
    if TIME in table.keys and table.join.as_of is None:
        remedy += ", or as_of and known_after there to take the last known value"
    raise DataError(
        f"{table.where}: {int(lost.sum()):,} of {len(frame):,} rows have no match by "
        f"{_key_text(table)}, first {series}{frame[TIME].iloc[row]}"
        f"{_other_spelling(labels[lost], table)}; complete that table, or {remedy}"
    )


def _other_spelling(labels: pd.Series, table: JoinedTable) -> str:
    """How the joined table names its series, where it knows none of those that have no match.

    Args:
        labels: by which rows without a match look for their series, ``(n,)``.
        table: the joined table.
    """
    if SERIES not in table.keys or table.frame.empty:
        return ""
    absent = sorted({*labels.unique()} - {*table.frame[SERIES]})
    if not absent:
        return ""
    known = {str(name).strip().casefold(): str(name) for name in table.frame[SERIES].unique()}
    for name in absent:
        alike = known.get(str(name).strip().casefold())
        if alike is not None:
            return f" (that table has {alike!r}: write {name!r} in the same way in both)"
    some = ", ".join(map(repr, sorted(known.values())[:3]))
    return f" (that table has no series {absent[0]!r}, but {some})"


def _are_future(frame: pd.DataFrame, own: list[str], data: DataConfig) -> np.ndarray:
    """Rows that have not happened, by the columns that are not joined, ``(n,)``."""
    return is_ahead(frame, data, own) if own else np.zeros(len(frame), bool)


def _with_future_rows(
    frame: pd.DataFrame, tables: list[JoinedTable], data: DataConfig
) -> pd.DataFrame:
    """Rows with those to forecast that joined tables know, after the last one of each series."""
    ahead = [*data.known_future, *data.known_ahead]
    of_future = [t for t in tables if TIME in t.keys and t.join.as_of is None
                 and {*t.join.columns} & {*ahead}]  # fmt: skip
    if not of_future or frame.empty:
        return frame
    last = frame.groupby(SERIES, sort=True)[TIME].max()
    found = []
    for table in of_future:
        keys = table.frame[table.keys]
        series = pd.Series(last.index.to_numpy(), dtype="str")
        if SERIES not in keys:
            keys = keys.merge(pd.DataFrame({SERIES: series}), how="cross")
        else:
            there = pd.DataFrame({"there": _labels_there(series, table.join, data), "own": series})
            keys = keys.rename(columns={SERIES: "there"}).merge(there, on="there")
            keys = keys.rename(columns={"own": SERIES})[[SERIES, TIME]]
        keys = keys[keys[SERIES].isin(last.index)]
        found.append(keys[keys[TIME] > keys[SERIES].map(last)][[SERIES, TIME]])
    # Where several tables know of later rows, those are added that all of them know.
    later = reduce(lambda one, other: one.merge(other, on=[SERIES, TIME]), found)
    if later.empty:
        return frame
    later[SERIES] = later[SERIES].astype(frame[SERIES].dtype)
    whole = pd.concat([frame, later.drop_duplicates()], ignore_index=True)
    return whole.sort_values([SERIES, TIME], kind="stable", ignore_index=True)
