"""Features and targets as users hold them in a notebook, checked and sorted into one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.api.column_rules import require_rules
from fastlstm.api.containers import IndexLevels, arrow_column, as_pandas, levels_of
from fastlstm.api.row_times import utc_times, zone_of
from fastlstm.config.calendar import Holidays, check_frequency
from fastlstm.config.categories import indicators
from fastlstm.config.closed_days import ClosedDays
from fastlstm.config.column_roles import RESERVED_PREFIX
from fastlstm.config.columns import ColumnRules
from fastlstm.config.known_future import shifted_columns
from fastlstm.config.time_formats import check_time_format, check_time_zone
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.findings import Finding
from fastlstm.data.labels import as_labels
from fastlstm.data.split import SplitCuts, part_of_rows
from fastlstm.data.tables import with_columns
from fastlstm.data.time_grid import (
    contiguous_blocks,
    fitting_frequency,
    grid_positions,
    microseconds,
)
from fastlstm.errors import ConfigError, DataError


@dataclass(frozen=True)
class RowSettings:
    """What describes the rows of features and targets.

    Attributes:
        series: group label of each row, ``(n,)``; None for one series.
        time: time of each row, ``(n,)``; None for a DatetimeIndex of the features, or row numbers.
        sample_weight: weight of each row in the loss, ``(n,)``; None for equal weights.
        frequency: distance between rows as a pandas offset; a missing row then ends a contiguous
            block.
        time_zone: IANA zone of times without one, and in which days and months of ``frequency`` begin;
            None for the zone that the times have, or UTC.
        target_lookahead: number of rows after its own that a target's value depends on; such targets
            may be missing.
        known_ahead: known future covariates by name, and how many rows ahead each is known.
        season_length: rows in a season for the seasonal naive baseline; None for the season of
            ``frequency`` that the train rows show.
        known_future: known future covariates, known for every row to forecast.
        calendar: parts of the time that are known of every row to forecast; 'auto': those that
            ``frequency`` and the length of the train rows make learnable.
        holidays: whose public holidays are known of every row to forecast.
        time_format: how ``time`` is written; see ``fastlstm.config.data.DataConfig``.
        closed_days: days without rows of frequency 'B' or 'C'; see there.
        categories: of each text column, in order; those that are not known are learned from train rows.
        columns: type and valid range of columns; those of dtype 'category' are names.
        clip_forecasts: whether forecasts keep to the range of their target.
        round_forecasts: whether those of integers are rounded.

    Raises:
        ConfigError: a number of rows is out of range, or a time setting is unknown.
    """

    series: Any = None
    time: Any = None
    sample_weight: Any = None
    frequency: str | None = None
    time_zone: str | None = None
    target_lookahead: int = 0
    known_ahead: Mapping[str, int] = field(default_factory=dict)
    season_length: int | None = None
    known_future: Sequence[str] = ()
    calendar: Literal["auto"] | Sequence[str] = ()
    holidays: Holidays | None = None
    time_format: str | None = None
    closed_days: ClosedDays | None = None
    categories: Mapping[str, list[str]] = field(default_factory=dict)
    columns: Mapping[str, ColumnRules] = field(default_factory=dict)
    clip_forecasts: bool = True
    round_forecasts: bool = False

    def __post_init__(self) -> None:
        if self.target_lookahead < 0:
            raise ConfigError(
                f"target_lookahead: {self.target_lookahead} given; it cannot be negative"
            )
        for name, rows in self.known_ahead.items():
            if rows < 1:
                raise ConfigError(f"known_ahead: {name!r} has {rows} rows; give 1 or more")
        checks: dict[str, Callable[[str], object]] = {
            "frequency": check_frequency, "time_zone": check_time_zone, "time_format": check_time_format,
        }  # fmt: skip
        for name, check in checks.items():
            value = getattr(self, name)
            try:
                if value is not None:
                    check(value)
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from None

    @property
    def known_columns(self) -> list[str]:
        """Columns that are known ahead."""
        return [*self.known_future, *self.known_ahead]


@dataclass(frozen=True)
class RowTable:
    """Rows sorted by series and time.

    Attributes:
        frame: ``__series``, ``__time`` (UTC; row numbers count as microseconds), ``__segment``.
        x: features, float64; text where they are categories that have no numbers yet.
        y: targets, likewise.
        weight: weight of each row, or None.
        given_row: number of each row in the order it was given.
        given_x: features as given.
        given_y: targets as given.
        time_unit: ``'us'``, or ``'row'`` where the times are row numbers.
        time_zone: IANA zone in which days and months begin.
        time_name: name for the time column when it is stored.
        series_name: name for the series column, None with one series.
        findings: what the rows hold that a report should name.
        text_labels: label columns given as text, whatever it looks like.
    """

    frame: pd.DataFrame
    x: pd.DataFrame
    y: pd.DataFrame
    weight: np.ndarray | None
    given_row: np.ndarray
    given_x: pd.DataFrame
    given_y: pd.DataFrame
    time_unit: str
    time_zone: str
    time_name: str
    series_name: str | None
    findings: tuple[Finding, ...] = ()
    text_labels: tuple[str, ...] = ()

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

    def span(self, split: str, cuts: SplitCuts) -> str:
        """The number of rows in a split, with the first and the last time."""
        times = microseconds(self.frame[TIME])
        part = part_of_rows(times, cuts)
        of_split = times[part == ("train", "validation", "test").index(split)]
        first, last = int(of_split.min()), int(of_split.max())
        if self.time_unit == "row":
            return f"{len(of_split):,} rows, row {first} to {last}"
        begin, end = pd.Timestamp(first, unit="us"), pd.Timestamp(last, unit="us")
        return f"{len(of_split):,} rows, {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def row_table(
    X_data: Any, Y_data: Any, settings: RowSettings | None = None, *, labels: bool = False,
    as_numbers: Collection[str] = (),
) -> RowTable:  # fmt: skip
    """Check features and targets and sort them by series and time.

    ``fastlstm.api.known_columns`` adds the features of what is known ahead.

    Args:
        X_data: features: DataFrame, Series or array, ``(n, n_features)`` or ``(n,)``.
        Y_data: targets of the same rows, ``(n, n_targets)`` or ``(n,)``.
        settings: series, times and weights of the rows, and how to read them.
        labels: whether targets are labels; booleans, and those that are not all 0 and 1, are taken as
            text.
        as_numbers: labels whose booleans are 0 and 1.

    Raises:
        DataError: the message names the argument, the row and the remedy.
    """
    settings = settings or RowSettings()
    frames = as_frame(X_data, "X"), as_frame(Y_data, "Y")
    text_labels = _text_columns(frames[1]) if labels else ()
    given_x, given_y = (_with_categories(frame, settings.columns) for frame in frames)
    _require_same_rows(X_data, Y_data, given_x, given_y)
    covariates = _covariates(settings, given_x)
    _require_finite(given_x, "X", may_be_missing=covariates)
    _require_finite(
        given_y, "Y", may_be_missing=[*map(str, given_y)] if settings.target_lookahead else ()
    )
    findings = [
        *require_rules(given_x, "X_data", settings.columns),
        *require_rules(given_y, "Y_data", settings.columns),
    ]
    if labels:
        given_y = _with_names(given_y, as_numbers)
    given_x = _alike(given_x, given_y)

    count = len(given_x)
    for name in ("series", "time", "sample_weight"):
        _require_same_order(getattr(settings, name), name, X_data)
    found = times_and_labels(given_x, settings)
    group, times, zone = found.labels, found.times, found.zone
    moments = _row_numbers(group, count) if times is None else times
    weight = _weights_of(settings.sample_weight, count)
    key = pd.Series([""] * count) if group is None else group
    _require_rising(moments, key)

    order = np.argsort(key.to_numpy(dtype=object), kind="stable")
    frame = pd.DataFrame({SERIES: key, TIME: moments}).iloc[order].reset_index(drop=True)
    positions = _positions(frame[TIME], settings, zone, order, has_times=times is not None)
    frame[SEGMENT] = contiguous_blocks(frame[SERIES].to_numpy(), positions)

    taken = {*given_x, *given_y}
    time_name = _free_name(found.time_name, taken)
    series_name = _free_name(found.series_name, {*taken, time_name})
    return RowTable(
        frame=frame,
        x=_as_numbers(given_x.iloc[order].reset_index(drop=True)),
        y=_as_numbers(given_y.iloc[order].reset_index(drop=True)),
        weight=None if weight is None else weight[order],
        given_row=order,
        given_x=given_x,
        given_y=given_y,
        time_unit="row" if times is None else "us",
        time_zone=zone,
        time_name="row_number" if times is None else time_name,
        series_name=None if group is None else series_name,
        findings=tuple(findings),
        text_labels=text_labels,
    )


def _text_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Names of the columns whose values are all text."""
    found = []
    for name, column in frame.items():
        categorical = isinstance(column.dtype, pd.CategoricalDtype)
        values = column.cat.categories if categorical else column
        if not pd.api.types.is_numeric_dtype(values):
            found += [str(name)] * (pd.api.types.infer_dtype(values, skipna=True) == "string")
    return tuple(found)


def as_frame(data: Any, letter: str) -> pd.DataFrame:
    """A table with text column names, from what a user holds."""
    data = as_pandas(data, f"{letter}_data")
    if isinstance(data, pd.Series):
        data = data.to_frame(letter if data.name is None else str(data.name))
    if not isinstance(data, pd.DataFrame):
        values = data[:, None] if data.ndim == 1 else data
        if values.ndim != 2:
            raise DataError(
                f"{letter}_data: has shape {values.shape}; give rows by columns, without windows"
            )
        data = pd.DataFrame(values, columns=_default_names(letter, values.shape[1]))
    frame: pd.DataFrame = data.rename(columns=str)
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"{letter}_data: has two columns {twice!r}; rename one")
    if frame.empty:
        raise DataError(f"{letter}_data: is empty; give rows")
    for name in frame:
        column = frame[name]
        is_time = pd.api.types.is_datetime64_any_dtype(column)
        if is_time or pd.api.types.is_timedelta64_dtype(column) or column.dtype.kind == "c":
            raise DataError(
                f"{letter}_data: column {name!r} holds {column.dtype}; convert it to numbers"
            )
        if str(name).startswith(RESERVED_PREFIX):
            raise DataError(
                f"{letter}_data: column {name!r} begins with {RESERVED_PREFIX!r}, which is reserved; "
                "rename it"
            )
    return frame


def _with_categories(frame: pd.DataFrame, columns: Mapping[str, ColumnRules]) -> pd.DataFrame:
    """A table with names in its columns of dtype 'category' and those that hold no numbers."""
    categories = {name for name, rules in columns.items() if rules.dtype == "category"}
    named = [n for n in frame if n in categories or not pd.api.types.is_numeric_dtype(frame[n])]
    return with_columns(frame, {name: as_names(frame[name]) for name in named})


def _require_same_order(values: Any, name: str, X_data: Any) -> None:
    """Refuse an argument whose index has the labels of the rows in another order."""
    indexed = pd.DataFrame | pd.Series
    if not isinstance(values, indexed) or not isinstance(X_data, indexed):
        return
    own, index = values.index, X_data.index
    if len(own) != len(index) or own.equals(index) or not index.is_unique:
        return
    if own.isin(index).all():
        raise DataError(
            f"{name}: its index has X_data's labels in another order; align it first, e.g. with "
            f"{name}.reindex(X_data.index)"
        )


def as_names(values: pd.Series) -> pd.Series:
    """Names of categories as text, without decimals of whole numbers; empty ones are missing."""
    known = values.notna() & (values.astype(object) != "")
    names = values.astype(object).where(known, None).map(_as_name, na_action="ignore")
    return names.astype("str")


def _as_name(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float | np.floating) else str(value)


def _as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its numbers as float64; text stays."""
    numeric = [n for n in frame if pd.api.types.is_numeric_dtype(frame[n])]
    return frame.astype(dict.fromkeys(numeric, np.float64))


def _default_names(letter: str, count: int) -> list[str]:
    return [letter] if count == 1 else [f"{letter}_{i}" for i in range(count)]


def _free_name(wish: str, taken: Collection[str]) -> str:
    return f"{wish}_of_row" if wish in taken else wish


def _require_same_rows(
    X_data: Any, Y_data: Any, given_x: pd.DataFrame, given_y: pd.DataFrame
) -> None:
    if len(given_y) != len(given_x):
        raise DataError(
            f"Y_data: has {len(given_y)} rows, X_data {len(given_x)}; give the same rows"
        )
    indexed = pd.DataFrame | pd.Series
    both_indexed = isinstance(X_data, indexed) and isinstance(Y_data, indexed)
    if both_indexed and not given_x.index.equals(given_y.index):
        raise DataError("Y_data: its index differs from X_data's; align them first")


def _require_finite(frame: pd.DataFrame, letter: str, *, may_be_missing: Collection[str]) -> None:
    for name in frame:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            if letter == "X":
                continue  # a missing category is one of its own
            bad = frame[name].isna().to_numpy()
        else:
            bad = ~np.isfinite(frame[name].to_numpy(np.float64))
        if name in may_be_missing:
            # A value derived from later rows is undefined where the table ends before them.
            bad = bad & ~frame[name].isna().to_numpy()
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{letter}_data: column {name!r} has {int(bad.sum())} missing or infinite values, "
                f"first in row {row}; fill or drop those rows first"
            )


def _with_names(given_y: pd.DataFrame, as_numbers: Collection[str]) -> pd.DataFrame:
    """Booleans, and labels that are not all 0 and 1, as text; see ``row_table``.

    Raises:
        DataError: a label is a number with decimals, as quantities are.
    """
    named: dict[str, pd.Series] = {}
    for name in map(str, given_y):
        values = given_y[name].dropna()
        if pd.api.types.is_bool_dtype(values) and name not in as_numbers:
            named[name] = as_names(given_y[name])
            continue
        if not pd.api.types.is_numeric_dtype(values) or values.isin([0, 1]).all():
            continue
        odd = values[values != np.floor(values)]
        if len(odd):
            raise DataError(
                f"Y_data: column {name!r} holds {float(odd.iloc[0])!r}, a classifier's labels are text, "
                "booleans or whole numbers; convert it, or use LSTM_type 'regressor'"
            )
        named[name] = as_names(given_y[name])
    return with_columns(given_y, named)


def _alike(given_x: pd.DataFrame, given_y: pd.DataFrame) -> pd.DataFrame:
    """The features, of which one with the name of a label column has names too.

    Raises:
        DataError: two columns of one name hold numbers in one table, names in the other.
    """
    numeric, named = pd.api.types.is_numeric_dtype, {}
    for name in [name for name in given_x if name in given_y]:
        x, y = given_x[name], given_y[name]
        if numeric(x) == numeric(y):
            continue
        values = x.dropna() if numeric(x) else x
        if not numeric(x) or (values != np.floor(values)).any():
            kinds = ("numbers", "names") if numeric(x) else ("names", "numbers")
            raise DataError(
                f"X_data, Y_data: both have a column {name!r}, which holds {kinds[0]} in X_data and "
                f"{kinds[1]} in Y_data; rename one of them"
            )
        named[name] = as_names(x)
    return with_columns(given_x, named)


def _require_rising(moments: pd.Series, key: pd.Series) -> None:
    """Refuse rows whose time is not after the row before it of the same series."""
    steps = pd.Series(microseconds(moments)).groupby(key).diff().to_numpy()
    backwards = np.flatnonzero(steps <= 0)
    if len(backwards):
        raise DataError(
            f"time: row {int(backwards[0])} is not after the row before it of the same series; sort "
            "the rows by time, and name the series of each row if there are several"
        )


def _per_row(values: Any, name: str, count: int) -> pa.ChunkedArray:
    """An argument with one value for each row."""
    found = arrow_column(values, name)
    if len(found) != count:
        raise DataError(f"{name}: has {len(found)} values for {count} rows; give one per row")
    if found.null_count:
        row = int(np.flatnonzero(found.is_null().to_numpy())[0])
        raise DataError(f"{name}: is empty in row {row}; give one per row")
    return found


@dataclass(frozen=True)
class TimesAndLabels:
    """When rows are and of which series.

    Attributes:
        times: in UTC, ``(n,)``; None where rows have none.
        labels: series of each row, ``(n,)``; None for one series.
        zone: IANA zone in which days and months begin.
        time_name: name of the times.
        series_name: name of the series.
    """

    times: pd.Series | None
    labels: pd.Series | None
    zone: str
    time_name: str
    series_name: str


def times_and_labels(given_x: pd.DataFrame, settings: RowSettings) -> TimesAndLabels:
    """Times and series of rows, from the settings or else the index of the features.

    Args:
        given_x: features, ``(n, n_features)``.
        settings: with series and times where they are no index.

    Raises:
        DataError: they are not of these rows, or cannot be read as declared.
    """
    count, levels = len(given_x), IndexLevels()
    if settings.series is None or settings.time is None:
        levels = levels_of(given_x.index, "X_data")
    series = levels.series if settings.series is None else settings.series
    time = levels.time if settings.time is None else settings.time
    labels = None if series is None else _labels_of(series, count)
    times, zone = _times_of(time, settings, count)
    return TimesAndLabels(
        times,
        labels,
        zone,
        str(getattr(levels.time, "name", None) or "time"),
        str(getattr(series, "name", None) or "series"),
    )


def _labels_of(series: Any, count: int) -> pd.Series:
    return as_labels(_per_row(series, "series", count), "series", first_row=0)


def _times_of(time: Any, settings: RowSettings, count: int) -> tuple[pd.Series | None, str]:
    """UTC time of each row, None where none are given; and the zone in which days begin."""
    zone = settings.time_zone
    if time is None:
        if settings.time_format is not None:
            raise DataError("time_format: there are no times to read; give time, or remove it")
        return None, zone or "UTC"
    column = _per_row(time, "time", count)
    if zone is None:
        zone = zone_of(column)
    return utc_times(column, "time", settings.time_format, zone, settings.frequency), zone


def _row_numbers(group: pd.Series | None, count: int) -> pd.Series:
    """The number of each row within its series, as microseconds since 1970."""
    rows = np.arange(count) if group is None else group.groupby(group).cumcount().to_numpy()
    return pd.Series(pd.to_datetime(rows, unit="us", utc=True)).dt.as_unit("us")


def _weights_of(sample_weight: Any, count: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight: np.ndarray = _per_row(sample_weight, "sample_weight", count).to_numpy()
    weight = weight.astype(np.float64)
    if (weight < 0).any() or not np.isfinite(weight).all():
        raise DataError("sample_weight: must be finite and not negative")
    return weight


def _positions(
    times: pd.Series, settings: RowSettings, zone: str, order: np.ndarray, *, has_times: bool
) -> np.ndarray:
    """Position of each sorted row on the grid of the frequency, or its number without a frequency."""
    if settings.frequency is None:
        return np.arange(len(times))
    if not has_times:
        raise DataError("frequency: has no meaning without times; give time, or a DatetimeIndex")
    offset = row_offset(settings.frequency, settings.closed_days)
    positions = grid_positions(times, offset, zone)
    off = np.flatnonzero(positions < 0)
    if len(off):
        remedy = fitting_frequency(times, offset, zone) or "correct the times or frequency"
        raise DataError(
            f"frequency: {len(off)} times stand off a grid of {settings.frequency}, first in row "
            f"{order[off[0]]}; {remedy}"
        )
    return positions


def _covariates(settings: RowSettings, given_x: pd.DataFrame) -> Collection[str]:
    """Features among the given ones that hold a later row's value of a column known ahead."""
    # Tables that a run has stored hold the indicators of categories in place of their column.
    made = {
        name: indicators(name, settings.categories.get(name, ())) for name in settings.known_columns
    }
    columns = [*settings.known_columns, *(name for names in made.values() for name in names)]
    later = shifted_columns(map(str, given_x), columns)
    present = {*map(str, given_x), *(source for source, _ in later.values())}
    for kind in ("known_future", "known_ahead"):
        for source in getattr(settings, kind):
            if source not in present and not present & {*made[source]}:
                raise DataError(
                    f"{kind}: {source!r} is no column of X_data, which has {list(given_x)}; correct it"
                )
    return later
