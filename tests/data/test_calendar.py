"""Calendar features: by hand, in local time, and as declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.calendar import Holidays, learnable_calendar
from fastlstm.config.data import DataConfig
from fastlstm.config.reading import parse_config
from fastlstm.data.calendar import calendar_features, calendar_of
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.holidays import holiday_features
from fastlstm.data.time_grid import later_rows
from fastlstm.data.validation import validate
from fastlstm.errors import ConfigError
from tests.conftest import build_settings

TIMES = pd.to_datetime(["2024-01-01 00:00", "2024-04-03 06:30", "2024-07-07 18:00"], utc=True)


def test_by_hand():
    found = calendar_features(TIMES, ["hour", "weekday", "month"])
    turn = 2 * np.pi
    for name, share in {
        "hour": [0, 6.5 / 24, 18 / 24],
        "weekday": [0, 2 / 7, 6 / 7],
        "month": [0, 3 / 12, 6 / 12],
    }.items():
        np.testing.assert_allclose(found[f"{name}_sin"], np.sin(turn * np.array(share)), atol=1e-12)
        np.testing.assert_allclose(found[f"{name}_cos"], np.cos(turn * np.array(share)), atol=1e-12)
    assert len(found) == 6


def test_the_zones_clock_counts_summer_and_winter():
    times = pd.to_datetime(["2024-01-15 17:00", "2024-07-15 16:00"], utc=True)
    found = calendar_features(times, ["hour"], "America/New_York")  # noon both times
    np.testing.assert_allclose(found["hour_cos"], [-1, -1])
    late = calendar_features(
        pd.to_datetime(["2024-02-01 03:00"], utc=True), ["month", "weekday"], "America/New_York"
    )
    np.testing.assert_allclose(late["month_cos"], [1])  # still January there
    np.testing.assert_allclose(late["weekday_sin"], [np.sin(2 * np.pi * 2 / 7)])  # a Wednesday


def data(**changes):
    given = {"path": "x.csv", "time": "when", "features": ["a"], "targets": ["a"], **changes}
    return DataConfig.model_validate(given)


def test_declared_ones_are_features_that_the_source_need_not_have():
    declared = data(calendar=["hour", "month"])
    assert declared.features == ["a", "hour_sin", "hour_cos", "month_sin", "month_cos"]
    assert declared.read_features == declared.value_columns == ["a"]
    assert declared.source_columns == ["when", "a"]
    again = DataConfig.model_validate(declared.model_dump())
    assert again == declared
    # A column that merely has such a name is the source's.
    assert data(features=["a", "hour_sin"]).value_columns == ["a", "hour_sin"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"calendar": ["hour", "hour"]}, "calendar: 'hour' is listed twice"),
        ({"calendar": ["decade"]}, "calendar"),
        ({"calendar": ["hour"], "targets": ["hour_sin"]}, "'hour_sin' is a calendar feature"),
        (
            {"holidays": {"country": "Germny"}},
            "data.holidays.country: the package holidays has no 'Germny'; use one of DE",
        ),
        (
            {"holidays": {"country": "DE", "subdivision": "Berlyn"}},
            "data.holidays.subdivision: 'DE' has no 'Berlyn'; use one of BE",
        ),
        (
            {"holidays": {"country": "DE"}, "frequency": "1W"},
            "holidays: needs rows of a day or less, frequency is '1W'",
        ),
    ],
)
def test_refusals(tmp_path, changes, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_config(build_settings(tmp_path, data=changes), tmp_path)


def test_the_clean_table_has_them_at_the_rows_that_are_left():
    frame = pd.DataFrame({SERIES: "", TIME: TIMES, "a": [1.0, np.nan, 3.0]})
    rules = {"a": {"missing": "drop", "max_missing_share": 0.5}}
    declared = data(calendar=["hour"], columns=rules)
    clean, report = validate(frame, declared, labels=False)
    assert report.passed, report.errors
    np.testing.assert_allclose(clean["hour_sin"], [0, -1], atol=1e-12)
    np.testing.assert_allclose(clean["hour_cos"], [1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "time", "phase"),
    [
        ("minute", "2024-01-01 00:15", 1 / 4),
        ("day", "2024-02-15", 14 / 29),
        ("day_of_year", "2024-12-31", 365 / 366),
        ("day_of_year", "2023-12-31", 364 / 365),
        ("week", "2024-01-08", 1 / 53),
        ("quarter", "2024-07-01", 2 / 4),
    ],
)
def test_other_kinds_by_hand(kind, time, phase):
    found = calendar_features(pd.to_datetime([time], utc=True), [kind])
    np.testing.assert_allclose(found[f"{kind}_sin"], [np.sin(2 * np.pi * phase)], atol=1e-12)
    np.testing.assert_allclose(found[f"{kind}_cos"], [np.cos(2 * np.pi * phase)], atol=1e-12)


def test_holidays_with_the_days_before_and_after():
    days = pd.date_range("2023-03-04 23:30", periods=8, freq="1D", tz="UTC")
    found = holiday_features(days, Holidays(country="DE", subdivision="BE"), "Europe/Berlin")
    # Half past midnight in Berlin: from Sunday the 5th; Women's Day on the 8th is Berlin's own.
    assert found["holiday"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    np.testing.assert_allclose(found["before_holiday"], [1 / 3, 2 / 3, 1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(found["after_holiday"], [0, 0, 0, 0, 1, 2 / 3, 1 / 3, 0])
    bavaria = holiday_features(days, Holidays(country="DE", subdivision="BY"), "Europe/Berlin")
    assert not any(values.any() for values in bavaria.values())
    # The day after the table's last year is looked up too.
    (eve,) = holiday_features(pd.to_datetime(["2023-12-31"], utc=True), Holidays(country="DE"))[
        "before_holiday"
    ]
    assert eve == 1


@pytest.mark.parametrize(
    ("frequency", "days", "kinds"),
    [
        (None, 5_000, []),
        ("1h", 2, []),
        ("1h", 4, ["hour"]),
        ("15min", 22, ["hour", "weekday"]),
        ("1h", 800, ["hour", "weekday", "day_of_year"]),
        ("1D", 100, ["weekday"]),
        ("B", 800, ["weekday", "day_of_year"]),
        ("W-SUN", 700, []),
        ("W-SUN", 800, ["day_of_year"]),
        ("MS", 1_000, []),
        ("ME", 1_100, ["month"]),
        ("QS", 1_100, ["quarter"]),
        ("YS", 9_000, []),
    ],
)
def test_auto_takes_what_the_train_rows_can_teach(frequency, days, kinds):
    assert learnable_calendar(frequency, days * 86_400, 6) == kinds


def test_auto_takes_no_period_that_the_look_back_shows():
    days = 800 * 86_400
    assert learnable_calendar("1h", days, 7 * 24) == ["weekday", "day_of_year"]
    assert learnable_calendar("1h", days, 7 * 24 - 1) == ["hour", "weekday", "day_of_year"]
    assert learnable_calendar("1D", days, 49) == ["day_of_year"]


@pytest.mark.parametrize(
    ("frequency", "zone"),
    [("1h", "America/New_York"), ("1D", "America/New_York"), ("MS", "Europe/Berlin"),
     ("W-SUN", "UTC"), ("B", "UTC")],
)  # fmt: skip
def test_the_time_of_a_later_row_is_that_of_the_grid(frequency, zone):
    grid = pd.date_range("2024-02-25", periods=60, freq=frequency, tz=zone).tz_convert("UTC")
    found = later_rows(grid[:50], 10, frequency, zone)
    assert (found == grid[10:]).all()  # over the change to summer time


def test_the_calendar_of_a_later_row_does_not_depend_on_there_being_one():
    declared = data(
        frequency="1h", calendar=["hour"], holidays={"country": "US"}, time_zone="America/New_York"
    ).with_future([3], 3)[0]
    names = [f"{name}+3" for name in (
        "hour_sin", "hour_cos", "holiday", "before_holiday", "after_holiday",
    )]  # fmt: skip
    assert declared.features == ["a", *names]
    times = pd.date_range("2024-07-03 12:00", periods=30, freq="1h", tz="UTC")
    found = calendar_of(times, declared)
    assert list(found) == names
    later = calendar_features(times[3:], ["hour"], "America/New_York", declared.holidays)
    for name, values in later.items():
        np.testing.assert_allclose(found[f"{name}+3"][:-3], values)
    # A table whose run was stored with the calendar of the row itself still gets that.
    old = data(frequency="1h", calendar=["hour"], features=["a", "hour_sin", "hour_cos"])
    assert list(calendar_of(times, old)) == ["hour_sin", "hour_cos"] and old.read_features == ["a"]


def test_a_table_with_a_calendar_of_its_own_gets_no_second_one():
    half_a_year = 180 * 86_400.0
    assert learnable_calendar("1h", half_a_year, 24) == ["hour", "weekday"]
    assert learnable_calendar("1h", half_a_year, 24, ["hour_sin", "load"]) == ["weekday"]
