"""What the columns of a table are for: its series, what is forecast, and what helps to forecast it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.seasons import season_candidates
from fastlstm.errors import DataError
from fastlstm.inspection.sample import Sample, listed, require_column
from fastlstm.inspection.times import Times

# Most values of a column of text that is a category.
_MOST_CATEGORIES = 100

# Parts of a time by the names of columns that hold them, with their range.
_PARTS = {
    "year": (1500, 2200), "yr": (0, 2200), "month": (1, 12), "mnth": (1, 12), "mon": (1, 12),
    "day": (0, 31), "dayofmonth": (1, 31), "hour": (0, 24), "hr": (0, 24), "minute": (0, 60),
    "weekday": (0, 7), "dayofweek": (0, 7), "dow": (0, 7), "quarter": (1, 4), "week": (0, 53),
    "weekofyear": (0, 53), "dayofyear": (1, 366), "doy": (1, 366),
}  # fmt: skip

# Fewest rows of a series on average, and most columns that are tried together as names of series.
_FEWEST_ROWS, _MOST_PARTS = 3, 8

# Share of the times of all series at which whole numbers that name them have a row; and of any labels
# where rows are repeated, as the hour that a clock change repeats, with the largest share of these.
_FILLED, _FILLED_WITH_REPEATED, _REPEATED = 0.2, 0.8, 0.01
# Rows of a day that are numbered from 0 or 1.
_OF_A_DAY = (24, 48, 96, 144, 288)
# Numbers of the parts of a year: quarters, months, four weeks, weeks.
_OF_A_YEAR = (4, 12, 13, 52, 53)

# An empty label is a class where more than this share of the rows have one.
_OFTEN_EMPTY = 0.1

# Rows to forecast by the distance of rows, where this is not a day of shorter ones; most of them as a
# share of the rows of a series, so that validation and test have windows.
_HORIZONS = {"B": 10, "C": 10, "D": 14, "W": 13, "M": 12, "Q": 4, "Y": 3}
_MOST_STEPS = 0.1

# Most rows of past that are proposed, and the longest season that is proposed where two of it are too
# many: a week of hours.
_LONGEST_LOOK_BACK, _LONGEST_SINGLE_SEASON = 400, 168
_TRAIN_RATE = float(Hyperparameters.model_fields["train_size_rate"].default)


@dataclass(frozen=True)
class Roles:
    """The columns by their role.

    Attributes:
        series: column of series labels, or None.
        series_parts: columns that name series together; none where it is one column.
        targets: what is forecast.
        features: numbers that are given to the network, the targets among them.
        categories: text, booleans and codes among the features.
        static: features with one value in each series.
        left_out: other columns, with the reason.
        missing: features with missing values, and how many.
        empty_classes: label columns that are empty so often that it is taken as a class.
    """

    series: str | None
    series_parts: tuple[str, ...]
    targets: tuple[str, ...]
    features: tuple[str, ...]
    categories: tuple[str, ...]
    static: tuple[str, ...]
    left_out: dict[str, str]
    missing: dict[str, int]
    empty_classes: tuple[str, ...] = ()


def find_series(
    sample: Sample, time: Times, series: Sequence[str], targets: Sequence[str]
) -> tuple[str, ...]:
    """The columns whose labels part rows of the same time; none where no time repeats or none do.

    Args:
        sample: the rows.
        time: the times.
        series: the columns, where they are known.
        targets: what is to be forecast, as far as it is known.

    Raises:
        DataError: a given column is absent.
    """
    frame, times = sample.frame, time.values
    for name in series:
        require_column(frame, "--series", name)
    if series:
        return tuple(series)
    if not times.duplicated().any():
        return _in_blocks(sample, time.column, times)
    found, nearly, possible = [], [], []
    for name in map(str, frame):
        labels = frame[name]
        if name in (time.column, *time.parts, *targets) or labels.isna().any():
            continue
        if _is_measured(sample, name) or _is_part_of_time(sample, name) or _is_time_of_day(labels):
            continue
        possible.append(name)
        if not _names_series(labels, times):
            continue
        repeated = float(repeated_rows(times, labels).mean())
        key = (int(labels.nunique()), list(frame).index(name), name)
        if repeated == 0:
            found.append(key)
        elif repeated < _REPEATED and _is_filled(labels, times, _FILLED_WITH_REPEATED):
            nearly.append(key)
    if found:
        return (min(found)[2],)
    return _together(frame, times, possible) or ((min(nearly)[2],) if nearly else ())


def _together(frame: pd.DataFrame, times: pd.Series, names: list[str]) -> tuple[str, ...]:
    """The fewest columns that together part rows of the same time; none where none do."""
    codes = {name: pd.factorize(frame[name])[0].astype("int64") for name in names}
    sizes = {name: int(codes[name].max()) + 1 for name in names}
    # Text names series rather than whole numbers do, which may be amounts.
    names = [n for n in sorted(names, key=lambda n: pd.api.types.is_numeric_dtype(frame[n].dtype))
             if 1 < sizes[n] < len(frame) / 2][:_MOST_PARTS]  # fmt: skip
    of_times, distinct = pd.factorize(times)
    most = int(np.bincount(of_times).max())
    for count in (2, 3):
        found = []
        for chosen in combinations(names, count):
            if math.prod(sizes[name] for name in chosen) < most:
                continue
            of_rows = np.zeros(len(frame), "int64")
            for name in chosen:
                of_rows = of_rows * sizes[name] + codes[name]
            of_rows, labels = pd.factorize(of_rows)
            is_filled = len(frame) >= _FILLED * len(labels) * len(distinct)
            if is_filled and len(pd.unique(of_rows * len(distinct) + of_times)) == len(frame):
                found.append((len(labels), [names.index(name) for name in chosen], chosen))
        if found:
            chosen = min(found)[2]
            return tuple(name for name in map(str, frame) if name in chosen)
    return ()


def _in_blocks(sample: Sample, time: str, times: pd.Series) -> tuple[str, ...]:
    """The column of text by whose labels rows are in order of time, where they are not as they stand."""
    if times.is_monotonic_increasing or times.is_monotonic_decreasing:
        return ()
    for name in map(str, sample.frame):
        labels = sample.frame[name]
        is_text = not pd.api.types.is_numeric_dtype(labels.dtype)
        if (
            name != time
            and is_text
            and labels.notna().all()
            and 1 < labels.nunique() < len(labels) / 2
        ):
            changes = times.groupby(labels, sort=False).diff().dropna()
            if (changes > pd.Timedelta(0)).all():
                return (name,)
    return ()


def _names_series(labels: pd.Series, times: pd.Series) -> bool:
    """Whether labels may name series: numbers do only where most of these have most times."""
    if not pd.api.types.is_numeric_dtype(labels.dtype):
        return len(labels) >= _FEWEST_ROWS * labels.nunique()
    return _is_filled(labels, times, _FILLED)


def _is_filled(labels: pd.Series, times: pd.Series, share: float) -> bool:
    """Whether labels have a row at so many of all times, taken together."""
    return len(labels) >= share * labels.nunique() * times.nunique()


def numbers_parts(labels: pd.Series, *, of_a_year: bool) -> bool:
    """Whether labels count the rows of a day, 1 to 24 or 0 to 47, or the parts of a year.

    Args:
        labels: of the rows.
        of_a_year: whether the rows' times are years, and not days.
    """
    if not pd.api.types.is_numeric_dtype(labels.dtype):
        return False
    values = np.sort(labels.dropna().unique())
    begin = values[0] if len(values) else -1
    whole = np.array_equal(values, begin + np.arange(len(values)))
    counts = _OF_A_YEAR if of_a_year else _OF_A_DAY
    return len(values) in counts and begin in (0, 1) and whole


def _is_measured(sample: Sample, name: str) -> bool:
    """Whether a column holds numbers with decimals, which name no series."""
    numeric = pd.api.types.is_float_dtype(sample.frame[name].dtype)
    return numeric and name not in sample.whole_numbers


def repeated_rows(times: pd.Series, labels: pd.Series) -> pd.Series:
    """Which rows have the time and label of a row before, ``(n,)``."""
    return pd.DataFrame({"time": times, "label": labels}).duplicated()


def _is_time_of_day(labels: pd.Series) -> bool:
    """Whether a column holds times of a day, which name no series."""
    is_text = not pd.api.types.is_numeric_dtype(labels.dtype)
    return is_text and bool(labels.astype("str").str.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?").all())


def find_roles(
    sample: Sample,
    time: str,
    other_times: Sequence[str],
    series: Sequence[str],
    targets: Sequence[str],
    left: Mapping[str, str],
) -> Roles:
    """The role of every column.

    Args:
        sample: the rows.
        time: the time column.
        other_times: columns that hold times too.
        series: the series columns, whose label stands in one column where they are several.
        targets: what is to be forecast, where it is known.
        left: columns that are no features, with the reason.

    Raises:
        DataError: a target is no column, or it is not clear which one to forecast.
    """
    frame = sample.frame
    lost = "".join(f"; {d}" for d in sample.dialect.doubts if d.startswith("columns: "))
    for name in targets:
        require_column(frame, "--target", name, lost)
    left_out: dict[str, str] = {}
    label = "/".join(series) or None
    features, categories, static, missing = [], [], [], {}
    for name in map(str, frame):
        column = frame[name]
        if name in (time, label):
            continue
        reason = None
        if name not in targets:
            reason = _why_left_out(sample, name, other_times) or left.get(name)
        if reason is not None:
            left_out[name] = reason
            continue
        if _is_category(sample, name):
            categories.append(name)
        features.append(name)
        if column.isna().any():
            missing[name] = int(column.isna().sum())
        if label is not None and name not in targets:
            each = column.groupby(frame[label], sort=False).nunique(dropna=False)
            if (each <= 1).all() and column.nunique() > 1:
                static.append(name)
    numbers = [n for n in features if n not in categories and n not in static]
    chosen = list(targets)
    if not chosen:
        if not numbers:
            raise DataError(
                f"no column of numbers is left to forecast; give --target, one of {listed(frame)}{lost}"
            )
        if len(numbers) > 1:
            labels = [n for n in categories if n not in static]
            classes = f"; or the classes of one of {listed(labels)}" if labels else ""
            raise DataError(
                f"--target: which column is to be forecast? One of {listed(numbers)}{classes}"
            )
        chosen = numbers
    often = _OFTEN_EMPTY * len(frame)
    empty = [n for n in chosen if n in categories and missing.get(n, 0) > often]
    return Roles(
        label, tuple(series) if len(series) > 1 else (), tuple(chosen), tuple(features),
        tuple(categories), tuple(static), left_out, missing, tuple(empty),
    )  # fmt: skip


def _why_left_out(sample: Sample, name: str, other_times: Sequence[str]) -> str | None:
    """Why a column is not used; None where it is."""
    column = sample.frame[name]
    if name in other_times or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return "holds times too"
    if _is_decimal_year(column, name):
        return "holds times too, as years with decimals"
    if _is_part_of_time(sample, name):
        return "is a part of the time, which the calendar gives"
    if column.notna().sum() == 0:
        return "is empty"
    if column.nunique() == 1:
        return "has one value alone"
    share = column.isna().mean()
    if share > 0.5:
        return f"lacks {share:.0%} of its values"
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    if not numeric and column.nunique() > min(_MOST_CATEGORIES, 0.5 * len(column)):
        return f"is text with {column.nunique():,} values"
    steps = column.diff().dropna() if numeric else pd.Series(dtype=float)
    if len(steps) > 10 and (steps == 1).all():
        return "counts the rows"
    return None


def _is_part_of_time(sample: Sample, name: str) -> bool:
    """Whether a column holds a year, a month, a weekday or the like, by its name and values."""
    lowest, highest = _PARTS.get(re.sub(r"[\W_]", "", name.lower()), (1, 0))
    if name not in sample.whole_numbers:
        return False
    return bool(sample.frame[name].dropna().between(lowest, highest).all()) and lowest <= highest


def _is_decimal_year(column: pd.Series, name: str) -> bool:
    """Whether a column holds times as years with decimals, by its name and values."""
    words = re.split(r"[\W_]+", name.lower())
    if not pd.api.types.is_float_dtype(column.dtype) or not {*words} & {
        "date",
        "time",
        "year",
        "t",
    }:
        return False
    known = column.dropna()
    return bool(known.between(1500, 2200).all()) and bool((known != np.floor(known)).any())


def missing_marks(column: pd.Series) -> list[str]:
    """Numbers of nines that stand far from all others of a column, as those that mean 'missing'.

    Args:
        column: of numbers.
    """
    known = column.dropna()
    found = []
    for mark in (
        v for v in (-9, -99, -999, -9999, -99999, 99, 999, 9999, 99999) if (known == v).any()
    ):
        others = known[known != mark]
        if len(others) < 3 or (known == mark).sum() < 2:
            continue
        width = max(float(others.max() - others.min()), 1.0)
        if mark < others.min() - width or mark > others.max() + width:
            found.append(f"{mark}")
    return found


# Names of columns whose numbers are names: codes of places and goods.
_OF_CODES = re.compile(
    r"(^|[\W_])(zip|zipcode|post(al)?_?code|plz|sku|ean|upc|code|id|(article|item|product|store|shop|"
    r"customer)(_?(id|no|nr|number|code))?)$",
    re.IGNORECASE,
)
# Labels of rows that add up those of the others.
_OF_TOTALS = re.compile(r"(grand |sub)?totals?|sum|all|overall|gesamt|insgesamt", re.IGNORECASE)


def is_named_as_code(name: str) -> bool:
    """Whether a column is called like codes of places and goods.

    Args:
        name: of the column.
    """
    return _OF_CODES.search(name) is not None


def names_in_numbers(sample: Sample, names: Sequence[str]) -> list[str]:
    """Columns of whole numbers that are names rather than quantities, by what they are called.

    Args:
        sample: the rows.
        names: of columns.
    """
    return [n for n in names if n in sample.whole_numbers and is_named_as_code(n)]


def labels_of_totals(labels: pd.Series) -> list[str]:
    """Labels of series that seem to be the sum of others.

    Args:
        labels: of the rows.
    """
    parts = {str(label): str(label).split("/") for label in labels.dropna().unique()}
    return [label for label, words in parts.items() if any(map(_OF_TOTALS.fullmatch, words))]


def _is_category(sample: Sample, name: str) -> bool:
    """Whether a column holds names rather than quantities."""
    column = sample.frame[name]
    if name in sample.leading_zeros or pd.api.types.is_bool_dtype(column.dtype):
        return True
    return not pd.api.types.is_numeric_dtype(column.dtype)


def horizon_of(frequency: str | None, rows: int) -> int:
    """Rows to forecast where nobody says how many.

    Args:
        frequency: a pandas offset, or None.
        rows: of a short series.
    """
    wanted = 12
    if frequency is not None:
        letters = frequency.lstrip("0123456789").split("-")[0]
        wanted = _HORIZONS.get(letters[0], 0) if letters.isupper() else 0
        wanted = wanted or min(48, int(pd.Timedelta("1D") / pd.Timedelta(frequency)))
    return max(1, min(wanted, int(_MOST_STEPS * rows)))


def look_back_of(frequency: str | None, horizon: int, shortest: int) -> int:
    """Rows of past: two of the longest season or horizon that a quarter of the shortest series holds.

    Where that is less than a season, it is the season if enough train windows are left: only a look-back
    that holds a season lets a network begin from its seasonal naive forecast. Enough are as many as the
    steps ahead for the shortest season, and as many as the season has rows for a longer one.

    Args:
        frequency: a pandas offset, or None.
        horizon: rows to forecast.
        shortest: rows of the shortest series.
    """
    seasons = [rows for rows in season_candidates(frequency) if rows <= _LONGEST_LOOK_BACK]
    most = max(1, (shortest - horizon) // 4)
    wanted = [2 * rows for rows in (*seasons, horizon)]
    fitting = [rows for rows in wanted if rows <= min(most, _LONGEST_LOOK_BACK)]
    past = max(fitting) if fitting else max(1, min(most, 2 * horizon))
    # Look-back and horizon of a train window lie among the rows that are train by default.
    room = int(_TRAIN_RATE * shortest) - horizon
    for rows in seasons:
        enough = horizon if rows == seasons[0] else rows
        if rows <= _LONGEST_SINGLE_SEASON and room - rows >= enough:
            past = max(past, rows)
    return past
