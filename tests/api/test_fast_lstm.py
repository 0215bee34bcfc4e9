"""The class in a notebook: its documented surface, and what 1.0 had wrong."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import classification_report

from fastlstm import fastLSTM
from fastlstm.config.hyperparameters import ALIASES, Hyperparameters
from fastlstm.errors import ConfigError, DataError, StoreError
from tests.conftest import make_panel

mpl.use("Agg")


@pytest.fixture
def wave():
    rng = np.random.default_rng(0)
    hours = np.arange(300)
    index = pd.date_range("2024-01-01", periods=300, freq="1h", tz="UTC", name="when")
    x = pd.DataFrame({"a": np.sin(hours / 5), "b": rng.normal(size=300)}, index=index)
    return x, pd.DataFrame({"next": np.sin(hours / 5) + 10}, index=index)


@pytest.fixture
def labels(wave):
    x, _ = wave
    return x, pd.DataFrame({"high": (x["a"] > 0.3).astype(int)}, index=x.index)


def regressor(x, y, path, **changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 6, "scale_target": True, "learning_rate": 0.02,
        "batch_size": 32, "model_relative_width": [3], "model_name": "wave", **changes,
    }  # fmt: skip
    return fastLSTM(x, y, data_storage_path=path, **given)


def classifier(x, y, path, **changes):
    given = {
        "timesteps": 6, "learning_rate": 0.02, "batch_size": 32, "model_relative_width": [3],
        "model_name": "high", **changes,
    }  # fmt: skip
    return fastLSTM(x, y, data_storage_path=path, **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained regressor over two steps, for tests that only look."""
    hours = np.arange(300)
    index = pd.date_range("2024-01-01", periods=300, freq="1h", tz="UTC", name="when")
    noise = np.random.default_rng(0).normal(size=300)
    x = pd.DataFrame({"a": np.sin(hours / 5), "b": noise}, index=index)
    y = pd.DataFrame({"next": np.sin(hours / 5) + 10}, index=index)
    model = regressor(x, y, tmp_path_factory.mktemp("trained"), steps_ahead=2)
    model.network_structure_set_compile()
    model.network_training(3, verbose=0)
    return model


# The documented surface


def test_documented_keywords_and_defaults():
    documented = {
        "X_data": None, "Y_data": None, "scaler": "StandardScaler", "model_relative_width": [1],
        "model_dropout": [0], "LSTM_type": "classificator", "learning_rate": 0.0003,
        "activation": "tanh", "last_layer_activation": "sigmoid", "loss": "binary_crossentropy",
        "metric": "accuracy", "batch_size": 128, "timesteps": 1, "scale_target": False,
        "steps_ahead": 1, "class_weight": None, "save_best_only": True, "save_X_Y_data": True,
        "train_size_rate": 0.7, "model_name": "LSTM",
    }  # fmt: skip
    parameters = inspect.signature(fastLSTM).parameters
    assert {name: parameters[name].default for name in documented} == documented
    for name in (
        "check_point_metric", "metric_mode", "early_stop_condittion", "early_stop_patience",
        "data_storage_path", "validation_size_rate", "series", "time", "sample_weight", "shuffle",
        "seed", "learning_rate_schedule", "distribution_strategy",
    ):  # fmt: skip
        assert name in parameters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skip = {"X_data", "Y_data", "hyperparameters"}
        given = {n: p.default for n, p in parameters.items() if n not in skip}
        model = fastLSTM(**given)
        assert fastLSTM(LSTM_type="classifier")._hp == model._hp
    for alias, name in ALIASES.items():
        value = model._hp.model_dump()[name]
        assert fastLSTM(**{alias: value})._hp.model_dump()[name] == value


def test_a_regressor_gets_fitting_defaults_unless_set():
    plain = fastLSTM(LSTM_type="regressor").hyperparameters
    assert (plain["loss"], plain["metrics"], plain["scale_targets"]) == ("mae", ["mae"], True)
    classic = fastLSTM(LSTM_type="regressor", architecture="classic").hyperparameters
    assert (classic["loss"], classic["scale_targets"]) == ("mse", False)
    assert plain["checkpoint_monitor_metric"] == plain["early_stop_monitor_metric"] == "val_loss"
    assert plain["checkpoint_mode"] == plain["early_stop_mode"] == "min"
    assert fastLSTM(LSTM_type="regressor", loss="huber").hyperparameters["loss"] == "huber"


def test_refusals():
    with pytest.raises(ConfigError, match="did you mean 'timesteps'"):
        fastLSTM(timestep=3)
    with pytest.raises(ConfigError, match="give both"):
        fastLSTM(np.zeros((9, 1)))
    with pytest.raises(ConfigError, match="network's size comes from them"):
        fastLSTM().network_structure_set_compile()
    with pytest.raises(ConfigError, match="no network yet"):
        fastLSTM().model_predict(np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x, y: (x, y.head(10)), "Y_data: has 10 rows, X_data 300"),
        (lambda x, y: (x, y.shift(freq="1h")), "index differs"),
        (lambda x, y: (x.assign(a=np.nan), y), "column 'a' has 300 missing or infinite"),
        (lambda x, y: (x, y.replace(y.iloc[7, 0], np.inf)), "column 'next' has 1 missing"),
        (lambda x, y: (x.assign(a="x"), y), "column 'a' holds"),
        (lambda x, y: (x.iloc[::-1], y.iloc[::-1]), "time: row 1 is not after"),
        (lambda x, y: (x.iloc[:0], y.iloc[:0]), "is empty"),
        (lambda x, y: (np.zeros((4, 2, 2)), np.zeros(4)), "has shape"),
    ],
)
def test_rows_that_cannot_be_used(wave, tmp_path, change, told):
    with pytest.raises(DataError, match=told):
        regressor(*change(*wave), tmp_path)


def test_labels_must_be_zero_and_one(wave, tmp_path):
    with pytest.raises(DataError, match=r"column 'next' holds .* a classifier's labels"):
        classifier(*wave, tmp_path)


def test_splits_and_scalers(trained):
    assert (len(trained.X_train), len(trained.X_validation), len(trained.X_test)) == (210, 45, 45)
    assert trained.X_train.index.max() < trained.X_validation.index.min()
    assert trained.X_validation.index.max() < trained.X_test.index.min()
    np.testing.assert_allclose(trained.X_scaler.mean_, trained.X_train.mean())
    np.testing.assert_allclose(trained.Y_scaler.mean_, trained.Y_train.mean())
    np.testing.assert_allclose(trained.X_train_s.mean(axis=0), 0, atol=1e-6)
    assert trained.X_test_s.shape == (45, 2) and trained.Y_test_s.shape == (45, 1)


def test_training_writes_a_whole_run_and_loads_again(trained):
    names = sorted(f.name.split(" - ", 1)[-1] for f in trained.run_folder.iterdir())
    for name in (
        "LSTM MODEL - wave.keras", "SCALER FOR LSTM MODEL - wave.pkl",
        "Y SCALER FOR LSTM MODEL - wave.pkl", "X_data FOR LSTM MODEL - wave.csv",
        "Y_data FOR LSTM MODEL - wave.csv", "TRAINING HISTORY OF LSTM MODEL - wave.csv",
        "TRAINING LOSS CURVE - wave.png", "TRAINING MAE CURVE - wave.png",
        "HYPERPARAMETERS OF LSTM MODEL - wave.json", "manifest.json",
    ):  # fmt: skip
        assert name in names
    (file,) = trained.run_folder.glob("*HYPERPARAMETERS*")
    again = fastLSTM().load_all(file)
    pd.testing.assert_frame_equal(again.X_test, trained.X_test, check_freq=False)
    np.testing.assert_array_equal(again.X_test_s, trained.X_test_s)
    first, _ = trained.network_predictions_evaluation(output_dict=True)
    second, _ = again.network_predictions_evaluation(output_dict=True)
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
    assert again.hyperparameters == trained.hyperparameters
    assert "lstm_1" in again.model_summary and again.model.count_params() == 230
    pd.testing.assert_frame_equal(again.loss_df, trained.loss_df)


def test_an_ensemble_is_trained_saved_and_opened_like_one_network(wave, tmp_path):
    model = regressor(*wave, tmp_path, ensemble_size=2, ema_momentum=0.9)
    model.network_structure_set_compile()
    assert "2 x LSTM 6," in repr(model)
    model.network_training(2, verbose=0)
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
    assert again.hyperparameters["ensemble_size"] == 2
    first, _ = model.network_predictions_evaluation(output_dict=True)
    second, _ = again.network_predictions_evaluation(output_dict=True)
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
    assert "2 x LSTM 6," in repr(again)


def test_a_refit_changes_the_network_and_not_what_validation_told(wave, labels, tmp_path):
    made = []
    for refit in (False, True):
        model = regressor(*wave, tmp_path, refit=refit, seed=1)
        model.network_structure_set_compile()
        model.network_training(2, verbose=0)
        made.append(model)
    plain, refitted = made
    pd.testing.assert_frame_equal(plain.loss_df, refitted.loss_df)
    row = wave[0].iloc[-6:]
    assert np.abs(plain.model_predict(row) - refitted.model_predict(row)).max() > 1e-4
    widths = [np.subtract(*model.prediction_intervals(row)) for model in made]
    np.testing.assert_allclose(*widths, rtol=1e-5)
    again = fastLSTM().load_all(next(refitted.run_folder.glob("*HYPERPARAMETERS*")))
    np.testing.assert_array_equal(again.model_predict(row), refitted.model_predict(row))
    best = int(plain.loss_df["val_loss"].argmin()) + 1
    report = next(refitted.run_folder.glob("*REPORT*")).read_text()
    assert f"Refit: trained anew for {best} epoch" in report


def test_a_linear_component_is_in_the_saved_network_and_told(wave, tmp_path):
    model = regressor(*wave, tmp_path, linear_component=True, seed=1)
    model.network_structure_set_compile()
    model.network_training(1, verbose=0)
    row = wave[0].iloc[-6:]
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
    forecast = model.model_predict(row)
    np.testing.assert_array_equal(again.model_predict(row), forecast)
    share = again.model.get_layer("linear_share").get_weights()[0].item()
    again.model.get_layer("linear_share").set_weights([np.zeros((1, 1))])
    assert np.abs(again.model_predict(row) - forecast).max() > 1e-4
    report = next(model.run_folder.glob("*REPORT*")).read_text()
    assert f"{1 - share:.0%} the LSTM's and {share:.0%} that of ridge regression" in report


def test_a_network_that_does_not_stand_is_told(tmp_path):
    days = pd.date_range("2024-01-01", periods=300, freq="1D", tz="UTC")
    walk = pd.DataFrame({"load": np.cumsum(np.random.default_rng(3).normal(size=300))}, index=days)
    model = fastLSTM(
        walk, walk, LSTM_type="regressor", timesteps=28, steps_ahead=28, scaler="StandardScaler",
        linear_component=True, data_storage_path=tmp_path,
    )  # fmt: skip
    model.network_structure_set_compile()
    model.network_training(1, verbose=0)
    report = next(model.run_folder.glob("*REPORT*")).read_text()
    assert (
        "which it therefore forecasts** (naive_unless_better): the mean absolute error is" in report
    )
    assert "steps ahead, for the origins are too few to test all (there more than" in report
    assert "ridge regression" not in report


def test_a_classifiers_refit_is_calibrated_as_validation_had_the_first(
    labels, tmp_path, monkeypatch
):
    import fastlstm.training.fit

    found = []
    real = fastlstm.training.fit.calibrate

    def looked_at(model, dataset, hp, like_it=()):
        networks = [model, *like_it]
        before = [network.layers[-1].get_weights() for network in networks]
        notes = real(model, dataset, hp, like_it)
        after = [network.layers[-1].get_weights() for network in networks]
        for (kernel, bias), (new_kernel, new_bias) in zip(before, after, strict=True):
            slope = (new_kernel / kernel).mean()
            found.append((float(slope), (new_bias - slope * bias).item()))
        return notes

    monkeypatch.setattr(fastlstm.training.fit, "calibrate", looked_at)
    model = classifier(*labels, tmp_path, refit=True)
    model.network_structure_set_compile()
    model.network_training(2, verbose=0)
    of_first, of_refit = found
    assert of_first == pytest.approx(of_refit, rel=1e-4) and of_first[0] != pytest.approx(1)


def test_prediction_of_one_window_many_and_a_table(trained):
    x = pd.concat([trained.X_train, trained.X_validation, trained.X_test])
    table = trained.model_predict(x[["b", "a"]])
    assert table.shape == (300 - 6 + 1, 2)
    windows = np.stack([x.to_numpy()[i : i + 6] for i in range(4)])
    np.testing.assert_allclose(trained.model_predict(windows), table[:4], rtol=1e-5)
    np.testing.assert_allclose(trained.model_predict(windows[2]), table[2:3], rtol=1e-5)
    sample = trained.prepare_input_sample(x, 7)
    np.testing.assert_allclose(
        trained.model_predict(sample, apply_scaler=False), table[2:3], rtol=1e-5
    )
    np.testing.assert_allclose(trained.model_predict(sample), table[2:3], rtol=1e-5)  # not twice
    np.testing.assert_allclose(trained.model_predict(trained.X_train_s[2:8]), table[2:3], rtol=1e-5)
    raw = trained.prepare_input_sample(x, 7, apply_scaler=False)
    np.testing.assert_allclose(trained.model_predict(raw), table[2:3], rtol=1e-5)
    np.testing.assert_array_equal(raw[0], x.to_numpy()[2:8])
    scaled = trained.model_predict(windows, descale_result=False)
    back = trained.Y_scaler.inverse_transform(pd.DataFrame(scaled[:, :1], columns=["next"]))
    np.testing.assert_allclose(back[:, 0], table[:4, 0], rtol=1e-5)
    with pytest.raises(DataError, match="column 'b' is absent"):
        trained.model_predict(x[["a"]])
    with pytest.raises(DataError, match=r"allow 5 to 299"):
        trained.prepare_input_sample(x, 2)


def test_intervals_come_from_validation_alone(wave, tmp_path):
    x, y = wave
    noisy = y + np.random.default_rng(1).normal(0, 0.5, y.shape)
    spoiled = noisy.copy()
    spoiled.iloc[-45:] += 1000.0  # every test row
    bounds = []
    for name, targets in (("as is", noisy), ("spoiled", spoiled)):
        model = regressor(x, targets, tmp_path / name)
        model.network_training(epochs=2, verbose=0)
        bounds.append(model.prediction_intervals(x, 0.9))
    np.testing.assert_array_equal(bounds[0], bounds[1])
    lower, upper = bounds[0]
    np.testing.assert_allclose((lower + upper) / 2, model.model_predict(x), rtol=1e-6)
    truth = noisy.to_numpy()[model._hp.timesteps :]
    validation = slice(204, 249)  # origins 210 to 254
    assert 0.85 <= ((lower[:-1] <= truth) & (truth <= upper[:-1]))[validation].mean() <= 1

    (file,) = (tmp_path / "as is").glob("wave/*/*HYPERPARAMETERS*")
    loaded = fastLSTM().load_all(file)
    np.testing.assert_allclose(loaded.prediction_intervals(x, 0.9), bounds[0], rtol=1e-6)
    with pytest.raises(ConfigError, match="level: 1 given"):
        loaded.prediction_intervals(x, 1)
    loaded.network_structure_set_compile()
    with pytest.raises(ConfigError, match="no intervals yet"):
        loaded.prediction_intervals(x)


def test_sequences(trained):
    assert trained.create_sequences(pd.Series([1, 2, 3, 4]), 3) == [[1, 2, 3], [2, 3, 4]]
    assert trained.create_sequences(np.eye(2), 2) == [[[1, 0], [0, 1]]]
    assert trained.output_column_names() == ["next_step_1", "next_step_2"]


def test_histories(trained):
    read = fastLSTM().load_training_history(next(trained.run_folder.glob("*HISTORY*")))
    pd.testing.assert_frame_equal(read, trained.loss_df)
    with pytest.raises(StoreError, match="does not exist"):
        fastLSTM().load_training_history("none.csv")
    with pytest.raises(ConfigError, match="no run was saved"):
        fastLSTM().load_training_history()


def test_regressor_report_in_both_forms(trained, capsys):
    text = trained.network_predictions_evaluation()
    assert capsys.readouterr().out.strip() == text.strip() and "next_step_2" in text
    forecast, report = trained.network_predictions_evaluation(output_dict=True)
    by_hand = np.abs(forecast["next_step_1"] - trained.Y_test["next"].reindex(forecast.index))
    assert report["next_step_1"]["mae"] == pytest.approx(by_hand.mean(), rel=1e-5)


def test_plots_return_axes_and_show_nothing(trained, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("shown"))
    assert isinstance(trained.plot_training_history(), Axes)
    mine = Figure().subplots()
    assert trained.plot_training_history("mae", ax=mine) is mine
    with pytest.raises(ConfigError, match="is not in the history; it has loss, mae"):
        trained.plot_training_history("accuracy")
    plt.close("all")


def test_importances_name_the_feature_that_matters(trained):
    gradient = trained.gradient_feature_importance()
    assert gradient.index[0] == "a" and gradient.sum() == pytest.approx(1)
    permuted = trained.permutation_feature_importance(3)
    assert permuted.index[0] == "a" and permuted.loc["a", "mean"] > 5 * abs(
        permuted.loc["b", "mean"]
    )


def test_what_a_notebook_shows(trained, wave, tmp_path):
    text = repr(trained)
    for told in ("regressor", "300 rows", "2024-01-01", "LSTM 6", "3 epochs", "MAE", "last value"):
        assert told in text
    assert "<table>" in trained._repr_html_() and "2024-01-01" in trained._repr_html_()
    fresh = regressor(*wave, tmp_path)
    assert "not built" in repr(fresh) and "data: none" in repr(fastLSTM())


# Wrong in 1.0


@pytest.mark.parametrize("widths", [[1], [2, 1]])
def test_one_hidden_layer_gives_two_dimensions(wave, tmp_path, widths):
    model = regressor(*wave, tmp_path, model_relative_width=widths, model_dropout=[0] * len(widths))
    assert model.network_structure_set_compile().output_shape == (None, 1)


@pytest.mark.traced
def test_each_step_is_learned_as_its_own(tmp_path):
    """Targets count up, so step k is the last value plus k: no single value fits all steps."""
    rows = np.arange(400.0)
    y = pd.Series(np.sin(rows / 6), name="y")
    x = pd.DataFrame({"s": np.sin(rows / 6), "c": np.cos(rows / 6)})
    model = fastLSTM(
        x, y, LSTM_type="regressor", timesteps=4, steps_ahead=8, learning_rate=0.02, batch_size=16,
        model_relative_width=[8], data_storage_path=tmp_path,
    )  # fmt: skip
    model.network_training(25, verbose=0)
    _, report = model.network_predictions_evaluation(output_dict=True)
    assert list(report) == [f"y_step_{k}" for k in range(1, 9)]
    assert all(step["r2"] > 0.9 for step in report.values()), report


@pytest.mark.traced
def test_training_twice_goes_on_and_saves_two_runs(wave, tmp_path):
    model = regressor(*wave, tmp_path)
    first = model.network_training(3, verbose=0)
    folder = model.run_folder
    second = model.network_training(3, verbose=0)
    assert second["loss"].iloc[0] < first["loss"].iloc[0]
    assert model.run_folder != folder and folder.exists()


@pytest.mark.parametrize("loss", ["mae", "MeanAbsoluteError", "huber", "mean_squared_error"])
def test_losses_by_name_are_what_they_say(wave, tmp_path, loss):
    model = regressor(*wave, tmp_path, loss=loss)
    model.network_training(1, verbose=0)
    expected = {"mae": "mean_absolute_error", "MeanAbsoluteError": "mean_absolute_error"}.get(
        loss, loss
    )
    used = getattr(model.model.loss, "__name__", None) or model.model.loss
    assert used == expected


def test_loss_objects(wave, tmp_path):
    from fastlstm.network.keras_import import import_keras

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


def test_moved_folder_loads(trained, tmp_path):
    import shutil

    target = tmp_path / "far" / "away"
    shutil.copytree(trained.run_folder, target)
    (file,) = target.glob("*HYPERPARAMETERS*")
    assert fastLSTM().load_all(file.name, target).run_folder == target


def test_evaluation_follows_new_data(wave, tmp_path):
    x, y = wave
    model = regressor(x, y, tmp_path)
    model.network_training(2, verbose=0)
    scaler = model.X_scaler
    before, _ = model.network_predictions_evaluation(output_dict=True)
    later = x.shift(freq="300h")
    model.X_data, model.Y_data = later + 0.1, y.shift(freq="300h")
    model.split_and_scale()
    after, _ = model.network_predictions_evaluation(output_dict=True)
    assert after.index.min() == before.index.min() + pd.Timedelta("300h")
    assert model.X_scaler is scaler  # the network's inputs keep their meaning
    model.X_data = later[["a"]]
    with pytest.raises(DataError, match="column 'b' is absent"):
        model.split_and_scale()


def test_type_and_class_weight_are_saved(labels, tmp_path):
    model = classifier(*labels, tmp_path, class_weight={0: 1.0, 1: 3.0})
    model.network_training(1, verbose=0)
    saved = json.loads(next(model.run_folder.glob("*HYPERPARAMETERS*")).read_text())
    assert saved["LSTM_type"] == "classifier" and saved["class_weight"] == {"0": 1.0, "1": 3.0}
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
    assert again._hp.class_weight == {0: 1.0, 1: 3.0}


def test_classifier_report_is_a_report(labels, tmp_path, capsys):
    model = classifier(*labels, tmp_path)
    model.network_training(3, verbose=0)
    capsys.readouterr()
    text = model.network_predictions_evaluation(0.5)
    assert "precision" in text and capsys.readouterr().out.strip() == text.strip()
    decided, report = model.network_predictions_evaluation(0.5, output_dict=True)
    truth = model.Y_test["high"].reindex(decided.index)
    assert report == classification_report(
        truth, decided["high"], output_dict=True, zero_division=0
    )
    table = model.binary_precision_recall_vs_scoring(n_points=20, plot=False)
    assert list(table.columns) == ["Cutoff", "Precision", "Recall"]
    assert table["Cutoff"].iloc[[0, -1]].tolist() == [0.2, 0.99]
    half = table.set_index("Cutoff").loc[0.5]
    assert half["Recall"] == pytest.approx(report["1"]["recall"])
    assert isinstance(model.plot_training_history(ax=Figure().subplots()), Axes)


def test_several_outputs(labels, tmp_path):
    x, y = labels
    y = y.assign(low=1 - y["high"])
    model = classifier(x, y, tmp_path)
    model.network_training(2, verbose=0)
    decided, report = model.network_predictions_evaluation(output_dict=True)
    assert list(report) == ["high", "low"] and list(decided) == ["high", "low"]
    with pytest.raises(
        ConfigError, match="2 outputs have no common class; remove it, or train one"
    ):
        classifier(x, y, tmp_path, class_weight="balanced").network_structure_set_compile()


def test_checkpoint_looks_at_validation_by_default():
    assert Hyperparameters().checkpoint_monitor_metric == "val_accuracy"
    assert Hyperparameters().early_stop_monitor_metric == "val_accuracy"


def test_index_survives_saving(trained):
    x = pd.read_csv(next(trained.run_folder.glob("*X_data*")))
    assert list(x.columns) == ["when", "a", "b"]
    assert pd.to_datetime(x["when"]).iloc[0] == trained.X_train.index[0]


def test_importing_the_package_imports_little():
    program = "import sys, fastlstm; print(len([m for m in sys.modules if m in "
    program += "('tensorflow','keras','pandas','matplotlib','sklearn','prefect','plotly')]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "0"


# What is new


def test_wrong_timesteps_are_refused_before_anything_is_written(wave, tmp_path):
    model = regressor(*wave, tmp_path)
    model.network_structure_set_compile(timesteps=4)
    with pytest.raises(ConfigError, match="7 given, the network was built with 4"):
        model.network_training(1, timesteps=7)
    assert list(tmp_path.iterdir()) == [] and model._hp.timesteps == 4
    model.network_training(1, timesteps=4, verbose=0)


@pytest.mark.traced
def test_class_and_pipeline_train_the_same_network(tmp_path):
    """Same rows, settings and seed give the same numbers by either way."""
    from fastlstm.config.reading import parse_config
    from fastlstm.training.fit import fit
    from tests.conftest import build_settings
    from tests.steps.test_time_rules import steps

    panel = make_panel()
    config = parse_config(build_settings(tmp_path, panel))
    history = fit(steps(tmp_path, panel, config), config.hyperparameters).history
    model = fastLSTM(
        panel[["load", "heat"]], panel[["load"]], series=panel["site"], time=panel["when"],
        data_storage_path=tmp_path, **config.hyperparameters.model_dump(),
    )  # fmt: skip
    pd.testing.assert_frame_equal(model.network_training(2, verbose=0), history, check_exact=True)


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
        scaled = (own - model.X_scaler.mean_) / model.X_scaler.scale_
        mine = windows.x[windows.series == name][:, :, 0]
        np.testing.assert_allclose(mine[3], scaled[3:8], rtol=1e-5)
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
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
    assert again._windows().count("test") == model._windows().count("test")
    with pytest.raises(DataError, match="missing or infinite"):
        regressor(x, y, tmp_path)


def test_features_and_targets_may_share_a_name(wave, tmp_path):
    x, _ = wave
    y = x[["a"]].shift(-1).iloc[:-1]
    model = regressor(x.iloc[:-1], y, tmp_path)
    np.testing.assert_array_equal(model.Y_train["a"].iloc[0], x["a"].iloc[1])
    model.network_training(1, verbose=0)
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
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
    again = fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))
    np.testing.assert_array_equal(again.X_test_s, model.X_test_s)
    report = next(model.run_folder.glob("*REPORT*")).read_text()
    assert "from row 170 to row 199" in report and "1970" not in report


@pytest.mark.traced
def test_sample_weight(wave, tmp_path):
    x, y = wave
    y = y.copy()
    y.iloc[::2] += 5
    weight = np.where(np.arange(300) % 2 == 0, 1.0, 0.0)
    settings = {"scale_target": False, "learning_rate": 0.05, "last_layer_activation": "linear"}
    model = regressor(x, y, tmp_path, sample_weight=weight, **settings)
    model.network_training(40, verbose=0)
    forecast = model.model_predict(x)
    assert forecast.mean() == pytest.approx(15, abs=0.8)  # rows of weight 0 say 10
    with pytest.raises(DataError, match="sample_weight: has 3 values for 300 rows"):
        regressor(x, y, tmp_path, sample_weight=[1, 2, 3])
    with pytest.raises(DataError, match="not negative"):
        regressor(x, y, tmp_path, sample_weight=-weight)


@pytest.mark.traced
def test_callbacks_and_strategy(wave, tmp_path):
    from fastlstm.network.keras_import import import_keras

    keras = import_keras()
    import tensorflow as tf

    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model = regressor(
        *wave, tmp_path, distribution_strategy=tf.distribute.OneDeviceStrategy("/cpu:0")
    )
    model.network_training(2, callbacks=[callback], verbose=0)
    assert seen == [0, 1]


@pytest.mark.traced
def test_interrupted_training_keeps_the_best_epoch_and_a_whole_run(wave, tmp_path):
    from fastlstm.network.keras_import import import_keras

    keras = import_keras()

    def press(batch, logs, model=[]):  # noqa: B006
        model.append(1)
        if len(model) == 25:
            raise KeyboardInterrupt

    model = regressor(*wave, tmp_path)
    callback = keras.callbacks.LambdaCallback(on_train_batch_begin=press)
    model._hp = model._hp.model_copy(update={"batch_size": 8})
    history = model.network_training(200, callbacks=[callback], verbose=0)
    assert 0 < len(history) < 200
    facts = json.loads((model.run_folder / "manifest.json").read_text())["training"]
    assert facts["interrupted"] and facts["epochs"] == len(history)
    fastLSTM().load_all(next(model.run_folder.glob("*HYPERPARAMETERS*")))

    at_once = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: press(0, 0, [1] * 24)
    )
    fresh = regressor(*wave, tmp_path / "none")
    with pytest.raises(KeyboardInterrupt):
        fresh.network_training(5, callbacks=[at_once], verbose=0)
    assert not (tmp_path / "none").exists()
