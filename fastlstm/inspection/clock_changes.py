"""Times of a table that nobody has described, where the clock of its zone is changed."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa

from fastlstm.config.time_formats import EPOCH_UNITS
from fastlstm.data.clock_changes import skipped_times, unchanged_zone
from fastlstm.data.time_stamps import TimeRules, as_utc
from fastlstm.errors import DataError
from fastlstm.inspection.times import Times


def with_clock_changes(
    times: Times, time_zone: str | None, series: pd.Series | None
) -> tuple[Times, bool]:
    """Times in UTC where a clock change repeats some of them, and whether it does.

    Args:
        times: of the rows.
        time_zone: IANA zone that is given.
        series: label of each row's series; None for one series.

    Raises:
        DataError: a time is one that the clocks of the zone skip.
    """
    is_local = not times.has_zone and times.format not in EPOCH_UNITS
    if time_zone is None or not is_local or not has_clock(times.values):
        return times, False
    values = times.values
    skipped = skipped_times(values, time_zone)
    if len(skipped):
        time = skipped.iloc[0]
        raise DataError(
            f"--time-zone: {time} never happens in {time_zone} (clock change; {len(skipped):,} such "
            f"rows); give the zone whose clock wrote the times, such as "
            f"{unchanged_zone(time, time_zone)!r} where it is never changed"
        )
    twice = values.dt.tz_localize(time_zone, ambiguous="NaT").isna() & values.notna()
    if not twice.any():
        return times, False
    rules = TimeRules(f"column {times.column!r}", 0, time_zone=time_zone, in_order=True)
    utc = as_utc(pa.chunked_array([pa.array(values)]), rules, series).dt.tz_localize(None)
    doubt = (
        f"clock_changes: {int(twice.sum()):,} rows have a time that happens twice in {time_zone}; of "
        "two such rows of a series the first is taken to lie before the change"
    )
    utc.index = values.index
    return replace(times, values=utc, doubts=(*times.doubts, doubt)), True


def has_clock(times: pd.Series) -> bool:
    """Whether times, ``(n,)``, are more than dates."""
    return bool((times.dropna() != times.dropna().dt.normalize()).any())
