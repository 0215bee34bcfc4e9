"""Members of an ensemble learn by themselves, and their average is scored, saved and calibrated."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from fastlstm.artifacts.file_names import MODEL_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network
from fastlstm.network.combination import start_from_last_value
from fastlstm.network.compiling import compile_network
from fastlstm.network.ensemble import MEMBERS, trained_by_member
from fastlstm.network.inference import load_network, predict
from fastlstm.steps.train import train_into
from fastlstm.training.calibration import Calibration
from fastlstm.training.fit import fit
from tests.network.test_architecture import FEATURES, settings, some
from tests.training.test_fit import dataset, regressor

pytestmark = pytest.mark.usefixtures("untraced")
TARGETS = ["c", "a"]


def member_of(number):
    """Suffix of a member's layers, counted from 0."""
    return f"_member_{number + 1}" if number else ""


def alone(ensemble, hp, targets, number):
    """The network of one member, by itself."""
    single = build_network(hp.model_copy(update={"ensemble_size": 1}), FEATURES, targets)
    for layer in single.layers:
        if layer.get_weights():
            shared = layer.name.startswith(
                ("combination", "start", "revin", "linear", "past_errors")
            )
            name = layer.name + ("" if shared else member_of(number))
            layer.set_weights(ensemble.get_layer(name).get_weights())
    if number % 2:  # every second member corrects the last value
        one = hp.model_copy(update={"ensemble_size": 1})
        start_from_last_value(single, resolve(one, FEATURES, targets), hp.steps_ahead)
    return single


def logit(probability):
    return np.log(probability / (1 - probability))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"architecture": "classic"},
        *(pytest.param(changes, marks=pytest.mark.soak) for changes in (
            {"instance_normalization": "revin"}, {"decoding": "recursive"},
            {"channel_independent": False, "decoding": "direct"}, {"seasonal_residual": 6},
            {"quantiles": [0.1, 0.5, 0.9]}, {"static_features": ["x"]},
        )),
    ],
)  # fmt: skip
def test_the_forecast_is_the_mean_of_networks_that_differ(tmp_path, changes):
    hp = settings(ensemble_size=3, **changes)
    ensemble, x = build_network(hp, FEATURES, TARGETS), some()
    draw = np.random.default_rng(0)
    for layer in ensemble.layers:  # one for all members
        if layer.name in ("linear", "combination", "start"):
            layer.set_weights([draw.normal(0, 0.1, w.shape) for w in layer.get_weights()])
    if resolve(
        hp, FEATURES, TARGETS
    ).mixed_start:  # ridge regression corrects what no odd member does
        weights = ensemble.get_layer("combination").get_weights()[0]
        weights[hp.steps_ahead * len(TARGETS) : 2 * hp.steps_ahead * len(TARGETS)] = 0
        ensemble.get_layer("combination").set_weights([weights])
    each = np.stack([predict(alone(ensemble, hp, TARGETS, n), x) for n in range(3)])
    assert (np.ptp(each, axis=0) > 1e-5).all()
    np.testing.assert_allclose(predict(ensemble, x), each.mean(axis=0), atol=1e-5)
    ensemble.save(tmp_path / "n.keras")
    np.testing.assert_allclose(
        predict(load_network(tmp_path / "n.keras"), x), each.mean(axis=0), atol=1e-5
    )


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_of_classifiers_the_logits_are_averaged(activation):
    hp = settings(
        LSTM_type="classifier", architecture="classic", steps_ahead=1, scale_targets=False,
        ensemble_size=2, last_layer_activation=activation,
        loss="binary_crossentropy" if activation == "sigmoid" else "categorical_crossentropy",
    )  # fmt: skip
    ensemble, x = build_network(hp, FEATURES, TARGETS), some()
    a, b = (predict(alone(ensemble, hp, TARGETS, n), x) for n in range(2))
    if activation == "sigmoid":
        expected = 1 / (1 + np.exp(-(logit(a) + logit(b)) / 2))
    else:
        expected = np.sqrt(a * b) / np.sqrt(a * b).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predict(ensemble, x), expected, atol=1e-6)


def test_one_network_is_as_ever():
    hp = settings()
    network = build_network(hp, FEATURES, TARGETS)
    assert trained_by_member(network, 0) is network
    first = build_network(settings(ensemble_size=2), FEATURES, TARGETS)
    np.testing.assert_array_equal(
        network.get_layer("lstm_1").get_weights()[0], first.get_layer("lstm_1").get_weights()[0]
    )


def gradients(hp, weights_of_second, x, y):
    """Of each member's last layer, by the loss that trains."""
    network = build_network(hp, FEATURES, TARGETS)
    second = network.get_layer("output_member_2")
    second.set_weights([w * weights_of_second for w in second.get_weights()])
    fitted = trained_by_member(network, hp)
    compile_network(fitted, hp, 1)
    with tf.GradientTape() as tape:
        loss = fitted.compute_loss(x, y, fitted(x, training=False), None, training=True)
    return tape.gradient(loss, [network.get_layer(f"output{m}").kernel for m in ("", "_member_2")])


def test_a_member_does_not_learn_from_what_the_others_forecast():
    hp = settings(ensemble_size=2, loss="mse", naive_unless_better=False)
    x, y = tf.constant(some(64)), tf.zeros((64, 14))
    first, second = gradients(hp, 1.0, x, y)
    same, other = gradients(hp, 9.0, x, y)
    np.testing.assert_array_equal(first, same)
    assert np.abs(second - other).max() > 1e-3


def test_members_weigh_the_windows_of_a_batch_differently_and_one_on_average():
    hp = settings(ensemble_size=2, loss="mse", naive_unless_better=False)
    fitted = trained_by_member(build_network(hp, FEATURES, TARGETS), hp)
    compile_network(fitted, hp, 1)
    # Member 1 is off by one in the first half of the windows alone, member 2 in the second.
    outputs = np.zeros((20_000, 14, 2), np.float32)
    outputs[:10_000, :, 0] = outputs[10_000:, :, 1] = 1
    truth = tf.zeros((20_000, 14))
    losses = [float(fitted.compute_loss(None, truth, tf.constant(outputs))) for _ in range(20)]
    assert np.std(losses) > 1e-4
    assert np.mean(losses) == pytest.approx(0.5, abs=0.005)
    doubled = tf.fill((20_000,), 2.0)
    weighted = float(fitted.compute_loss(None, truth, tf.constant(outputs), doubled))
    assert weighted == pytest.approx(1.0, abs=0.05)


@pytest.mark.soak
@pytest.mark.parametrize("labels", [False, True])
def test_validation_scores_the_average(tmp_path, labels):
    changes = {
        "LSTM_type": "classifier",
        "steps_ahead": 1,
        "metrics": ["auc"],
        "calibration": "none",
    }
    if labels:
        changes |= {"checkpoint_monitor_metric": "val_loss", "checkpoint_mode": "min"}
        changes |= {"early_stop_monitor_metric": "val_auc"}
    hp = regressor(
        timesteps=3, epochs=2, ensemble_size=3, **(changes if labels else {"loss": "mse"})
    )
    windows = dataset(tmp_path / "windows", hp, labels=labels)
    trained = fit(windows, hp)
    held = windows.read("validation")
    outputs = predict(trained.model, held.x).astype(np.float64)
    truth = held.y.reshape(outputs.shape)
    best = trained.history.iloc[trained.best_epoch - 1]
    if labels:
        loss = -(truth * np.log(outputs) + (1 - truth) * np.log(1 - outputs)).mean()
    else:
        loss = ((truth - outputs) ** 2).mean()
        assert best["val_mae"] == pytest.approx(np.abs(truth - outputs).mean(), rel=1e-4)
    assert best["val_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.soak
def test_calibration_moves_all_members_as_one(tmp_path):
    hp = regressor(
        LSTM_type="classifier", timesteps=3, steps_ahead=1, ensemble_size=3, loss="binary_crossentropy",
        metrics=["auc"], checkpoint_monitor_metric="val_loss", checkpoint_mode="min",
        early_stop_monitor_metric="val_loss", early_stop_mode="min", calibration="none", epochs=3,
    )  # fmt: skip
    windows = dataset(tmp_path / "windows", hp, labels=True)
    raw = fit(windows, hp).model
    calibrated = fit(windows, hp.model_copy(update={"calibration": "platt"}))
    assert calibrated.finding(Calibration).notes == ()
    x = windows.read("test").x
    before, after = logit(predict(raw, x)[:, 0]), logit(predict(calibrated.model, x)[:, 0])
    slope, shift = np.polyfit(before, after, 1)
    np.testing.assert_allclose(after, slope * before + shift, atol=1e-3)
    assert abs(slope - 1) > 0.1


def test_the_saved_file_needs_no_code_of_this_library(tmp_path):
    hp = regressor(timesteps=3, ensemble_size=2, epochs=1)
    windows = dataset(tmp_path / "windows", hp)
    train_into(str(tmp_path), str(tmp_path / "windows"), hp.model_dump(), lambda _: None)
    with zipfile.ZipFile(tmp_path / MODEL_FILE) as file:
        config = json.loads(file.read("config.json"))
    modules = {layer["module"].split(".")[0] for layer in config["config"]["layers"]}
    assert modules == {"keras"} and not config["registered_name"].startswith("fastlstm>")
    names = [layer["name"] for layer in config["config"]["layers"]]
    assert {"lstm_1", "lstm_1_member_2"} <= set(names)
    network = load_network(tmp_path / MODEL_FILE)
    assert isinstance(network.get_layer(MEMBERS), keras.layers.Reshape)
    assert predict(network, windows.read("test").x).shape[1] == 2


@pytest.mark.parametrize("size", [0, 101, 1.5])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValidationError, match="ensemble_size"):
        Hyperparameters(ensemble_size=size)
