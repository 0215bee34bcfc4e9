"""Losses of counts: their values, the network's output above zero, and means of rare counts."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.metrics import mean_tweedie_deviance

from fastlstm import fastLSTM
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.network.combination import set_combination
from fastlstm.network.inference import load_network, predict
from fastlstm.network.losses import loss_of

pytestmark = pytest.mark.usefixtures("untraced")
SHIFT = 1e-3


def hyperparameters(**changes) -> Hyperparameters:
    given = {
        "LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 3, "segment_units": 8,
        "loss": "poisson", **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


@pytest.mark.parametrize(("loss", "power"), [("poisson", 1.0), ("tweedie", 1.3), ("tweedie", 1.9)])
def test_a_loss_is_the_deviance_and_keeps_to_a_power_of_the_scale(loss, power):
    hp = hyperparameters(loss=loss, **({"tweedie_power": power} if power > 1 else {}))
    of = loss_of(hp)
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.7, (50, 3)).astype(np.float32)
    outputs = rng.gamma(2, 0.4, (50, 3)).astype(np.float32)
    for row in range(50):
        expected = mean_tweedie_deviance(truth[row] + SHIFT, outputs[row] + SHIFT, power=power)
        assert float(of(truth[row : row + 1], outputs[row : row + 1])[0]) == pytest.approx(
            expected, rel=1e-3, abs=1e-4
        )
    # Values of a million, divided by their scale, have the deviance of these but for a factor.
    large = mean_tweedie_deviance(truth.ravel() * 1e6, outputs.ravel() * 1e6, power=power)
    small = mean_tweedie_deviance(truth.ravel(), outputs.ravel(), power=power)
    assert large == pytest.approx(small * 1e6 ** (2 - power), rel=1e-6)


def test_negative_binomial_is_its_deviance_in_units_of_the_scale():
    from scipy.stats import nbinom

    scale, dispersion = 40.0, 0.6
    of = loss_of(hyperparameters(loss="negative_binomial", dispersion=dispersion))
    rng = np.random.default_rng(0)
    counts, means = rng.poisson(30, (20, 3)).astype(float) + 1, rng.gamma(2, 20, (20, 3)) + 5
    size = scale / dispersion  # 1 / a of the counts in their own units

    def log_likelihood(mean):
        return nbinom.logpmf(counts, size, size / (size + mean))

    expected = 2 * (log_likelihood(counts) - log_likelihood(means)) / scale
    truth, outputs = ((values / scale - SHIFT).astype(np.float32) for values in (counts, means))
    found = keras.ops.convert_to_numpy(of(truth, outputs))
    np.testing.assert_allclose(found, expected.mean(axis=1), rtol=2e-3, atol=2e-4)


@pytest.mark.soak
@pytest.mark.parametrize("loss", ["poisson", "negative_binomial", "tweedie"])
def test_the_best_forecast_is_the_mean_of_the_truth(loss):
    of, truth = loss_of(hyperparameters(loss=loss)), np.array([0, 0, 0, 0, 1, 4], np.float32)
    grid = np.linspace(0.01, 3, 300, dtype=np.float32)
    losses = [
        np.mean(keras.ops.convert_to_numpy(of(np.tile(truth[:, None], 3), np.full((6, 3), mean))))
        for mean in grid
    ]
    assert grid[int(np.argmin(losses))] == pytest.approx(truth.mean(), abs=0.01)


@pytest.mark.parametrize("loss", ["poisson", "negative_binomial", "tweedie"])
def test_no_output_has_an_infinite_loss_or_gradient(loss):
    import tensorflow as tf

    of = loss_of(hyperparameters(loss=loss))
    outputs = tf.Variable([[0.0, 1e-9, 1e6], [0.0, -1.0, 3.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(of(np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 3.0]], np.float32), outputs))
    assert np.isfinite(total) and np.isfinite(tape.gradient(total, outputs)).all()


@pytest.mark.parametrize(
    "changes",
    [{}, {"architecture": "classic"}, {"decoding": "direct"}, {"ensemble_size": 2}],
    ids=str,
)
def test_the_network_forecasts_nothing_below_zero(tmp_path, changes):
    features = ["warm", "sold"]
    network = build_network(hyperparameters(**changes), features, ["sold"])
    x = np.random.default_rng(0).gamma(0.5, 2, (40, 24, 2)).astype(np.float32)
    x[:20, -1, 1] = 0  # the last counts of half the windows
    found = predict(network, x)
    assert (found > 0).all()
    network.save(tmp_path / "n.keras")
    np.testing.assert_allclose(predict(load_network(tmp_path / "n.keras"), x), found, rtol=1e-5)


def test_a_falling_drift_is_cut_at_zero():
    from fastlstm.network.architecture import resolve
    from fastlstm.network.naive_forecasters import DRIFT

    hp = hyperparameters()
    network = build_network(hp, ["sold"], ["sold"])
    names = resolve(hp, ["sold"], ["sold"]).forecasters
    drift = np.array([name == DRIFT for name in names], np.float32)
    set_combination(network, np.repeat(drift, hp.steps_ahead))
    falling = np.linspace(2, 0.01, 24, dtype=np.float32)[None, :, None]
    assert predict(network, falling).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "tweedie", "tweedie_power": 2.0}, "less than 2"),
        ({"loss": "negative_binomial", "dispersion": 0.0}, "greater than 0"),
        ({"LSTM_type": "classifier", "loss": "negative_binomial"}, "is for amounts; a classifier"),
        ({"quantiles": [0.1, 0.5, 0.9]}, "'poisson' is set together with quantiles"),
        ({"LSTM_type": "classifier", "loss": "tweedie"}, "'tweedie' is for amounts; a classifier"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        hyperparameters(**changes)


@pytest.mark.soak
def test_rare_counts_are_forecast_by_their_mean_and_not_by_zero(tmp_path):
    """The absolute error is least at the median, which is 0 for counts that are mostly 0."""
    hours = pd.date_range("2024-01-01", periods=400, freq="h")
    sold = pd.DataFrame({"sold": 40.0 * np.random.default_rng(0).poisson(0.4, 400)}, index=hours)
    model = fastLSTM(
        sold, sold, frequency="1h", LSTM_type="regressor", timesteps=24, steps_ahead=2, seed=0,
        loss="poisson", segment_units=8, calendar=[], linear_component=False, batch_size=32,
        data_storage_path=str(tmp_path),
    )  # fmt: skip
    model.split_and_scale()
    model.network_structure_set_compile()
    model.network_training(5, verbose=0)
    forecast = model.model_predict(sold)
    assert sold["sold"].median() == 0
    assert (forecast >= 0).all() and forecast.mean() == pytest.approx(sold["sold"].mean(), rel=0.3)
