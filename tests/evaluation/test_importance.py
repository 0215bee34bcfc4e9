"""Feature importance: attributions that add up, and the block of rows that matters."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.evaluation import importance
from fastlstm.evaluation.importance import (
    gradient_importance,
    integrated_gradients,
    lag_blocks,
    lag_importance,
    scaled_error,
)
from fastlstm.network.build import build_network
from fastlstm.network.inference import predict

pytestmark = pytest.mark.usefixtures("untraced")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize(
    ("timesteps", "expected"),
    [
        (1, [(0, 1)]),
        (3, [(0, 1), (1, 2), (2, 3)]),
        (24, [(i, i + 2) for i in range(0, 24, 2)]),
    ],
)
def test_lag_blocks(timesteps, expected):
    assert lag_blocks(timesteps) == expected


@pytest.mark.parametrize("timesteps", [13, 100, 720])
def test_lag_blocks_cover_every_row_once(timesteps):
    found = lag_blocks(timesteps)
    assert len(found) == 12
    assert [row for first, end in found for row in range(first, end)] == list(range(timesteps))


@pytest.mark.parametrize("architecture", ["classic", "segment"])
def test_attributions_sum_to_the_difference_from_the_baseline(architecture):
    keras.utils.set_random_seed(3)
    hp = Hyperparameters.model_validate(
        {
            "LSTM_type": "regressor", "architecture": architecture, "timesteps": 24,
            "steps_ahead": 3, "scale_targets": True, "segment_units": 8,
        }
    )  # fmt: skip
    network = build_network(hp, ["a", "b"], ["a"])
    x = RNG.normal(size=(90, 24, 2)).astype(np.float32)
    baseline = x.mean(axis=0)
    found = integrated_gradients(network, x, baseline)
    assert found.shape == x.shape
    gained = predict(network, x).sum(axis=1) - predict(network, baseline[None]).sum()
    np.testing.assert_allclose(found.sum(axis=(1, 2)), gained, atol=2e-2 * np.abs(gained).max())


def test_the_rows_that_matter_are_named():
    """A linear network that looks at feature b, 5 and 6 rows back, alone."""
    inputs = keras.Input((24, 2))
    network = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(inputs)))
    kernel = np.zeros((24, 2, 1), np.float32)
    kernel[18:20, 1] = 2.0
    network.layers[-1].set_weights([kernel.reshape(-1, 1), np.zeros(1, np.float32)])
    x = RNG.normal(size=(400, 24, 2)).astype(np.float32)
    truth = predict(network, x)
    table = lag_importance(
        network, lambda given: scaled_error(network, given, truth, True), x, ["a", "b"]
    )
    assert len(table) == 24
    matters = (table["feature"] == "b") & (table["from"] == 6) & (table["to"] == 5)
    assert matters.sum() == 1
    rest = table[~matters]
    np.testing.assert_allclose(rest[["permutation", "integrated_gradients"]], 0, atol=1e-5)
    # Linear: the attribution is weight times distance from the mean window.
    by_hand = np.abs(2 * (x[:, 18:20, 1] - x[:, 18:20, 1].mean(axis=0)).sum(axis=1)).mean()
    (line,) = table[matters].to_dict("records")
    assert line["integrated_gradients"] == pytest.approx(by_hand, rel=1e-4)
    # The distance of two independent sums of two normal draws, times two.
    assert line["permutation"] == pytest.approx(4 * np.sqrt(2 / np.pi), rel=0.1)


@pytest.mark.parametrize(("limits", "permuted"), [((24, 10**9), 2), ((600, 30 * 60 * 24 * 24), 2),
                                                  ((1, 1), 1)])  # fmt: skip
def test_of_many_features_those_with_the_greatest_attributions_are_permuted(
    limits, permuted, monkeypatch
):
    monkeypatch.setattr(importance, "_PERMUTATIONS", limits[0])
    monkeypatch.setattr(importance, "_PERMUTED_VALUES", limits[1])
    weight = np.zeros((24, 60), np.float32)
    weight[20, 41], weight[3, 7] = 2, -1
    window = keras.Input((24, 60))
    output = keras.layers.Dense(1, use_bias=False)
    network = keras.Model(window, output(keras.layers.Flatten()(window)))
    output.set_weights([weight.reshape(-1, 1)])
    x = RNG.normal(size=(30, 24, 60)).astype(np.float32)
    truth, scored = predict(network, x), []

    def score(given):
        scored.append(None)
        return scaled_error(network, given, truth, True)

    names = [f"c{number}" for number in range(60)]
    table = lag_importance(network, score, x, names)
    known = table.dropna(subset=["permutation"])
    assert list(known["feature"].unique()) == ["c7", "c41"][2 - permuted :]
    assert len(scored) == 1 + 12 * permuted and len(table) == 12 * 60
    assert known.loc[known["permutation"].idxmax(), ["feature", "from"]].tolist() == ["c41", 4]
    assert table["integrated_gradients"].notna().all()


def test_errors_by_task():
    inputs = keras.Input((1, 1))
    network = keras.Model(inputs, keras.layers.Flatten()(inputs))
    x = np.array([0.25, 0.5], np.float32)[:, None, None]
    truth = np.array([[0.0], [1.0]])
    assert scaled_error(network, x, truth, True) == pytest.approx(0.375)
    assert scaled_error(network, x, truth, False) == pytest.approx((0.0625 + 0.25) / 2)


@pytest.mark.parametrize(
    ("timesteps", "features", "at_once"), [(24, 2, 256), (720, 321, 17)], ids=["narrow", "wide"]
)
def test_gradients_take_as_many_windows_at_once_as_their_values_allow(
    monkeypatch, timesteps, features, at_once
):
    class Network:
        """Gives zeros, and keeps how many windows it was given."""

        layers = ()

        def __init__(self):
            self.given = []

        def __call__(self, x, training):
            import tensorflow as tf

            self.given.append(len(x))
            return tf.reduce_sum(0 * x, axis=(1, 2))[:, None]

    monkeypatch.setattr(importance, "_POINTS", 2)
    x = np.zeros((at_once + 1, timesteps, features), np.float32)
    names = [f"f{i}" for i in range(features)]
    network = Network()
    gradient_importance(network, x, names)
    assert network.given == [at_once, 1]
    network = Network()
    integrated_gradients(network, x, x[0])
    assert max(network.given) <= max(at_once, 1024 if features == 2 else 0)
    assert sum(network.given) == 2 * len(x)
