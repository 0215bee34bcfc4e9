"""Known future covariates: by hand, at gaps and ends, and in windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.config.reading import parse_config
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.known_future import is_ahead
from fastlstm.data.validation import validate
from fastlstm.errors import ConfigError
from tests.conftest import build_settings


def data(**changes):
    given = {
        "path": "x.csv", "time": "when", "series": "site", "frequency": "1h",
        "features": ["load", "price"], "targets": ["load"], "known_ahead": {"price": 2}, **changes,
    }  # fmt: skip
    return DataConfig.model_validate(given)


def table(hours, load, price, series=None):
    return pd.DataFrame(
        {
            SERIES: series or ["a"] * len(hours),
            TIME: pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(hours, unit="h"),
            "load": load,
            "price": price,
        }
    )


def cleaned(frame, settings):
    clean, report = validate(frame, settings, labels=False)
    assert report.passed, report.errors
    return clean


def test_the_value_so_many_rows_later_in_the_same_block():
    frame = table([0, 1, 2, 3, 7, 8], [1.0] * 6, [10.0, 11, 12, 13, 17, 18])
    clean = cleaned(frame, data())
    np.testing.assert_array_equal(clean["price+2"], [12, 13] + [np.nan] * 4)
    assert clean[SEGMENT].tolist() == [0, 0, 0, 0, 1, 1]
    assert data().features == ["load", "price", "price+2"]
    assert data().read_features == ["load", "price"]
    assert DataConfig.model_validate(data().model_dump()) == data()


def test_rows_of_known_future_covariates_alone_fill_the_end_of_their_series():
    nan = np.nan
    frame = table(
        [0, 1, 2, 3, 4, 0, 1, 2, 4],
        [1.0, 2, 3, nan, nan, 5, 6, nan, nan],
        [10.0, 11, 12, 13, 14, 20, 21, 22, 24],
        ["a"] * 5 + ["b"] * 4,
    )
    assert is_ahead(frame, data(), ["load", "price"]).tolist() == [False] * 3 + [True] * 2 + [
        False, False, True, True,
    ]  # fmt: skip
    clean = cleaned(frame, data())
    assert clean["load"].tolist() == [1, 2, 3, 5, 6]  # not missing: they have not happened
    # Series b has no row at 3, so its row at 4 is not the second row ahead.
    np.testing.assert_array_equal(clean["price+2"], [12, 13, 14, 22, nan])
    # Without a frequency rows count as they come.
    clean = cleaned(frame, data(frequency=None))
    np.testing.assert_array_equal(clean["price+2"], [12, 13, 14, 22, 24])


@pytest.mark.parametrize(
    ("known", "values", "happened"),
    [
        ({"known_ahead": {"price": 2}}, ["price", "load"], 3),
        ({"known_ahead": {}, "static": ["price"]}, ["price", "load"], 3),
        ({"known_ahead": {}, "features": ["price", "load"], "static": ["price"]}, None, 5),
    ],
)
def test_targets_tell_what_has_happened_where_all_features_are_known(known, values, happened):
    frame = table([0, 1, 2, 3, 4], [1.0, 2, 3, np.nan, np.nan], [1.0] * 5)
    settings = data(**{"features": ["price"], **known})
    ahead = is_ahead(frame, settings, values or settings.value_columns)
    assert ahead.tolist() == [False] * happened + [True] * (5 - happened)


def test_a_missing_value_amid_the_rows_is_still_refused():
    frame = table([0, 1, 2, 3], [1.0, np.nan, 3, np.nan], [1.0, 2, 3, 4])
    _, report = validate(frame, data(), labels=False)
    (error,) = report.errors
    assert error.column == "load" and error.rows == 1
    _, report = validate(table([0, 1], [np.nan] * 2, [1.0, 2]), data(), labels=False)
    (error,) = report.errors
    assert error.column == "load" and error.rows == 2


def test_rows_of_the_future_may_hold_known_and_static_columns_alone():
    nan = np.nan
    frame = table([0, 1, 2, 3], [1.0, 2, nan, nan], [10.0, 11, 12, 13]).assign(height=5.0)
    declared = data(known_ahead={}, known_future=["price"], static=["height"])
    assert declared.features == ["load", "price", "height"]
    assert is_ahead(frame, declared, declared.read_features).tolist() == [False, False, True, True]
    shifted, future = declared.with_future([2], 2)
    assert shifted.features == ["load", "price", "height", "price+2"] and future == {"price+2": 2}
    assert cleaned(frame, shifted)["price+2"].tolist() == [12, 13]
    # Without anything known ahead, a row without its load is a row with a missing value.
    assert not is_ahead(frame, data(known_ahead={}, static=["height"]), ["load"]).any()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"known_future": ["load"]}, "targets: 'load' is in known_future"),
        ({"known_future": ["heat"], "known_ahead": {"heat": 1}}, "'heat' is in known_future too"),
        ({"known_future": ["heat"], "static": ["heat"]}, "'heat' is in static too"),
        ({"known_ahead": {"rain": 1}}, "known_ahead: 'rain' is not in features"),
        ({"known_ahead": {"heat": 0}}, "known_ahead: 'heat' has 0 rows"),
        ({"known_ahead": {"load": 1}}, "targets: 'load' is in known_ahead"),
        ({"known_ahead": {"heat": 9}}, r"'heat' has 9 rows, hyperparameters.steps_ahead is \d"),
    ],
)
def test_refusals(tmp_path, changes, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_config(build_settings(tmp_path, data={"targets": ["load"], **changes}), tmp_path)
