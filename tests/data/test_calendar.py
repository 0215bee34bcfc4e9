"""Calendar features: by hand, in local time, and as declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.config.reading import parse_config
from fastlstm.data.calendar import calendar_features
from fastlstm.data.column_names import SERIES, TIME
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
