"""LSTM layers as plain operators give the outputs of onnxruntime's operator, in every network."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastlstm.errors import StoreError
from fastlstm.network import onnx_session
from fastlstm.network.onnx_export import onnx_model
from fastlstm.network.onnx_session import TOLERANCE, OnnxNetwork, largest_difference
from fastlstm.network.onnx_unrolled import lstm_layers, unrolled
from tests.network.test_onnx_export import KINDS, network_of

pytestmark = pytest.mark.usefixtures("untraced")
OTHER_CELL = "classic, two layers, its own activation"


def stacked(layers, steps, features, units):
    """A serialized network of LSTM layers, of random weights."""
    import keras

    inputs = hidden = keras.Input((steps, features))
    for number in range(layers):
        last = number == layers - 1
        hidden = keras.layers.LSTM(
            units, return_sequences=not last, bias_initializer="random_normal"
        )(hidden)
    return onnx_model(keras.Model(inputs, keras.layers.Dense(2)(hidden)))


def rewritten(content, shape):
    def run(content, names):
        zeros = np.zeros((1, *shape), np.float32)
        return onnx_session._run(onnx_session._session(content), zeros, names)

    return unrolled(content, run)


def same_outputs(content, windows):
    made = rewritten(content, windows.shape[1:])
    session = onnx_session._session(made.content)
    expected = OnnxNetwork(content).predict(windows)
    assert np.ptp(expected) > 0
    for count in (len(windows), 1):
        found = onnx_session._outputs(session, windows[:count])
        assert largest_difference(found, expected[:count]) < TOLERANCE
    return made


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != OTHER_CELL])
def test_networks_of_every_kind(kind):
    network, windows = network_of(kind)
    made = same_outputs(onnx_model(network), windows)
    assert b"LSTM" not in made.content


@pytest.mark.parametrize(
    ("layers", "steps", "features", "units", "batch", "sizes"),
    [
        (1, 1, 1, 1, 1024, "1 of 1 x 1"),
        (3, 7, 2, 20, 512, "1 of 2 x 20, 2 of 20 x 20"),
        (2, 5, 9, 64, 256, "1 of 9 x 64, 1 of 64 x 64"),
    ],
)
def test_layers_on_layers(layers, steps, features, units, batch, sizes):
    windows = np.random.default_rng(0).normal(size=(33, steps, features)).astype(np.float32)
    content = stacked(layers, steps, features, units)
    assert same_outputs(content, windows).batch == batch
    assert lstm_layers(content) == sizes


def test_what_is_left_to_the_operator():
    assert lstm_layers(onnx_model(network_of(OTHER_CELL)[0])) == ""
    assert rewritten(stacked(1, 3_000, 1, 1), (3_000, 1)) is None


def test_a_damaged_model_ends_in_one_error_or_none():
    content, rng = stacked(2, 3, 2, 4), random.Random(1)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            if lstm_layers(bytes(damaged)):
                rewritten(bytes(damaged), (3, 2))
        except StoreError:
            pass


@pytest.mark.parametrize("chosen", ["operator LSTM", "plain operators"])
def test_many_windows_are_computed_by_what_was_faster(chosen, monkeypatch):
    content, asked = stacked(2, 4, 2, 5), []
    monkeypatch.setattr(onnx_session, "_MANY_VALUES", 200 * 4 * 2)
    windows = np.random.default_rng(0).normal(size=(500, 4, 2)).astype(np.float32)
    expected = np.concatenate(
        [OnnxNetwork(content).predict(windows[i : i + 1]) for i in range(500)]
    )

    def choice(what, ways):
        asked.append(what)
        for compute in ways.values():
            compute()
        return chosen

    monkeypatch.setattr(onnx_session, "measured_choice", choice)
    network = OnnxNetwork(content)
    for parts in ([windows], np.split(windows, [150, 150, 300])):
        found = np.concatenate([network.predict(part) for part in parts if len(part)])
        assert largest_difference(found, expected) < TOLERANCE
    (what,) = asked
    assert what.endswith(
        "many windows of 4 x 2, LSTM layers of inputs x units: 1 of 2 x 5, 1 of 5 x 5"
    )
    assert (network._bulk[0] is network._session) == (chosen == "operator LSTM")


def test_outputs_that_differ_are_not_taken(monkeypatch):
    monkeypatch.setattr(onnx_session, "_MANY_VALUES", 0)
    monkeypatch.setattr(onnx_session, "TOLERANCE", -1)
    network = OnnxNetwork(stacked(1, 4, 2, 5))
    network.predict(np.ones((130, 4, 2), np.float32))
    assert network._bulk[0] is network._session
