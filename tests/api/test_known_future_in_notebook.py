"""What is known of the rows to forecast, in a notebook: the class, its saved run, and its forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.errors import ConfigError, DataError
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.runs.saved_run import SavedRun

pytestmark = pytest.mark.usefixtures("untraced", "ready_network")


def table(rows=150):
    rng = np.random.default_rng(3)
    index = pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC", name="when")
    return pd.DataFrame({"load": rng.normal(size=rows), "price": np.arange(rows) / 10}, index=index)


def network(folder, x, **changes):
    given = {
        "LSTM_type": "regressor", "architecture": "classic", "model_relative_width": [2],
        "timesteps": 4, "steps_ahead": 3, "known_future": ["price"], "frequency": "1h",
        "model_name": "known", "epochs": 1, **changes,
    }  # fmt: skip
    return fastLSTM(x, x[["load"]], data_storage_path=folder, **given)


def moved(model):
    """The network with weights that make use of all its inputs."""
    rng = np.random.default_rng(0)
    for weight in model.model.trainable_weights:
        weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))


def test_trained_saved_opened_and_forecast_with(tmp_path):
    model = network(tmp_path, table(), holidays={"country": "US"})
    of_time = ["hour_sin", "hour_cos", "holiday", "before_holiday", "after_holiday"]
    names = ["load", "price", "price+3", *(f"{name}+3" for name in of_time)]
    assert list(model.X_test) == names  # 'auto': four days show the course of a day
    np.testing.assert_allclose(
        model.X_train["hour_cos+3"], np.cos(2 * np.pi * (model.X_train.index.hour + 3) / 24)
    )
    model.network_training(1, verbose=0)
    run = SavedRun(model.run_folder)
    assert run.data.features == names and run.data.calendar == ["hour"]
    assert set(run.hyperparameters.future_features) == {*names[2:]}
    assert set(run.inputs) == {"load", "price"}
    assert run.network.get_layer("future_covariates").kernel.shape[0] == 6

    new = table(12)
    new.loc[new.index[-3:], "load"] = np.nan
    moved(model)
    outputs = model.model_predict(new)
    assert len(outputs) == 9 - 4 + 1
    changed = new.copy()
    changed.loc[changed.index[-1], "price"] += 100
    difference = model.model_predict(changed) != outputs
    assert difference.tolist() == [[False] * 3] * 5 + [[False, False, True]]
    with pytest.raises(DataError, match="'price' is not known for all of the 3 rows after"):
        model.model_predict(new.iloc[:11])
    with pytest.raises(ConfigError, match="'hour_sin\\+3' follows from the time of a row"):
        model.model_predict(new.reset_index(drop=True))

    again = fastLSTM().load_all(run.path("hyperparameters"))
    file = tmp_path / "new.csv"
    new.to_csv(file)
    expected = forecast_latest(run, str(file)).frame.sort_values("step")["prediction"]
    np.testing.assert_allclose(again.model_predict(new)[-1], expected, rtol=1e-5)
    again.data_storage_path = tmp_path
    again.network_training(1, verbose=0)
    assert SavedRun(again.run_folder).data == run.data


def test_all_features_may_be_known_ahead(tmp_path):
    """The targets, which are no features, then tell which rows have happened."""
    x = table().assign(height=3.0)
    x["load"] = 5 - x["price"] % 2
    model = fastLSTM(
        x[["price", "height"]], x[["load"]], LSTM_type="regressor", architecture="classic",
        timesteps=4, steps_ahead=3, known_future=["price"], static_features=["height"],
        frequency="1h", calendar=["hour"], epochs=1, data_storage_path=tmp_path,
    )  # fmt: skip
    model.network_training(1, verbose=0)
    new = x.iloc[:12].copy()
    new.loc[new.index[-3:], "load"] = np.nan
    outputs = model.model_predict(new)
    assert len(outputs) == 9 - 4 + 1
    # Columns that the library makes may be filled, too.
    made = new.assign(hour_sin=0.5, hour_cos=0.5)
    assert len(model.model_predict(made)) == len(outputs)
    with pytest.raises(
        DataError, match="the targets tell which rows have happened; give 'load' too"
    ):
        model.model_predict(new.drop(columns="load"))

    run, file = SavedRun(model.run_folder), tmp_path / "new.csv"
    new.to_csv(file)
    latest = forecast_latest(run, str(file)).frame.sort_values("step")
    assert (latest["after"] == new.index[8]).all()
    np.testing.assert_allclose(model.model_predict(new)[-1], latest["prediction"], rtol=1e-4)
    new.drop(columns="load").to_csv(file)
    with pytest.raises(DataError, match="has no column 'load'"):
        forecast_latest(run, str(file))


def test_a_look_back_shorter_than_the_horizon_needs_more_of_them(tmp_path):
    model = network(tmp_path, table(), calendar=[])
    assert list(model.X_test) == ["load", "price", "price+3"]
    model.network_structure_set_compile(timesteps=2)
    assert list(model.X_test) == ["load", "price", "price+1", "price+3"]
    model.network_training(1, verbose=0)
    assert SavedRun(model.run_folder).data.features == list(model.X_test)


@pytest.mark.parametrize(
    ("x", "changes", "features"),
    [
        (table(), {"frequency": None}, ["load", "price+3"]),
        (table(60), {}, ["load", "price+3"]),
        (table().reset_index(drop=True), {"time": table().index}, ["load", "price+3"]),
        (table(), {"known_future": [], "known_ahead": {"price": 2}}, ["load", "price+2", "hour"]),
        (table(), {"LSTM_type": "classifier", "calendar": ["hour"]}, ["load", "price+3", "hour"]),
    ],
)
def test_which_calendar_there_is(tmp_path, x, changes, features):
    if changes.get("LSTM_type") == "classifier":
        x = x.assign(load=(x["load"] > 0).astype(float))
    found = network(tmp_path, x, **changes).X_test
    assert {name.split("_")[0] for name in found} == {"price", *features}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"known_future": ["rain"]}, "known_future: 'rain' is no column of X_data"),
        ({"known_future": ["load"]}, "'load' is in known_future, so it needs no forecast"),
        (
            {"holidays": {"country": "Germny"}},
            "the package holidays has no 'Germny'; use one of DE",
        ),
        ({"calendar": ["decade"]}, "calendar"),
    ],
)
def test_refusals(tmp_path, changes, message):
    with pytest.raises((ConfigError, DataError), match=message):
        network(tmp_path, table(), **changes)
    with pytest.raises(ConfigError, match="calendar, holidays: the rows have no times"):
        network(tmp_path, table().reset_index(drop=True), frequency=None, calendar=["hour"])
