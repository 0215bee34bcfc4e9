"""The picture of forecasts: history, forecast and intervals of the worst series and a few."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.data import DataConfig
from fastlstm.errors import ConfigError
from fastlstm.forecasting.shown_series import shown_series
from fastlstm.reporting.forecast_figure import forecast_figure, probability_figure
from fastlstm.runs.forecast_picture import require_picture

HOURS = pd.date_range("2024-01-01", periods=30, freq="h", tz="UTC")


def forecasts(series, targets, steps=3):
    rows = [
        (label, step, HOURS[24 + step], target, 10.0 * number + step)
        for number, label in enumerate(series)
        for step in range(1, steps + 1)
        for target in targets
    ]
    return pd.DataFrame(rows, columns=["series", "step", "time", "target", "prediction"])


def test_a_panel_shows_the_rows_before_the_forecast_and_the_bounds_of_each_level():
    made = forecasts(["a", "b"], ["load"])
    history = pd.DataFrame({"series": "b", "time": HOURS[:25], "load": np.arange(25.0)})
    bounds = pd.concat(
        made.drop(columns=["time", "prediction"]).assign(
            level=level, lower=made["prediction"] - by, upper=made["prediction"] + by
        )
        for level, by in ((0.8, 1.0), (0.95, 2.0))
    )
    figure = forecast_figure(history, made, bounds, ["b", "a"], {"load": "MW"}, "Asia/Tokyo")
    first, second = figure.axes
    assert first.get_title() == "b, forecast from 2024-01-02 10:00"
    assert first.get_ylabel() == "load (MW)" and second.get_xlabel() == "time (Asia/Tokyo)"
    past, forecast = first.lines
    assert past.get_ydata().tolist() == np.arange(13.0, 25).tolist()  # four rows for each step
    assert forecast.get_ydata().tolist() == [11.0, 12.0, 13.0]
    assert len(second.lines) == 1  # nothing is known of its past
    wide, narrow = (area.get_datalim(first.transData).y1 for area in first.collections)
    assert (wide, narrow) == (15.0, 14.0)


def test_a_classifier_has_a_line_for_each_class():
    made = forecasts([""], ["dry", "wet"]).assign(prediction=0.5)
    (ax,) = probability_figure(made, [""], ["dry", "wet"], "UTC").axes
    assert [line.get_label() for line in ax.lines] == ["dry", "wet"]
    assert ax.get_ylim() == (0, 1)


def test_the_worst_series_come_first():
    errors = {"a": 1.0, "b": 3.0, "c": None, "d": 2.0, "e": 0.5}
    scores = {label: {"model": {"mase": error}} for label, error in errors.items()}
    run = SimpleNamespace(metrics={"by_series": scores, "primary": {"name": "mase"}})
    assert shown_series(run, [*errors, "new"]) == ["b", "d", "a", "c"]
    assert shown_series(run, ["new", "e"]) == ["e", "new"]
    run.metrics["primary"]["better"] = "higher"
    assert shown_series(run, [*errors, "new"]) == ["e", "a", "b", "c"]


def test_what_cannot_be_drawn_is_refused_before_any_work():
    settings = {"path": "t.csv", "time": "t", "features": ["y"], "targets": ["y"]}
    hourly = DataConfig(**settings, frequency="1h")
    require_picture("f.png", hourly, many=False)
    for file, data, many, reason in (
        ("f.jpg", hourly, False, "must end in .png"),
        ("f.png", hourly, True, "models_by makes many"),
        ("f.png", DataConfig(**settings), False, "set data.frequency and retrain"),
    ):
        with pytest.raises(ConfigError, match=reason):
            require_picture(file, data, many=many)
