"""A decoder without the same product many times gives what stock Keras gives."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network import fused_decoder
from fastlstm.network.build import build_network
from fastlstm.network.fused_decoder import decoding_of
from fastlstm.network.fused_lstm import fused
from fastlstm.network.inference import load_network, predict
from tests.network.test_fused_lstm import computed

FEATURES = list("abcd")


def network(targets, **changes):
    given = {
        "LSTM_type": "regressor", "architecture": "segment", "timesteps": 12, "segment_length": 3,
        "steps_ahead": 8, "segment_units": 10, "segment_dropout": 0, **changes,
    }  # fmt: skip
    hp = Hyperparameters.model_validate(given)
    return build_network(hp, FEATURES, targets)


def windows(model, count):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, *model.input_shape[1:])).astype(np.float32)
    return x, rng.normal(size=(count, model.output_shape[1])).astype(np.float32)


@pytest.fixture
def decodings(monkeypatch):
    """The decodings by which networks are computed."""
    used, right = [], fused_decoder.decoded

    def spy(decoding, *arguments):
        used.append((decoding.ahead, decoding.targets))
        return right(decoding, *arguments)

    monkeypatch.setattr("fastlstm.network.fused_lstm.decoded", spy)
    return used


@pytest.mark.soak
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("targets", "changes", "expected"),
    [
        (["b"], {}, [(3, 1)]),
        (["d", "a", "b"], {}, [(3, 3)]),
        (["b", "c"], {"channel_independent": False}, [(3, 1)]),
        (["b", "c"], {"segment_units": 130}, [(3, 2)]),
        (["b", "c"], {"steps_ahead": 3}, [(1, 2)]),
        (["b", "c"], {"ensemble_size": 2}, [(3, 2), (3, 2)]),
        (["b"], {"quantiles": [0.1, 0.5, 0.9], "steps_ahead": 7}, [(3, 1)]),
        # What looks like it and is not is left to the fused steps.
        (["b"], {"segment_length": 12}, []),
        (["b", "c"], {"decoding": "recursive"}, []),
        (["b", "c"], {"decoding": "direct"}, []),
    ],
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_stock_keras(
    targets, changes, expected, count, decodings
):
    model = network(targets, **changes)
    x, y = windows(model, count)
    outputs, gradients = computed(model, x, y)
    assert decodings == []
    with fused(model) as layers:
        assert layers == (2 if "ensemble_size" in changes else 1)
        again, gradients_again = computed(model, x, y)
    assert decodings == expected
    np.testing.assert_allclose(again, outputs, atol=1e-5, rtol=0)
    for found, right in zip(gradients_again, gradients, strict=True):
        np.testing.assert_allclose(found, right, atol=1e-5, rtol=1e-4)
        assert np.abs(right).max() > 0


def test_a_saved_network_is_computed_so_too_and_is_of_stock_layers(tmp_path, decodings):
    import keras

    model = network(["b", "c"])
    x, _ = windows(model, 5)
    right = model(x).numpy()
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "model.keras", safe_mode=True)(x), right, atol=1e-6
    )
    assert decodings == []
    loaded = load_network(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, x), right, atol=1e-5)
    assert set(decodings) == {(3, 2)}


def test_a_decoder_whose_states_are_not_repeated_is_left_as_it_is():
    import keras

    inputs = keras.Input((4, 3))
    lstm = keras.layers.LSTM(5, return_state=True, name="lstm_1")
    _, hidden, cell = lstm(inputs)
    model = keras.Model(inputs, lstm(inputs[:, :1], initial_state=[hidden, cell])[0])
    assert decoding_of(model, model.get_layer("lstm_1")) is None
