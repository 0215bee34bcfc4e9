"""Rows that the class takes: order, names, times, series, and rows it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import LSTMRegressor, fastLSTM
from fastlstm.errors import DataError
from tests.api.examples import classifier, regressor, settings_file
from tests.conftest import make_panel


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y.head(10)), "Y_data: has 10 rows, X_data 300"),
        (lambda x, y: (x, y.shift(freq="1h")), "index differs"),
        (lambda x, y: (x.assign(a=np.nan), y), "column 'a' has 300 missing or infinite"),
        (lambda x, y: (x, y.replace(y.iloc[7, 0], np.inf)), "column 'next' has 1 missing"),
        (lambda x, y: (x.assign(a=x.index), y), "column 'a' holds datetime"),
        (lambda x, y: (x.iloc[::-1], y.iloc[::-1]), "time: row 1 is not after"),
        (lambda x, y: (x.iloc[:0], y.iloc[:0]), "is empty"),
        (lambda x, y: (np.zeros((4, 2, 2)), np.zeros(4)), "has shape"),
    ],
)
def test_rows_that_cannot_be_used(wave, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        regressor(*change(*wave), tmp_path)


def test_labels_must_be_zero_and_one(wave, tmp_path):
    with pytest.raises(DataError, match=r"column 'next' holds .* a classifier's labels"):
        classifier(*wave, tmp_path)


def test_series_are_never_mixed(tmp_path):
    panel = make_panel(rows=60)
    interleaved = panel.sort_values(["when", "site"]).reset_index(drop=True)
    model = fastLSTM(
        interleaved[["load"]], interleaved["load"], series=interleaved["site"],
        time=interleaved["when"], LSTM_type="regressor", timesteps=5, data_storage_path=tmp_path,
    )  # fmt: skip
    windows = model._windows().read("train")
    for name in ("a", "b"):
        own = panel.loc[panel["site"] == name, "load"].to_numpy()
        train = own[:42]
        scaled = (own - train.mean()) / train.std()
        found = windows.x[windows.series == name][:, :, 0]
        np.testing.assert_allclose(found[3], scaled[3:8], rtol=1e-5)
    assert model.X_train.index.is_monotonic_increasing


def test_windows_do_not_cross_a_hole_where_a_frequency_is_declared(wave, tmp_path):
    x, y = wave
    keep = np.delete(np.arange(300), [100, 101])
    blind = regressor(x.iloc[keep], y.iloc[keep], tmp_path)
    seeing = regressor(x.iloc[keep], y.iloc[keep], tmp_path, frequency="1h")
    assert blind._windows().count("train") == seeing._windows().count("train") + 6
    with pytest.raises(DataError, match="off a grid of 2h"):
        regressor(x, y, tmp_path, frequency="2h")
    with pytest.raises(DataError, match="without times"):
        regressor(x.to_numpy(), y.to_numpy(), tmp_path, frequency="1h")


def test_the_season_of_train_rows_is_found_where_a_frequency_is_declared(tmp_path):
    times = pd.date_range("2024-01-01", periods=400, freq="1h", name="when")
    noise = np.random.default_rng(0).normal(0, 0.3, 400)
    x = pd.DataFrame({"a": np.sin(2 * np.pi * np.arange(400) / 24) + noise}, index=times)

    def manifest(**settings):
        return regressor(x, x, tmp_path, **settings)._windows().manifest

    found = manifest(frequency="1h")
    assert (found["season"], found["seasons"]) == (24, [24])
    assert manifest()["season"] is None


def test_targets_that_look_ahead_stay_in_their_split(wave, tmp_path):
    x, _ = wave
    y = x["a"].rolling(4).max().shift(-3).rename("top")  # of the next 4 rows; unknown at the end
    model = regressor(x, y, tmp_path, target_lookahead=3)
    train = model._windows().read("train").origin
    assert train.max() == np.datetime64(
        model.X_train.index.max().tz_localize(None)
    ) - np.timedelta64(3, "h")
    assert model.Y_scaler.n_samples_seen_ == 207
    model.network_training(1, verbose=0)
    # The baseline's last known value is that of four rows before the origin.
    predictions = pd.read_parquet(next(model.run_folder.glob("*PREDICTIONS*")))
    known = y.reindex(predictions["origin"] - pd.Timedelta("4h")).to_numpy()
    np.testing.assert_allclose(predictions["last_value"], known)
    again = fastLSTM().load_all(settings_file(model))
    assert again._windows().count("test") == model._windows().count("test")
    with pytest.raises(DataError, match="missing or infinite"):
        regressor(x, y, tmp_path)


def test_features_and_targets_may_share_a_name(wave, tmp_path):
    x, _ = wave
    y = x[["a"]].shift(-1).iloc[:-1]
    model = regressor(x.iloc[:-1], y, tmp_path)
    np.testing.assert_array_equal(model.Y_train["a"].iloc[0], x["a"].iloc[1])
    model.network_training(1, verbose=0)
    again = fastLSTM().load_all(settings_file(model))
    np.testing.assert_allclose(again.Y_train["a"], model.Y_train["a"])


def test_arrays_without_names_or_times(tmp_path):
    rng = np.random.default_rng(0)
    model = fastLSTM(
        rng.normal(size=(200, 2)), rng.normal(size=200), LSTM_type="regressor", timesteps=3,
        data_storage_path=tmp_path,
    )  # fmt: skip
    assert list(model.X_train) == ["X_0", "X_1"] and list(model.Y_train) == ["Y"]
    model.network_training(1, verbose=0)
    assert "row 170 to 199" in repr(model)
    again = fastLSTM().load_all(settings_file(model))
    np.testing.assert_array_equal(again.X_test_s, model.X_test_s)
    report = next(model.run_folder.glob("*REPORT*")).read_text()
    assert "windows, row 170 to row 199." in report and "1970" not in report


def test_sample_weight(wave, tmp_path):
    x, y = wave
    y = y.copy()
    y.iloc[::2] += 5
    weight = np.where(np.arange(300) % 2 == 0, 1.0, 0.0)
    model = regressor(x, y, tmp_path, sample_weight=weight, learning_rate=0.1, batch_size=256)
    model.network_training(8, verbose=0)
    forecast = model.model_predict(x)
    assert forecast.mean() == pytest.approx(15, abs=0.8)  # the mean of the rows of weight 0 is 10
    with pytest.raises(DataError, match="sample_weight: has 3 values for 300 rows"):
        regressor(x, y, tmp_path, sample_weight=[1, 2, 3])
    with pytest.raises(DataError, match="not negative"):
        regressor(x, y, tmp_path, sample_weight=-weight)


@pytest.mark.parametrize(
    ("first", "last", "split"), [(0, 210, "train"), (205, 256, "validation"), (0, 300, "train")]
)
def test_weights_of_zero_in_a_whole_split_are_refused_before_training(
    wave, tmp_path, first, last, split
):
    x, y = wave
    weight = np.ones(300)
    weight[first:last] = 0
    with pytest.raises(DataError, match=f"sample_weight: is 0 for every {split} window"):
        regressor(x, y, tmp_path, sample_weight=weight).network_training(1, verbose=0)
    # A window's weight is the mean over its target rows: one of them is enough.
    weight[first:last] = 0
    weight[250] = weight[100] = 1
    regressor(x, y, tmp_path, sample_weight=weight, steps_ahead=2)._windows()


@pytest.mark.parametrize(("rows", "split"), [(slice(0, 210), "train"), (slice(210, 300), "valid")])
def test_estimators_refuse_weights_of_zero_in_a_whole_split(wave, rows, split):
    weight = np.ones(300)
    weight[rows] = 0
    with pytest.raises(DataError, match=f"sample_weight: is 0 for every {split}"):
        LSTMRegressor(validation_size_rate=0.3).fit(*wave, sample_weight=weight)
