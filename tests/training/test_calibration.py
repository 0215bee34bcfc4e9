"""Probabilities are calibrated in the network itself, by validation alone."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.evaluation.calibration_error import reliability
from fastlstm.network.build import build_network
from fastlstm.network.inference import load_network, predict
from fastlstm.training import calibration
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows

pytestmark = pytest.mark.usefixtures("untraced")
COUNT, CUTS = 20_000, Cuts(1000, 16_000)
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


def hyperparameters(**changes):
    return Hyperparameters.model_validate({"timesteps": 2, "model_relative_width": [4], **changes})


def overconfident(hp, targets=("y",), features=("a",)):
    keras.utils.set_random_seed(1)
    network = build_network(hp, features, targets)
    layer = network.get_layer("output")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * 25, bias + 0.5])
    return network


def windows(network, hp, targets=("y",), features=("a",), soften=0.3, rows=COUNT, cuts=CUTS):
    """Labels drawn with probabilities less sure than the network's."""
    x = RNG.normal(size=(rows, len(features))).astype(np.float32)
    frame = pd.DataFrame(
        {SERIES: "", TIME: pd.to_datetime(np.arange(rows), unit="us", utc=True), SEGMENT: 0}
    )
    steps, count = hp.steps_ahead, len(targets)

    def with_labels(y):
        return RowWindows(
            frame, x, y, features=list(features), targets=list(targets), timesteps=hp.timesteps,
            steps_ahead=steps, cuts=cuts, time_unit="row",
        )  # fmt: skip

    y = np.zeros((rows, count), np.float32)
    seen = np.stack([x[i - 2 : i] for i in range(2, rows)])
    odds = predict(network, seen)[:, :count].astype(float)
    logit = np.log(odds / (1 - odds)) if hp.last_layer_activation == "sigmoid" else np.log(odds)
    if hp.last_layer_activation == "sigmoid":
        y[2:] = RNG.random(odds.shape) < 1 / (1 + np.exp(-(soften * logit - 0.7)))
    else:
        probability = np.exp(soften * logit)
        probability /= probability.sum(axis=1, keepdims=True)
        drawn = (RNG.random((len(probability), 1)) > probability.cumsum(axis=1)).sum(axis=1)
        y[2:] = np.eye(count)[np.minimum(drawn, count - 1)]
    return with_labels(y), with_labels, y


def test_platt_scaling_is_scikit_learns():
    score = RNG.normal(size=(3000, 1))
    truth = RNG.random(3000) < 1 / (1 + np.exp(-(0.4 * score[:, 0] - 1)))
    any_line = LogisticRegression().fit(score, score[:, 0] > 0)
    sigmoid = CalibratedClassifierCV(FrozenEstimator(any_line), method="sigmoid").fit(score, truth)
    (theirs,) = sigmoid.calibrated_classifiers_[0].calibrators
    slope, shift = calibration.platt(any_line.decision_function(score), truth.astype(float))
    assert slope == pytest.approx(-theirs.a_, rel=1e-3)
    assert shift == pytest.approx(-theirs.b_, rel=1e-3)


def test_platt_scaling_of_classes_that_are_apart_is_finite():
    slope, shift = calibration.platt(np.array([-2.0, -1, 1, 2]), np.array([0.0, 0, 1, 1]))
    assert 0 < slope < 10 and abs(shift) < 1e-3


def calibrate(network, dataset, hp):
    """Calibrate one network; what could not be, and why."""
    return list(calibration.calibrate([network], dataset, hp).notes)


def test_the_saved_network_is_calibrated_and_ranks_as_before(tmp_path):
    hp = hyperparameters()
    network = overconfident(hp)
    dataset, _, _ = windows(network, hp)
    test = dataset.read("test")
    truth, before = test.y.ravel(), predict(network, test.x).ravel()
    assert reliability(truth, before)[0] > 0.15
    assert calibrate(network, dataset, hp) == []
    after = predict(network, test.x).ravel()
    assert reliability(truth, after)[0] < 0.03
    assert (np.diff(after[np.argsort(before, kind="stable")]) >= -1e-6).all()
    network.save(tmp_path / "n.keras")
    np.testing.assert_array_equal(
        predict(load_network(tmp_path / "n.keras"), test.x).ravel(), after
    )


def test_only_validation_calibrates():
    hp = hyperparameters()
    network = overconfident(hp)
    dataset, with_labels, y = windows(network, hp)
    start, found = network.get_weights(), []
    spoiled = y.copy()
    spoiled[: CUTS.validation] = spoiled[CUTS.test :] = 1
    for given in (dataset, with_labels(spoiled)):
        network.set_weights(start)
        calibrate(network, given, hp)
        found.append(network.get_layer("output").get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_output_has_its_own_or_says_why_not():
    hp = hyperparameters()
    network = overconfident(hp, ("y", "z", "never"))
    _, with_labels, y = windows(network, hp, ("y", "z", "never"))
    y[:, 1] = 1 - y[:, 1]  # more probable means less often
    y[CUTS.validation :, 2] = 0
    kernel, bias = network.get_layer("output").get_weights()
    notes = calibrate(network, with_labels(y), hp)
    assert [note.split(":")[0] for note in notes] == ["z", "never"]
    assert "one class only" in notes[1]
    after, shifted = network.get_layer("output").get_weights()
    np.testing.assert_array_equal(after[:, 1:], kernel[:, 1:])
    np.testing.assert_array_equal(shifted[1:], bias[1:])
    np.testing.assert_allclose(after[:, 0] / kernel[:, 0], 0.3, atol=0.05)


def test_softmax_by_temperature():
    hp = hyperparameters(last_layer_activation="softmax", loss="categorical_crossentropy")
    network = overconfident(hp, ("y", "z", "w"))
    dataset, _, _ = windows(network, hp, ("y", "z", "w"))
    before, _ = network.get_layer("output").get_weights()
    assert calibrate(network, dataset, hp) == []
    after, _ = network.get_layer("output").get_weights()
    np.testing.assert_allclose(after / before, 0.3, atol=0.05)


def test_outputs_that_share_weights_share_the_correction():
    hp, names = hyperparameters(channel_independent=True), ("y", "z")
    network = overconfident(hp, names, names)
    dataset, _, _ = windows(network, hp, names, names)
    before, _ = network.get_layer("output").get_weights()
    calibrate(network, dataset, hp)
    after, _ = network.get_layer("output").get_weights()
    assert after.shape[1] == 1
    np.testing.assert_allclose(after / before, 0.3, atol=0.05)


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "platt"),
        ({"calibration": "none"}, None),
        ({"class_weight": "balanced"}, None),
        ({"class_weight": "balanced", "calibration": "platt"}, "platt"),
        ({"loss": "mse"}, None),
        ({"loss": "mse", "calibration": "platt"}, "platt"),
        ({"loss": "CategoricalCrossentropy", "last_layer_activation": "softmax"}, "temperature"),
        ({"LSTM_type": "regressor"}, None),
    ],
)
def test_what_auto_means(changes, method):
    assert hyperparameters(**changes).calibration_method == method


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": "temperature"},
        {"calibration": "platt", "LSTM_type": "regressor"},
        {
            "calibration": "platt", "last_layer_activation": "softmax",
            "loss": "categorical_crossentropy",
        },
    ],
)  # fmt: skip
def test_methods_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValidationError, match=r"calibration: '.*' is for a classifier whose"):
        hyperparameters(**changes)


def test_networks_of_other_makes():
    hp = hyperparameters()
    network = overconfident(hp)
    dataset, _, _ = windows(network, hp)
    # As fastLSTM 1.0 built them: the last layer is the one, whatever its name.
    old = keras.Sequential(
        [keras.Input((2, 1)), keras.layers.LSTM(4), keras.layers.Dense(1, "sigmoid")]
    )
    old.set_weights(network.get_weights())
    calibrate(network, dataset, hp)
    assert calibrate(old, dataset, hp) == []
    for one, other in zip(network.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    last = keras.layers.Activation("sigmoid")
    split = keras.Sequential([keras.Input((2, 1)), keras.layers.LSTM(1), last])
    (note,) = calibrate(split, dataset, hp)
    assert "last layer" in note


@pytest.mark.soak
def test_training_ends_with_it():
    given = {"epochs": 2, "learning_rate": 0.01, "batch_size": 256}
    plain, settings = hyperparameters(**given, calibration="none"), hyperparameters(**given)
    few = {"rows": 3000, "cuts": Cuts(1000, 2500)}
    dataset, _, _ = windows(overconfident(settings), settings, **few)
    raw, calibrated = fit(dataset, plain).model, fit(dataset, settings).model
    kernel, _ = raw.get_layer("output").get_weights()
    calibrate(raw, dataset, settings)
    assert not np.allclose(kernel, raw.get_layer("output").get_weights()[0])
    for one, other in zip(raw.get_weights(), calibrated.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
