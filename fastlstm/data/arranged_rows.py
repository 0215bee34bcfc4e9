"""The rows of series as settings want them: joined, without repeated rows, resampled, completed.

Everything is done series by series, so that the shards of a table give what the table gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.absent_rows import with_absent_rows
from fastlstm.data.clock_grid import rounded
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.joined_tables import read_joined, with_joined
from fastlstm.data.resampling import resampled
from fastlstm.data.time_grid import microseconds
from fastlstm.data.wide_tables import without_empty_ends

# What is done to rows, by the name under which it is counted.
_TEXTS = {
    "snapped": "times were moved to a multiple of {snap}",
    "repeated": "rows of the series and time of another were left out (keep: {keep})",
    "resampled": "rows were made rows of {to}",
    "unfinished": "intervals that may not be over at the newest row were left out",
    "added": "absent rows were added (absent_rows: {absent})",
}
_UNMATCHED = "unmatched:"


@dataclass
class Arranged:
    """Rows as settings want them.

    Attributes:
        frame: sorted by series and time.
        counts: what was done, see ``arrangement_lines``.
    """

    frame: pd.DataFrame
    counts: Counter[str] = field(default_factory=Counter)


def is_arranged(data: DataConfig) -> bool:
    """Whether rows differ from those of the source."""
    return data.arranges or bool(data.joins) or data.layout == "wide"


def newest_row(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> pd.Timestamp | None:
    """Time of the newest row that has happened; None without one.

    Args:
        frame: rows of a table, in any order.
        data: the settings.
        values: value columns of the source.
    """
    observed = [name for name in values if name not in data.known_columns and name in frame]
    times = frame[TIME]
    if observed:
        times = times[frame[observed].notna().any(axis=1)]
    return None if times.empty else times.max()


class NewestRow:
    """Finds the newest row of a table while its blocks pass.

    Attributes:
        time: its time; None before there is one.
    """

    def __init__(self, data: DataConfig) -> None:
        self._data = data
        self.time: pd.Timestamp | None = None

    def of(self, blocks: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The blocks as they are."""
        for block in blocks:
            names = [str(name) for name in block if name not in (SERIES, TIME)]
            found = newest_row(block, self._data, names)
            if found is not None and (self.time is None or found > self.time):
                self.time = found
            yield block

    @property
    def text(self) -> str | None:
        """Its time as ISO 8601."""
        return None if self.time is None else self.time.isoformat()


def arranged(
    frame: pd.DataFrame, data: DataConfig, values: list[str], newest: pd.Timestamp | None = None
) -> Arranged:
    """Join tables to rows, leave out repeated rows, resample and complete them.

    Args:
        frame: whole series as read, sorted by series and time.
        data: the settings.
        values: value columns wanted, those of joined tables among them.
        newest: time of the newest row of the table, of which the rows may be one shard.

    Raises:
        ConfigError: a joined file is absent.
        DataError: a joined table cannot be read, or rows have no match in it.
    """
    found = Arranged(frame)
    if not is_arranged(data) or frame.empty:
        return found
    own = data.own_columns(values)
    newest = newest or newest_row(frame, data, own)
    if data.layout == "wide":
        found.frame = without_empty_ends(found.frame, data.own_columns(data.value_columns)[0])
    if data.snap is not None:
        _snap(found, data)
    _keep_one(found, data, own)
    tables = read_joined(data, values)
    if tables:
        found.frame, unmatched = with_joined(found.frame, tables, data)
        found.counts.update({f"{_UNMATCHED}{where}": n for where, n in unmatched.items()})
    found.frame = found.frame[[SERIES, TIME, *values]]
    if data.resample is not None and newest is not None:
        found.counts["resampled"] = len(found.frame)
        found.frame, found.counts["unfinished"] = resampled(found.frame, data, values, newest)
    if data.absent_rows != "gap" and len(found.frame):
        found.frame, found.counts["added"] = with_absent_rows(found.frame, data, values)
    return found


def _snap(found: Arranged, data: DataConfig) -> None:
    """Round the times."""
    times = microseconds(found.frame[TIME])
    moved = rounded(times, str(data.snap), data.time_zone)
    found.counts["snapped"] = int((moved != times).sum())
    stamps = pd.DatetimeIndex(moved.view("datetime64[us]")).tz_localize("UTC")
    found.frame = found.frame.assign(**{TIME: stamps})


def _keep_one(found: Arranged, data: DataConfig, values: list[str]) -> None:
    """Keep one row of each series and time."""
    frame = found.frame
    if data.keep == "error":
        return
    again = frame.duplicated([SERIES, TIME])
    if not again.any():
        return
    found.counts["repeated"] = int(again.sum())
    if data.keep in ("first", "last"):
        found.frame = frame.drop_duplicates([SERIES, TIME], keep=data.keep, ignore_index=True)
        return
    several = frame.duplicated([SERIES, TIME], keep=False)
    groups = frame[several].groupby([SERIES, TIME], sort=False)
    is_number = {name: pd.api.types.is_float_dtype(frame[name].dtype) for name in values}
    means = groups.agg({name: "mean" if is_number[name] else "last" for name in values})
    whole = pd.concat([frame[~several], means.reset_index()], ignore_index=True)
    found.frame = whole.sort_values([SERIES, TIME], kind="stable", ignore_index=True)


def arrangement_lines(counts: Mapping[str, int], data: DataConfig) -> list[tuple[str, int]]:
    """What was done to rows, in sentences, each with its number of rows.

    Args:
        counts: see ``Arranged``; those of shards add up.
        data: the settings.
    """
    to = "" if data.resample is None else data.resample.to
    absent = data.absent_rows if isinstance(data.absent_rows, str) else "by column"
    lines = []
    for key, number in counts.items():
        if not number:
            continue
        if key.startswith(_UNMATCHED):
            text = f"rows have no match in {key.removeprefix(_UNMATCHED)}"
        else:
            text = _TEXTS[key].format(snap=data.snap, keep=data.keep, to=to, absent=absent)
        lines.append((f"{number:,} {text}", number))
    return lines
