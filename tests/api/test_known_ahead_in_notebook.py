"""``known_ahead`` of the class: shifted by series, scaled by train rows, saved, and forecast with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.api import prepared_rows
from fastlstm.errors import ConfigError, DataError
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.runs.saved_run import SavedRun

_ROWS = 150


def table(rows=_ROWS, jump=0.0):
    rng = np.random.default_rng(3)
    index = pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC", name="when")
    frame = pd.DataFrame(
        {"load": rng.normal(size=rows), "price": np.arange(rows) / 10}, index=index
    )
    frame.iloc[int(_ROWS * 0.7) :, 1] += jump
    return frame


def network(folder, x, **changes):
    given = {
        "LSTM_type": "regressor", "architecture": "classic", "model_relative_width": [2],
        "timesteps": 4, "steps_ahead": 3, "known_ahead": {"price": 2}, "model_name": "ahead",
        "scaler": "StandardScaler", **changes,
    }  # fmt: skip
    return fastLSTM(x, x[["load"]], data_storage_path=folder, **given)


def test_each_series_has_its_own_rows_ahead_and_windows_hold_known_values(tmp_path):
    one, other = table(), table().assign(price=lambda t: t["price"] + 1_000)
    both = pd.concat([one, other])
    model = network(tmp_path, both, series=["a"] * _ROWS + ["b"] * _ROWS)
    assert list(model.X_test) == ["load", "price", "price+2"]
    got = pd.concat([model.X_train, model.X_validation, model.X_test])["price+2"]
    wanted = pd.concat([one["price"].shift(-2), other["price"].shift(-2)])
    pd.testing.assert_series_equal(got.sort_values(), wanted.rename("price+2").sort_values())
    assert got.isna().sum() == 4
    windows = model._windows()
    assert all(np.isfinite(windows.read(s).x).all() for s in ("train", "validation", "test"))
    # The last forecast with both prices known begins at the last row but one.
    assert windows.origin_rows("test").max() == 2 * _ROWS - 3


def test_it_is_saved_with_the_run_and_forecasts_from_rows_that_hold_it_alone(tmp_path):
    model = network(tmp_path, table())
    model.network_training(1, verbose=0)
    run = SavedRun(model.run_folder)
    assert run.data.known_ahead == {"price": 2}
    new = table(12)
    new.loc[new.index[-2:], "load"] = np.nan
    outputs = model.model_predict(new)
    assert len(outputs) == 10 - 4 + 1
    file = tmp_path / "new.csv"
    new.to_csv(file)
    expected = forecast_latest(run, str(file)).frame.sort_values("step")["prediction"]
    # Of one window as the forecast is: sums over several may come in another order.
    (latest,) = model.model_predict(new.iloc[-(4 + 2) :])
    np.testing.assert_allclose(latest, expected, rtol=1e-6)
    np.testing.assert_allclose(outputs[-1], latest, rtol=1e-5)
    by_hand = new.assign(**{"price+2": new["price"].shift(-2)}).iloc[:10]
    np.testing.assert_array_equal(outputs, model.model_predict(by_hand))

    again = fastLSTM().load_all(run.path("hyperparameters"))
    np.testing.assert_array_equal(outputs, again.model_predict(new))
    again.data_storage_path = tmp_path
    again.network_training(1, verbose=0)
    assert SavedRun(again.run_folder).data.known_ahead == {"price": 2}
    for short in (new.iloc[:10], new.iloc[:11]):
        with pytest.raises(DataError, match="'price' is not known for all of the 2 rows after"):
            again.model_predict(short)
    with pytest.raises(DataError, match="column 'load' holds missing values"):
        model.model_predict(new.assign(load=[1.0, np.nan] + [1.0] * 8 + [np.nan] * 2))


def test_its_scaler_sees_no_value_from_beyond_train(tmp_path, monkeypatch):
    def scale():
        return [network(tmp_path, table(jump=jump)).X_scaler.mean_ for jump in (0, 1e6)]

    np.testing.assert_array_equal(*scale())
    monkeypatch.setattr(prepared_rows, "later_times", lambda *_: {})
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(*scale())


def test_a_backtest_has_known_future_covariates(tmp_path):
    model = network(tmp_path, table(), epochs=1)
    assert model._config().data.ahead_columns == {"price+2": 2}
    with pytest.raises(ConfigError, match="window"):
        model.backtest(2, window="rolling")
    found = model.backtest(2)
    assert len(found.table) == 3  # two folds, and all


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rain": 2}, r"known_ahead: 'rain' is no column of X_data, which has \['load', 'price'\]"),
        ({"price": 0}, "known_ahead: 'price' has 0 rows; give 1 or more"),
        ({"price": 4}, "known_ahead: 'price' has 4 rows, hyperparameters.steps_ahead is 3"),
        ({"load": 2}, "'load' is in known_ahead, so it needs no forecast"),
    ],
)
def test_refusals(tmp_path, given, message):
    with pytest.raises((ConfigError, DataError), match=message):
        network(tmp_path, table(), known_ahead=given).network_training(1, verbose=0)
