"""Days, weeks and months in zones whose midnight a clock change skips or repeats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.data.clock_changes import day_instants, wall_times
from fastlstm.data.column_names import TIME
from fastlstm.data.reading import load, load_blocks
from fastlstm.data.time_grid import grid_positions, later_rows, step_times
from fastlstm.data.validation import validate
from fastlstm.errors import DataError

# The day of the change, and when it begins (UTC).
CHANGES = [
    ("Africa/Cairo", "2024-04-26", "2024-04-25 22:00"),
    ("America/Santiago", "2024-09-08", "2024-09-08 04:00"),
    ("Asia/Beirut", "2024-03-31", "2024-03-30 22:00"),
    ("America/Havana", "2024-03-10", "2024-03-10 05:00"),
    ("America/Havana", "2024-11-03", "2024-11-03 04:00"),  # midnight happens twice
    ("America/Asuncion", "2024-10-06", "2024-10-06 04:00"),
    ("Atlantic/Azores", "2024-10-27", "2024-10-27 00:00"),
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00"),
]


def days_around(day, count=21):
    return pd.date_range(pd.Timestamp(day) - pd.Timedelta("10D"), periods=count)


def config(path, zone, **more):
    given = {"path": str(path), "time": "day", "features": ["y"], "targets": ["y"], **more}
    return DataConfig.model_validate({"time_zone": zone, **given})


@pytest.mark.parametrize(("zone", "day", "begins"), CHANGES)
def test_a_day_begins_with_its_first_moment(zone, day, begins):
    days = days_around(day)
    instants = day_instants(days, zone)
    assert instants[10] == pd.Timestamp(begins, tz="UTC")
    assert (wall_times(instants, zone) == days).all()


@pytest.mark.parametrize(("zone", "day", "begins"), CHANGES)
@pytest.mark.parametrize("written", ["dates", "offsets", "midnights"])
def test_daily_rows_over_a_clock_change_are_one_block(tmp_path, zone, day, begins, written):
    days = days_around(day)
    text = {
        "dates": days.strftime("%Y-%m-%d"),
        "midnights": days.strftime("%Y-%m-%dT%H:%M:%S"),
        "offsets": [t.isoformat() for t in day_instants(days, zone).tz_convert(zone)],
    }[written]
    pd.DataFrame({"day": text, "y": np.arange(21.0)}).to_csv(tmp_path / "t.csv", index=False)
    data = config(tmp_path / "t.csv", zone, frequency="1D", calendar=[])
    clean, report = validate(load(data).frame, data, labels=False)
    assert report.passed and not any(found.check == "gaps in time" for found in report.warnings)
    assert clean[TIME].iloc[10] == pd.Timestamp(begins, tz="UTC")
    assert (clean["__segment"] == 0).all()


@pytest.mark.parametrize(("zone", "day", "begins"), CHANGES)
def test_forecasts_over_a_clock_change_are_for_each_day(zone, day, begins):
    days = days_around(day)
    instants = day_instants(days, zone)
    for first in (0, 9, 10, 11):  # the day of the change itself is a forecast origin too
        steps = step_times(instants[first], 21 - first, "1D", zone)
        assert (steps == instants[first:]).all()
    assert (later_rows(instants[:16], 5, "1D", zone) == instants[5:]).all()


def test_rows_at_another_time_of_day_keep_it_after_a_change():
    # 02:30 does not exist on 31 March in Rome, where the clock then jumps to 03:00.
    days = pd.date_range("2024-03-25 02:30", periods=12)
    instants = day_instants(days, "Europe/Rome")
    assert instants[6] == pd.Timestamp("2024-03-31 01:00", tz="UTC")
    assert grid_positions(instants, "1D", "Europe/Rome").tolist() == list(range(12))
    later = step_times(instants[6], 6, "1D", "Europe/Rome", pd.Timedelta("2h30min"))
    assert (later == instants[6:]).all()


def test_the_day_that_samoa_skipped_is_no_gap():
    days = pd.DatetimeIndex(["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"])
    instants = day_instants(days, "Pacific/Apia")
    assert grid_positions(instants, "1D", "Pacific/Apia").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/Havana", "Europe/Lisbon"])
@pytest.mark.parametrize("frequency", ["W-MON", "W-SUN", "MS", "ME", "B", "2D", "QS", "SMS"])
def test_longer_periods_count_whole(zone, frequency):
    wall = pd.date_range("2023-12-01", "2025-01-31", freq=frequency)
    instants = day_instants(wall, zone)
    assert grid_positions(instants, frequency, zone).tolist() == list(range(len(wall)))
    assert (step_times(instants[0], len(wall), frequency, zone) == instants).all()


def test_hours_that_a_clock_skips_or_repeats_are_refused(tmp_path):
    pd.DataFrame({
        "day": pd.date_range("2024-04-25 22:00", periods=5, freq="h").strftime("%Y-%m-%d %H:%M"),
        "y": 1.0,
    }).to_csv(tmp_path / "t.csv", index=False)  # fmt: skip
    with pytest.raises(
        DataError, match=r"row 4: 2024-04-26 00:00:00 happens twice or never in Africa"
    ):
        load(config(tmp_path / "t.csv", "Africa/Cairo", frequency="1h"))


@pytest.mark.parametrize(
    ("times", "declared", "zone", "remedy"),
    [
        (pd.date_range("2024-01-01", periods=9, freq="W-MON"), "W", "UTC", "frequency to 'W-MON'"),
        (pd.date_range("2024-01-01", periods=9, freq="ME"), "MS", "UTC", "frequency to 'ME'"),
        (
            pd.date_range("2024-02-01", periods=9, freq="QS-FEB"),
            "QS",
            "UTC",
            "frequency to 'QS-FEB'",
        ),
        (
            pd.date_range("2024-03-01", periods=60, tz="UTC"),
            "1D",
            "Europe/Rome",
            "time_zone to 'UTC'",
        ),
        (
            pd.date_range("2024-01-01", periods=60, freq="h"),
            "1D",
            "UTC",
            "correct the source or data.f",
        ),
    ],
)
def test_a_frequency_that_does_not_fit_is_refused_with_the_one_that_does(
    tmp_path, times, declared, zone, remedy
):
    pd.DataFrame({"day": [t.isoformat() for t in times], "y": 1.0}).to_csv(tmp_path / "t.csv")
    data = config(tmp_path / "t.csv", zone, frequency=declared, calendar=[])
    _, report = validate(load(data).frame, data, labels=False)
    (found,) = [f for f in report.errors if f.check == "frequency"]
    assert remedy in found.message


def test_hours_that_a_clock_change_repeats_or_skips_in_order(tmp_path):
    """Quarters of hours of Berlin, over the change in autumn and in spring, of two series in turn."""
    instants = [
        *pd.date_range("2024-10-26 23:00", periods=16, freq="15min", tz="UTC"),
        *pd.date_range("2025-03-29 23:00", periods=16, freq="15min", tz="UTC"),
    ]
    walls = pd.DatetimeIndex(instants).tz_convert("Europe/Berlin").tz_localize(None)
    rows = pd.DataFrame({"day": walls.repeat(2), "s": ["a", "b"] * 32, "y": np.arange(64.0)})
    rows.to_csv(tmp_path / "t.csv", index=False)
    data = config(tmp_path / "t.csv", "Europe/Berlin", series="s", frequency="15min")
    with pytest.raises(DataError, match=r"happens twice .* data\.clock_changes to 'in_order'"):
        load(data)
    ordered = data.model_copy(update={"clock_changes": "in_order"})
    frame = load(ordered).frame
    assert frame.loc[frame["__series"] == "b", TIME].tolist() == instants
    blocks = pd.concat(load_blocks(ordered, ["y"]))
    assert blocks.loc[blocks["__series"] == "a", TIME].tolist() == instants
    # A skipped time is the first one after the change.
    pd.DataFrame({"day": ["2025-03-30 02:30"], "y": [1.0]}).to_csv(tmp_path / "t.csv", index=False)
    one = config(tmp_path / "t.csv", "Europe/Berlin", frequency="30min", clock_changes="in_order")
    assert load(one).frame[TIME].tolist() == [pd.Timestamp("2025-03-30 01:00", tz="UTC")]
