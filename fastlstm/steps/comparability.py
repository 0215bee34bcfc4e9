"""Whether a champion can be fed a challenger's rows as those it was trained on.

A network that reads hours as if they were days forecasts badly for no fault of its own, so such a
champion is not compared.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Tick

from fastlstm.config.calendar import row_seconds
from fastlstm.config.data import DataConfig
from fastlstm.data.categories import renumbered
from fastlstm.data.cleaning import add_computed_features
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.time_grid import microseconds
from fastlstm.runs.saved_run import SavedRun

# Distances of rows that differ by less count as equal, since those of irregular rows are medians.
_TOLERANCE = 1.25


def rows_for(champion: SavedRun, frame: pd.DataFrame, challenger: DataConfig) -> pd.DataFrame:
    """A clean table with the champion's own computed columns.

    Columns of the calendar, of series and of categories are computed by its settings, also where those
    of other settings have the same name.

    Args:
        champion: the run to feed.
        frame: the challenger's clean table.
        challenger: the settings that the table was made with.
    """
    data = champion.data
    of_time = {*data.calendar_columns}
    computed = {
        *of_time,
        *data.series_columns,
        *data.indicator_columns,
        *(name for name, (source, _) in data.ahead_sources.items() if source in of_time),
    }
    own = frame.drop(columns=[name for name in computed if name in frame])
    for name in {column for column, _ in data.indicator_columns.values()} & {
        *challenger.categories
    }:
        own[name] = renumbered(
            own[name].to_numpy(), challenger.categories[name], data.categories[name]
        )
    add_computed_features(own, own[SEGMENT].to_numpy(), own[:0], data)
    return own


def why_not_comparable(new: SavedRun, old: SavedRun, frame: pd.DataFrame) -> str | None:
    """Why a champion cannot forecast a challenger's test windows; None where it can.

    Args:
        new: the challenger.
        old: the champion.
        frame: the challenger's clean table with the champion's columns; see ``rows_for``.
    """
    if not _same_task(new, old):
        return "it forecasts other targets or another horizon"
    absent = [name for name in old.data.features if name not in frame]
    if absent:
        return f"its feature {absent[0]!r} is no longer in the data"
    return (
        _other_series(new.data, old.data)
        or _other_unit(new.data, old.data)
        or _other_distance(new, old, frame)
        or _other_zone(new.data, old.data)
    )


def _same_task(new: SavedRun, old: SavedRun) -> bool:
    """Whether both forecast the same targets over the same horizon."""
    return bool(
        new.data.target_columns == old.data.target_columns
        and (new.hyperparameters.classes is None) == (old.hyperparameters.classes is None)
        and new.data.derived_targets == old.data.derived_targets
        and new.data.lookahead == old.data.lookahead
        and new.hyperparameters.steps_ahead == old.hyperparameters.steps_ahead
        and new.hyperparameters.LSTM_type == old.hyperparameters.LSTM_type
    )


def _other_series(new: DataConfig, old: DataConfig) -> str | None:
    """One series before, several now, or the other way round."""
    if (new.series is None) == (old.series is None):
        return None
    if old.series is None:
        return f"its rows are one series, those of {new.series!r} now are several"
    return f"its rows are several series, by {old.series!r}, and are one now"


def _other_unit(new: DataConfig, old: DataConfig) -> str | None:
    """A column whose declared unit has changed."""
    for name in old.value_columns:
        before, now = old.rules(name).unit, new.rules(name).unit
        if before and now and before != now:
            return f"its {name!r} is in {before}, now in {now}"
    return None


def _other_distance(new: SavedRun, old: SavedRun, frame: pd.DataFrame) -> str | None:
    """Rows that are further apart than those it was trained on, or nearer."""
    before, now = old.data.frequency, new.data.frequency
    if before and now:
        return None if _same_frequency(before, now) else f"its rows are {before} apart, now {now}"
    if (old.first_test_origin is None) != (new.first_test_origin is None):
        return "only one of the two has rows with times"
    measured = _distance_of_predictions(old)
    distance = _distance(frame[SERIES], microseconds(frame[TIME]))
    if not measured or not distance:
        return None
    if 1 / _TOLERANCE < measured / distance < _TOLERANCE:
        return None
    return f"its rows are {_as_text(measured)} apart, now {_as_text(distance)}"


# A champion is compared with the rows of many shards.
@functools.lru_cache(maxsize=1)
def _distance_of_predictions(run: SavedRun) -> float:
    """As ``_distance``, of the origins of a run's test windows."""
    origins = run.predictions.whole(["series", "origin"])
    return _distance(origins["series"], microseconds(origins["origin"]))


def _same_frequency(one: str, other: str) -> bool:
    """Whether two offsets stand for the same distance of rows."""
    first, second = to_offset(one), to_offset(other)
    if first == second:
        return True
    business = any("B" in offset.rule_code or "C" in offset.rule_code for offset in (first, second))
    return not business and row_seconds(one) == row_seconds(other) > 0


def _distance(series: pd.Series, times: np.ndarray) -> float:
    """Median time from row to row within a series, in microseconds; 0 where there are no two rows.

    Args:
        series: label of each row, ``(n,)``, sorted by series and time; rows of one time count once.
        times: microseconds since 1970, ``(n,)``.
    """
    code, _ = pd.factorize(series)
    steps = np.diff(times)[(code[1:] == code[:-1]) & (np.diff(times) > 0)]
    return float(np.median(steps)) if len(steps) else 0.0


def _as_text(distance: float) -> str:
    """A distance as a pandas offset, such as '15min'."""
    seconds = pd.Timedelta(round(distance), "us")
    offset = to_offset(seconds)
    return f"{offset.n}{offset.rule_code}"


def _other_zone(new: DataConfig, old: DataConfig) -> str | None:
    """Another time zone, where days or parts of the calendar begin by it."""
    if new.time_zone == old.time_zone:
        return None
    by_clock = old.calendar_columns or (
        old.frequency and not isinstance(to_offset(old.frequency), Tick)
    )
    if not by_clock:
        return None
    return f"its time zone is {old.time_zone}, now {new.time_zone}"
