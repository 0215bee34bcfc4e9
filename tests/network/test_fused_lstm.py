"""Fused LSTM steps give what stock Keras gives: outputs, gradients, files."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from fastlstm.network import fused_lstm
from fastlstm.network.build import build_network
from fastlstm.network.fused_lstm import fused, is_chosen, use_one_thread_per_operation


def network(steps, features, units, *, layers=2, **options):
    import keras

    inputs = keras.Input((steps, features))
    hidden = inputs
    for number in range(layers):
        hidden = keras.layers.LSTM(
            units, return_sequences=number < layers - 1, bias_initializer="random_normal", **options
        )(hidden)
    return keras.Model(inputs, keras.layers.Dense(2)(hidden))


def computed(model, x, y):
    """Outputs, and gradients of every weight and of the inputs."""
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x, training=True)
        loss = tf.reduce_mean((outputs - y) ** 2)
    gradients = tape.gradient(loss, [*model.trainable_variables, x])
    # An embedding's come as slices.
    return outputs.numpy(), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("seed", range(15))
def test_outputs_and_gradients_are_those_of_stock_keras(seed, monkeypatch):
    import keras

    # A wide layer is computed whole or in halves, by what a measurement found.
    way = "whole" if seed % 2 else "halves"
    monkeypatch.setattr("fastlstm.network.fused_lstm.measured_choice", lambda what, ways: way)

    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    steps, features, units = (int(rng.integers(1, most)) for most in (30, 12, 40))
    units += 128 * (seed % 5 == 0)
    batch = int(rng.integers(1, 40)) if seed else 1  # one window is computed by itself
    model = network(steps, features, units, layers=int(rng.integers(1, 4)))
    x = rng.normal(size=(batch, steps, features)).astype(np.float32)
    y = rng.normal(size=(batch, 2)).astype(np.float32)
    outputs, gradients = computed(model, x, y)
    with fused(model) as count:
        assert count == len([layer for layer in model.layers if "lstm" in layer.name])
        again, gradients_again = computed(model, x, y)
    np.testing.assert_allclose(again, outputs, atol=1e-5, rtol=0)
    for found, right in zip(gradients_again, gradients, strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4, rtol=0)
    # Out of the block it is Keras' own again.
    assert all("inner_loop" not in vars(layer) for layer in model.layers)


def test_a_batch_of_one_and_a_layer_that_returns_its_sequence():
    import keras

    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.LSTM(4, return_sequences=True)(inputs))
    x = np.random.default_rng(0).normal(size=(1, 5, 3)).astype(np.float32)
    right = model(x).numpy()
    with fused(model):
        np.testing.assert_allclose(model(x).numpy(), right, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_few_windows_in_a_graph_for_any_number(batch):
    import tensorflow as tf

    model = network(6, 3, 5)
    x = np.random.default_rng(0).normal(size=(batch, 6, 3)).astype(np.float32)
    y = np.zeros((batch, 2), np.float32)
    right = computed(model, x, y)[0]

    def loss(x):
        outputs = model(x, training=True)
        return outputs, tf.gradients(outputs, model.trainable_variables)

    # Of one window a half is empty, which the fused step would not take.
    function = tf.function(loss, input_signature=[tf.TensorSpec((None, 6, 3), tf.float32)])
    with fused(model):
        outputs, gradients = function(x)
    with tf.GradientTape() as tape:
        stock = model(x, training=True)
    np.testing.assert_allclose(outputs, right, atol=1e-5)
    for found, its in zip(gradients, tape.gradient(stock, model.trainable_variables), strict=True):
        np.testing.assert_allclose(found, its, atol=1e-4)


def test_blocks_within_blocks():
    model = network(4, 3, 5)
    with fused(model):
        with fused(model) as count:
            assert count == 2
        assert all("inner_loop" in vars(layer) for layer in model.layers[1:3])
    assert not any("inner_loop" in vars(layer) for layer in model.layers)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"dropout": 0.2},
        {"recurrent_dropout": 0.2},
        {"use_bias": False},
        {"go_backwards": True},
        {"dtype": "float64"},
    ],
)
def test_other_layers_are_left_to_keras(options):
    with fused(network(4, 3, 5, **options)) as count:
        assert count == 0


def test_the_rule():
    assert is_chosen("auto", 20, "tanh") and is_chosen("auto", 512, "tanh")
    assert not is_chosen("keras", 20, "tanh") and not is_chosen("auto", 513, "tanh")
    assert not is_chosen("auto", 20, "relu") and not is_chosen("auto", None, "tanh")
    with pytest.raises(ConfigError, match=r"lstm_implementation: 'fused' needs .* 'relu' and 20"):
        is_chosen("fused", 20, "relu")
    with pytest.raises(ConfigError, match=r"found 'tanh' and 513"):
        is_chosen("fused", 513, "tanh")


def test_wide_layers_have_all_cores(monkeypatch):
    import tensorflow as tf

    chosen = []
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", chosen.append)
    use_one_thread_per_operation([64, 129])
    assert chosen == []
    use_one_thread_per_operation([64, 128])
    assert chosen == [1]


def test_wide_layers_are_measured(monkeypatch):
    asked = []

    def choice(what, ways):
        asked.append(what.partition(", ")[2])
        for compute in ways.values():
            compute()
        return "whole"

    monkeypatch.setattr("fastlstm.network.fused_lstm.measured_choice", choice)
    with fused(network(4, 3, 130)), fused(network(4, 3, 128)):
        assert asked == [
            f"training an LSTM layer of {inputs} inputs and 130 units" for inputs in (3, 130)
        ]


def test_a_gpu_keeps_its_cudnn(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    with fused(network(4, 3, 5)) as count:
        assert count == 0


@pytest.mark.soak
@pytest.mark.traced
def test_fit_trains_the_same_network_and_the_file_is_stock(untraced, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 6, 3)).astype(np.float32)
    y = x[:, -1, :2].copy()
    weights = []
    for choice in ("keras", "fused"):
        import keras

        keras.utils.set_random_seed(1)
        model = network(6, 3, 8)
        model.compile("adam", "mse")
        with fused(model, choice):
            model.fit(x, y, batch_size=16, epochs=3, verbose=0, shuffle=False)
        model.save(tmp_path / f"{choice}.keras")
        weights.append(model.get_weights())
    for found, right in zip(weights[1], weights[0], strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)
    configs = []
    for choice in ("keras", "fused"):
        with zipfile.ZipFile(tmp_path / f"{choice}.keras") as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
        configs.append([(layer["class_name"], layer["module"]) for layer in layers])
    assert configs[0] == configs[1]
    loaded = keras.models.load_model(tmp_path / "fused.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


def test_the_network_of_the_hyperparameters_is_fused():
    hp = Hyperparameters(model_relative_width=[2, 1], model_dropout=[0.1, 0])
    with fused(build_network(hp, list("abc"), ["y"]), hp.lstm_implementation) as count:
        assert count == 2


@pytest.mark.parametrize(("members", "halved"), [(1, True), (3, False)])
def test_members_of_an_ensemble_are_not_halved(members, halved, monkeypatch):
    hp = Hyperparameters.model_validate({
        "LSTM_type": "regressor", "timesteps": 6, "steps_ahead": 2, "segment_length": 2,
        "segment_units": 3, "ensemble_size": members,
    })  # fmt: skip
    model = build_network(hp, list("abc"), ["a"])
    x = np.random.default_rng(0).normal(size=(8, 6, 3)).astype(np.float32)
    expected, called = model(x).numpy(), []
    halves = fused_lstm._in_halves
    monkeypatch.setattr(fused_lstm, "_in_halves", lambda *given: called.append(1) or halves(*given))
    with fused(model):
        np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-5)
    assert bool(called) == halved
