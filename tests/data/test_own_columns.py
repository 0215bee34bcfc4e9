"""A table's own column never takes the name of one that the settings make, nor the other way round."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.api.known_columns import known_columns_of
from fastlstm.config.calendar import learnable_calendar
from fastlstm.config.data import DataConfig
from fastlstm.config.reading import parse_config
from fastlstm.data.calendar import calendar_features
from fastlstm.data.reading import load, load_blocks
from fastlstm.errors import ConfigError, DataError
from tests.conftest import build_settings

TIMES = pd.date_range("2024-01-01", periods=30, freq="1h", tz="UTC")
HOUR = "which data.calendar makes of 'hour'; rename it there or leave it out, or remove 'hour' from"

# Column, settings of data, what the refusal says, and what its advice changes in them.
CASES = [
    ("hour_sin", {"calendar": ["hour"]}, HOUR, {"calendar": []}),
    ("hour_sin", {"calendar": ["hour"], "frequency": None}, HOUR, {"calendar": []}),
    ("hour_sin+2", {"calendar": ["hour"]}, HOUR, {"calendar": []}),
    (
        "holiday", {"holidays": {"country": "DE"}}, "data.holidays makes; .* or remove data.holidays",
        {"holidays": None},
    ),
    (
        "price+2", {"known_future": ["price"]},
        "data.known_future makes of 'price' 2 rows later; .* remove 'price' from data.known_future",
        {"known_future": [], "features": ["load", "heat", "price", "price+2"]},
    ),
    (
        "price+1", {"known_ahead": {"price": 1}, "features": ["load", "heat", "price", "price+1"]},
        "data.known_ahead makes of 'price' 1 rows later; .* remove 'price' from data.known_ahead",
        {"known_ahead": {}},
    ),
    (
        "site=a", {"embedded_series": ["a", "b"]},
        "data.embedded_series makes of series 'a'; .* leave 'a' out of data.embedded_series",
        {"embedded_series": ["b"]},
    ),
    (
        "peak", {
            "derived_targets": {"peak": {"column": "load", "operation": "max", "horizon": 2}},
            "targets": ["peak"], "features": ["load", "heat"],
        },
        "data.derived_targets makes; .* or give the derived target another name",
        {
            "derived_targets": {"top": {"column": "load", "operation": "max", "horizon": 2}},
            "targets": ["top"],
        },
    ),
    (
        "heat=1", {"columns": {"heat": {"dtype": "category"}}, "categories": {"heat": ["1", "2"]},
                   "features": ["load", "heat"]},
        "category '1' of 'heat' becomes; .* or rename 'heat'",
        {"columns": {}, "categories": {}},
    ),
]  # fmt: skip


def settings_of(folder, column, changes):
    """Settings of a file with this column, and the file."""
    frame = pd.DataFrame({
        "when": TIMES, "site": "a", "load": np.arange(30.0), "heat": np.arange(30) % 2 + 1, "price": 3.0,
    }).assign(**{column: 0.25})  # fmt: skip
    given = build_settings(folder, frame, data={"features": ["load", "heat", column], **changes})
    return given, parse_config(given, folder).data


@pytest.mark.parametrize(("column", "changes", "message", "remedy"), CASES)
def test_files_with_a_column_that_settings_make(tmp_path, column, changes, message, remedy):
    _, data = settings_of(tmp_path, column, changes)
    for read in (lambda: load(data), lambda: list(load_blocks(data, data.value_columns))):
        with pytest.raises(
            DataError, match=rf"table.csv: has a column '{column}'".replace("+", r"\+")
        ):
            read()
        with pytest.raises(DataError, match=message):
            read()
    _, followed = settings_of(tmp_path, column, {**changes, **remedy})
    read_again = load(followed).frame
    if column in followed.features:
        assert (read_again[column] == 0.25).all()
    # Rows to forecast from may have it: it is not read.
    assert column not in load(data, require=data.read_features).frame


def test_the_calendar_of_auto_is_none_whose_columns_the_table_has():
    half_a_year = 86_400 * 182.0
    assert learnable_calendar("1h", half_a_year, 24, ["hour_sin+2", "load"]) == ["weekday"]


def test_two_columns_that_become_one():
    def data(**changes):
        return DataConfig.model_validate({"path": "x", "time": "when", "targets": ["y"], **changes})

    text = {"dtype": "category"}
    with pytest.raises(
        ValueError, match="'a=b=c' is what category 'c' of 'a=b' becomes, and another"
    ):
        data(
            features=["a", "a=b"], columns={"a": text, "a=b": text},
            categories={"a": ["b=c"], "a=b": ["c"]},
        )  # fmt: skip
    with pytest.raises(ValueError, match="'y: sun' is what class 'sun' of target 'y' becomes"):
        data(features=["y: sun"], columns={"y": text}, categories={"y": ["fog", "rain", "sun"]})


def notebook(column, values=0.25, **settings):
    x = pd.DataFrame({"load": np.arange(30.0), "price": 3.0, "sky": ["a", "b"] * 15}, TIMES)
    y = x["load"].rename("y")
    return fastLSTM(
        x.assign(**{column: values}), y, LSTM_type="regressor", timesteps=3, steps_ahead=2,
        frequency="1h", **{"calendar": [], **settings},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "settings", "message", "remedy"),
    [
        ("hour_sin", {"calendar": ["hour"]}, "remove 'hour' from calendar", {"calendar": []}),
        ("hour_cos+2", {"calendar": ["hour"]}, "remove 'hour' from calendar", {"calendar": []}),
        ("holiday", {"holidays": {"country": "DE"}}, "or remove holidays", {}),
        ("price+1", {"known_ahead": {"price": 1}}, "remove 'price' from known_ahead", {}),
        ("price+2", {"known_future": ["price"]}, "remove 'price' from known_future", {}),
    ],
)
def test_a_notebook_with_a_column_that_settings_make(column, settings, message, remedy):
    with pytest.raises(DataError, match=f"X_data: has a column .* with other values.* {message}"):
        notebook(column, **settings)
    assert column in notebook(column, **remedy).X_train


def test_the_same_values_are_taken_and_other_ones_refused_to_forecast_from():
    made = calendar_features(TIMES, ["hour"])["hour_sin"]
    model = notebook("hour_sin", made, calendar=["hour"])
    data = model._inputs.data
    rows = pd.DataFrame({"load": np.arange(30.0), "hour_sin": made}, TIMES)
    assert "hour_sin" not in known_columns_of(rows, data)
    with pytest.raises(DataError, match="with other values, first in row 0: 1, made 0"):
        known_columns_of(rows.assign(hour_sin=1.0), data)


def test_a_notebook_with_a_column_that_a_category_becomes():
    with pytest.raises(
        DataError, match="a category of 'sky' becomes 'sky=b', which is another col"
    ):
        notebook("sky=b")
    assert "color=b" in notebook("color=b").X_train


def test_a_calendar_whose_column_is_a_target():
    with pytest.raises(ConfigError, match="targets: 'hour_sin' is a calendar feature"):
        load = pd.Series(np.arange(30.0), TIMES, name="load")
        fastLSTM(
            load, load.rename("hour_sin"),
            LSTM_type="regressor", timesteps=3, frequency="1h", calendar=["hour"],
        )  # fmt: skip
