"""The class's documented surface: keywords, defaults, splits, whole runs, what a notebook shows."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.config.hyperparameter_defaults import ALIASES
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from tests.api.examples import regressor


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
        # What is set keeps its meaning; what is left out has the training recipe.
        plain = {"LSTM_type": "classifier", "architecture": "classic", "early_stop_patience": 200}
        assert fastLSTM(**plain)._hp.model_dump() == model._hp.model_dump() | plain
        assert fastLSTM()._hp.model_relative_width is None
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
    with pytest.raises(ConfigError, match="target_lookahead: -1 given; it cannot be negative"):
        fastLSTM(target_lookahead=-1)
    with pytest.raises(ConfigError, match="give both"):
        fastLSTM(np.zeros((9, 1)))
    with pytest.raises(ConfigError, match="network's size comes from them"):
        fastLSTM().network_structure_set_compile()
    with pytest.raises(ConfigError, match="no network yet"):
        fastLSTM().model_predict(np.zeros((1, 1)))


def test_checkpoint_looks_at_validation_by_default():
    assert Hyperparameters().checkpoint_monitor_metric == "val_loss"
    assert Hyperparameters().early_stop_monitor_metric == "val_loss"


def test_importing_the_package_imports_little():
    program = "import sys, fastlstm; print(len([m for m in sys.modules if m in "
    program += "('tensorflow','keras','pandas','matplotlib','sklearn','prefect','plotly')]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "0"


def test_splits_and_scalers(trained):
    assert (len(trained.X_train), len(trained.X_validation), len(trained.X_test)) == (210, 45, 45)
    assert trained.X_train.index.max() < trained.X_validation.index.min()
    assert trained.X_validation.index.max() < trained.X_test.index.min()
    np.testing.assert_allclose(trained.X_scaler.mean_, trained.X_train.mean())
    np.testing.assert_allclose(trained.Y_scaler.mean_, trained.Y_train.mean())
    np.testing.assert_allclose(trained.X_train_s.mean(axis=0), 0, atol=1e-6)
    assert trained.X_test_s.shape == (45, 2) and trained.Y_test_s.shape == (45, 1)


def test_sequences(trained):
    assert trained.create_sequences(pd.Series([1, 2, 3, 4]), 3) == [[1, 2, 3], [2, 3, 4]]
    assert trained.create_sequences(np.eye(2), 2) == [[[1, 0], [0, 1]]]
    assert trained.output_column_names() == ["next_step_1", "next_step_2"]


def test_what_a_notebook_shows(trained, wave, tmp_path):
    text = repr(trained)
    for shown in ("regressor", "300 rows", "2024-01-01", "LSTM 6", "3 epochs", "MAE", "last value"):
        assert shown in text
    assert "<table>" in trained._repr_html_() and "2024-01-01" in trained._repr_html_()
    fresh = regressor(*wave, tmp_path)
    assert "not built" in repr(fresh) and "data: none" in repr(fastLSTM())


def test_wrong_timesteps_are_refused_before_anything_is_written(wave, tmp_path):
    model = regressor(*wave, tmp_path)
    model.network_structure_set_compile(timesteps=4)
    with pytest.raises(ConfigError, match="7 given, the network was built with 4"):
        model.network_training(1, timesteps=7)
    assert list(tmp_path.iterdir()) == [] and model._hp.timesteps == 4
    model.network_training(1, timesteps=4, verbose=0)


@pytest.mark.parametrize("widths", [[1], [2, 1]])
def test_one_hidden_layer_gives_two_dimensions(wave, tmp_path, widths):
    model = regressor(*wave, tmp_path, model_relative_width=widths, model_dropout=[0] * len(widths))
    assert model.network_structure_set_compile().output_shape == (None, 1)
