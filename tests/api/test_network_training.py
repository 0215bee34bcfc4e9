"""Trainings by the class: what is learned, chosen, saved and interrupted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.network.keras_import import import_keras
from fastlstm.training.calibration import Correction
from tests.api.examples import classifier, regressor, settings_file
from tests.conftest import make_panel


def test_class_and_pipeline_train_the_same_network(tmp_path):
    """Same rows, settings and seed give the same numbers by either way."""
    from fastlstm.config.reading import parse_config
    from fastlstm.training.fit import fit
    from tests.conftest import build_settings
    from tests.steps.test_time_rules import steps

    panel = make_panel()
    brief = {"epochs": 1, "batch_size": 128}
    config = parse_config(build_settings(tmp_path, panel, hyperparameters=brief))
    history = fit(steps(tmp_path, panel, config), config.hyperparameters).history
    model = fastLSTM(
        panel[["load", "heat"]], panel[["load"]], series=panel["site"], time=panel["when"],
        data_storage_path=tmp_path, **config.hyperparameters.model_dump(),
    )  # fmt: skip
    pd.testing.assert_frame_equal(model.network_training(1, verbose=0), history, check_exact=True)


def test_a_network_built_first_has_the_naive_forecasts_of_the_seasons_found(tmp_path):
    rows = np.arange(300)
    load = np.sin(2 * np.pi * rows / 24) + np.random.default_rng(0).normal(0, 0.1, 300)
    table = pd.DataFrame({"load": load})
    model = fastLSTM(
        table, table, time=pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC"),
        frequency="1h", calendar=[], LSTM_type="regressor", timesteps=24, steps_ahead=2,
        segment_units=4, batch_size=256, data_storage_path=tmp_path,
    )  # fmt: skip
    built = model.network_structure_set_compile()
    model.network_training(1, verbose=0)
    assert model.model is built
    facts = json.loads(next(model.run_folder.glob("manifest.json")).read_text())["training"]
    assert "seasonal_naive_24" in facts["combination"]["weights"]


@pytest.mark.soak
def test_each_step_is_learned_as_its_own(tmp_path):
    """Targets count up, so step k is the last value plus k: no single value fits all steps."""
    rows = np.arange(300.0)
    y = pd.Series(np.sin(rows / 6), name="y")
    x = pd.DataFrame({"s": np.sin(rows / 6), "c": np.cos(rows / 6)})
    model = fastLSTM(
        x, y, LSTM_type="regressor", timesteps=4, steps_ahead=8, learning_rate=0.1, batch_size=128,
        model_relative_width=[8], data_storage_path=tmp_path,
    )  # fmt: skip
    model.network_training(8, verbose=0)
    _, report = model.network_predictions_evaluation(output_dict=True)
    assert list(report) == [f"y_step_{k}" for k in range(1, 9)]
    assert all(step["r2"] > 0.9 for step in report.values()), report


def test_training_twice_goes_on_and_saves_two_runs(wave, tmp_path):
    model = regressor(*wave, tmp_path)
    first = model.network_training(1, verbose=0)
    folder = model.run_folder
    second = model.network_training(1, verbose=0)
    assert second["loss"].iloc[0] < first["loss"].iloc[0]
    assert model.run_folder != folder and folder.exists()


@pytest.mark.parametrize("loss", ["mae", "MeanAbsoluteError", "huber", "mean_squared_error"])
def test_losses_by_name_are_what_they_say(wave, tmp_path, loss):
    model = regressor(*wave, tmp_path, loss=loss)
    model.network_structure_set_compile()
    if loss == "mae":
        model.network_training(1, verbose=0)
    expected = {"mae": "mean_absolute_error", "MeanAbsoluteError": "mean_absolute_error"}.get(
        loss, loss
    )
    used = getattr(model.model.loss, "__name__", None) or model.model.loss
    assert used == expected


@pytest.mark.soak
def test_loss_objects(wave, tmp_path):
    keras = import_keras()
    model = regressor(*wave, tmp_path, loss=keras.losses.Huber(delta=0.3))
    model.network_training(1, verbose=0)
    assert model.hyperparameters["loss"] == "huber"
    (file,) = model.run_folder.glob("*.keras")
    assert type(keras.models.load_model(file).loss).__name__ == "Huber"

    def own_loss(truth, forecast):
        return keras.ops.mean(keras.ops.abs(truth - forecast))

    model = regressor(*wave, tmp_path, loss=own_loss)
    model.network_training(1, verbose=0)
    (file,) = model.run_folder.glob("*.keras")
    keras.models.load_model(file)  # opens without the function


def test_an_ensemble_is_trained_saved_and_opened_like_one_network(wave, tmp_path):
    model = regressor(*wave, tmp_path, ensemble_size=2, ema_momentum=0.9)
    model.network_structure_set_compile()
    assert "2 x LSTM 6," in repr(model)
    model.network_training(1, verbose=0)
    again = fastLSTM().load_all(settings_file(model))
    assert again.hyperparameters["ensemble_size"] == 2
    first, _ = model.network_predictions_evaluation(output_dict=True)
    second, _ = again.network_predictions_evaluation(output_dict=True)
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
    assert "2 x LSTM 6," in repr(again)


@pytest.mark.soak
def test_a_refit_changes_the_network_and_not_what_validation_found(wave, tmp_path):
    models = []
    for refit in (False, True):
        model = regressor(*wave, tmp_path, refit=refit, seed=1)
        model.network_structure_set_compile()
        model.network_training(2, verbose=0)
        models.append(model)
    plain, refitted = models
    pd.testing.assert_frame_equal(plain.loss_df, refitted.loss_df)
    row = wave[0].iloc[-6:]
    assert np.abs(plain.model_predict(row) - refitted.model_predict(row)).max() > 1e-4
    widths = [np.subtract(*model.prediction_intervals(row)) for model in models]
    np.testing.assert_allclose(*widths, rtol=1e-5)
    again = fastLSTM().load_all(settings_file(refitted))
    np.testing.assert_array_equal(again.model_predict(row), refitted.model_predict(row))
    best = int(plain.loss_df["val_loss"].argmin()) + 1
    report = next(refitted.run_folder.glob("*REPORT*.md")).read_text()
    assert f"Refit: retrained for {best} epoch" in report


def test_a_linear_component_is_in_the_saved_network_and_in_the_report(wave, tmp_path):
    model = regressor(*wave, tmp_path, linear_component=True, seed=1)
    model.network_structure_set_compile()
    model.network_training(1, verbose=0)
    row = wave[0].iloc[-6:]
    again = fastLSTM().load_all(settings_file(model))
    forecast = model.model_predict(row)
    np.testing.assert_array_equal(again.model_predict(row), forecast)
    lstm, linear = again.model.get_layer("combination").get_weights()[0].reshape(2, -1).mean(axis=1)
    kernel, bias = again.model.get_layer("linear").get_weights()
    again.model.get_layer("linear").set_weights([0 * kernel, 0 * bias])
    assert np.abs(again.model_predict(row) - forecast).max() > 1e-4
    report = next(model.run_folder.glob("*REPORT*.md")).read_text()
    for name, weight in (("LSTM", lstm), ("ridge regression", linear)):
        assert (f"{name} {weight:.0%}" in report) == (weight > 0)


@pytest.mark.soak
def test_a_network_that_is_not_used_is_reported(tmp_path):
    days = pd.date_range("2024-01-01", periods=300, freq="1D", tz="UTC")
    walk = pd.DataFrame({"load": np.cumsum(np.random.default_rng(3).normal(size=300))}, index=days)
    model = fastLSTM(
        walk, walk, LSTM_type="regressor", timesteps=28, steps_ahead=28, scaler="StandardScaler",
        linear_component=True, data_storage_path=tmp_path,
    )  # fmt: skip
    model.network_structure_set_compile()
    model.network_training(1, verbose=0)
    report = next(model.run_folder.glob("*REPORT*.md")).read_text()
    assert (
        "**On validation the network adds nothing to the naive forecast, so the forecast" in report
    )
    assert "drift" in report and "LSTM 0%" not in report


def test_a_classifiers_refit_is_calibrated_as_validation_had_the_first(
    labels, tmp_path, monkeypatch
):
    found = []
    real = Correction.apply

    def recorded(correction, network):
        kernel, bias = network.layers[-1].get_weights()
        real(correction, network)
        new_kernel, new_bias = network.layers[-1].get_weights()
        slope = (new_kernel / kernel).mean()
        found.append((float(slope), (new_bias - slope * bias).item()))

    monkeypatch.setattr(Correction, "apply", recorded)
    model = classifier(*labels, tmp_path, refit=True)
    model.network_training(1, verbose=0)
    of_first, of_refit = found
    assert of_first == pytest.approx(of_refit, rel=1e-4) and of_first[0] != pytest.approx(1)


@pytest.mark.soak
def test_callbacks_and_strategy(wave, tmp_path):
    keras = import_keras()
    import tensorflow as tf

    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model = regressor(
        *wave, tmp_path, distribution_strategy=tf.distribute.OneDeviceStrategy("/cpu:0")
    )
    model.network_training(2, callbacks=[callback], verbose=0)
    assert seen == [0, 1]


def test_interrupted_training_keeps_the_best_epoch_and_a_whole_run(wave, tmp_path):
    keras = import_keras()

    class CtrlC(keras.callbacks.Callback):
        """Interrupts at the first batch of an epoch, counted from 0."""

        def __init__(self, epoch):
            super().__init__()
            self.at, self.now = epoch, 0

        def on_epoch_begin(self, epoch, logs=None):
            self.now = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if self.now == self.at:
                raise KeyboardInterrupt

    model = regressor(*wave, tmp_path)
    history = model.network_training(200, callbacks=[CtrlC(2)], verbose=0)
    assert len(history) == 2
    facts = json.loads((model.run_folder / "manifest.json").read_text())["training"]
    assert facts["interrupted"] and facts["epochs"] == 2
    assert facts["best_epoch"] == history["val_loss"].argmin() + 1
    fastLSTM().load_all(settings_file(model))

    fresh = regressor(*wave, tmp_path / "none")
    with pytest.raises(KeyboardInterrupt):
        fresh.network_training(5, callbacks=[CtrlC(0)], verbose=0)
    assert not (tmp_path / "none").exists()
