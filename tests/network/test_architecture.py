"""Which network hyperparameters mean, and what each option does to a window."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from fastlstm.config.hyperparameter_defaults import FORECAST_DEFAULTS, REGRESSOR_DEFAULTS
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from fastlstm.network.architecture import batch_size, resolve
from fastlstm.network.build import build_network, lstm_sizes
from fastlstm.network.inference import load_network, predict
from fastlstm.training.input_pipeline import tf_dataset
from tests.training.test_combination import windows as windows_of

FEATURES = ["a", "b", "c", "x"]


def settings(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 26, "steps_ahead": 7, "segment_length": 4,
        "segment_units": 8, "architecture": "segment", "scale_targets": True, **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


def some(n=5, columns=4):
    return np.random.default_rng(0).normal(size=(n, 26, columns)).astype(np.float32)


def build(hp, features=FEATURES, targets=("c", "a")):
    import keras

    keras.utils.set_random_seed(1)
    return build_network(hp, features, list(targets))


@pytest.mark.parametrize(
    ("changes", "targets", "kind"),
    [
        ({}, ["a"], "segment"),
        ({"timesteps": 3}, ["a"], "segment"),
        ({"timesteps": 1}, ["a"], "classic"),
        ({"scale_targets": False}, ["a"], "classic"),
        ({"model_relative_width": [2]}, ["a"], "classic"),
        ({"activation": "relu"}, ["a"], "classic"),
        ({"last_layer_activation": "relu"}, ["a"], "classic"),
        ({"architecture": "classic"}, ["a"], "classic"),
        ({}, ["a", "elsewhere"], "classic"),
        ({"LSTM_type": "classifier"}, ["a"], "classic"),
    ],
)
def test_auto_goes_by_task_columns_and_settings(changes, targets, kind):
    hp = Hyperparameters.model_validate(
        {"LSTM_type": "regressor", "timesteps": 48, "steps_ahead": 3, **changes}
    )
    assert resolve(hp, FEATURES, targets).kind == kind


@pytest.mark.parametrize(("windows", "units"), [(None, 128), (2_500, 128), (2_000, 64), (400, 32)])
def test_units_go_by_the_sequences_to_learn_from(windows, units):
    hp = settings(segment_units=None)
    assert lstm_sizes(hp, FEATURES, ["a", "b"], windows)[0] == [units]
    assert lstm_sizes(settings(segment_units=5), FEATURES, ["a", "b"], windows)[0] == [5]


@pytest.mark.parametrize(
    ("changes", "columns", "windows"),
    [
        ({}, 1, 32), ({}, 7, 32), ({}, 8, 28), ({}, 21, 10), ({}, 321, 1),
        ({"batch_size": 64}, 321, 64), ({"channel_independent": False}, 321, 32),
        ({"architecture": "classic"}, 321, 128),
        ({"architecture": "classic", "batch_size": None}, 9, 32),
        ({"LSTM_type": "classifier"}, 1, 64),
    ],
)  # fmt: skip
def test_a_gradient_step_sees_about_as_many_sequences_whatever_the_columns(
    changes, columns, windows
):
    given = {"LSTM_type": "regressor", "timesteps": 24, "windows_per_epoch": 64, **changes}
    hp = Hyperparameters.model_validate(given)
    names = [f"c{number}" for number in range(columns)]
    assert batch_size(hp, names, names) == windows
    if "LSTM_type" not in changes and columns < 20:
        dataset = windows_of(np.random.default_rng(0).normal(size=(900, columns)), hp)
        for split in ("train", "validation"):
            batches = [len(x) for x, _ in tf_dataset(dataset, split, hp)]
            assert max(batches) == min(64, windows) and sum(batches) == 64


def test_a_forecaster_has_the_recipe_unless_it_is_the_classic_stack():
    recipe = Hyperparameters(LSTM_type="regressor").model_dump()
    assert {name: recipe[name] for name in FORECAST_DEFAULTS} == FORECAST_DEFAULTS
    for changes in ({"architecture": "classic"}, {"model_relative_width": [3]}):
        kept = Hyperparameters.model_validate({"LSTM_type": "regressor", **changes})
        assert (kept.loss, kept.epochs) == (REGRESSOR_DEFAULTS["loss"], 100)
        assert not kept.scale_targets
    # What was set is never replaced, and what was read back never changes.
    chosen = Hyperparameters(LSTM_type="regressor", loss="mse", epochs=100, scale_targets=False)
    assert (chosen.loss, chosen.epochs, chosen.scale_targets) == ("mse", 100, False)
    assert Hyperparameters.model_validate(chosen.model_dump()) == chosen


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("independent", [True, False])
@pytest.mark.parametrize("normalization", ["none", "last", "revin"])
@pytest.mark.parametrize(
    "more",
    [
        {}, {"decoding": "direct"}, {"decoding": "recursive"}, {"seasonal_residual": 6},
        {"architecture": "classic"}, {"segment_length": 26},
    ],
)  # fmt: skip
def test_every_network_is_saved_and_opened_as_stock_layers(
    tmp_path, independent, normalization, more
):
    hp = settings(channel_independent=independent, instance_normalization=normalization, **more)
    model, x = build(hp), some()
    outputs = predict(model, x)
    assert outputs.shape == (5, 14)
    model.save(tmp_path / "n.keras")
    np.testing.assert_allclose(predict(load_network(tmp_path / "n.keras"), x), outputs, atol=1e-5)


@pytest.mark.parametrize("architecture", ["classic", "segment"])
def test_last_value_normalization_carries_a_level_through(architecture):
    hp = settings(architecture=architecture, instance_normalization="last")
    model, x = build(hp), some()
    higher = x.copy()
    higher[:, :, 2] += 7  # the first target
    by_step = (predict(model, higher) - predict(model, x)).reshape(5, 7, 2)
    np.testing.assert_allclose(by_step[:, :, 0], 7, atol=1e-4)
    np.testing.assert_allclose(by_step[:, :, 1], 0, atol=1e-5)


def test_revin_carries_level_and_scale_through():
    hp = settings(instance_normalization="revin", naive_unless_better=False)
    model, x = build(hp, features=["a"], targets=["a"]), some(columns=1)
    np.testing.assert_allclose(
        predict(model, 3 * x + 7), 3 * predict(model, x) + 7, rtol=1e-3, atol=1e-3
    )
    names = [w.path for w in model.trainable_weights]
    assert any("revin_scale" in n for n in names) and any("revin_shift" in n for n in names)


@pytest.mark.soak
@pytest.mark.parametrize("decoding", ["parallel", "direct", "recursive"])
def test_columns_share_one_network_and_see_other_features_but_not_each_other(decoding):
    model = build(settings(decoding=decoding, naive_unless_better=False))
    x = some()
    before = predict(model, x).reshape(5, 7, 2)
    for column, seen in (("a", [False, True]), ("c", [True, False]), ("x", [True, True])):
        other = x.copy()
        other[:, 3, FEATURES.index(column)] += 1
        changed = np.abs(predict(model, other).reshape(5, 7, 2) - before).max(axis=(0, 1)) > 1e-6
        assert changed.tolist() == seen, column
    joint = build(settings(decoding=decoding, channel_independent=False))
    other = x.copy()
    other[:, 3, 0] += 1
    assert np.abs(predict(joint, other) - predict(joint, x)).reshape(5, 7, 2)[:, :, 0].max() > 1e-6


@pytest.mark.parametrize("decoding", ["parallel", "direct"])
def test_embeddings_of_columns_and_positions_are_learned(decoding):
    import tensorflow as tf

    model, x = build(settings(decoding=decoding)), some()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x) ** 2)
    gradients = tape.gradient(loss, model.trainable_weights)
    found = {
        w.path.split("/")[0]: g for w, g in zip(model.trainable_weights, gradients, strict=True)
    }
    names = ["column", "position"] if decoding == "parallel" else ["column"]
    for name in names:
        assert np.abs(tf.convert_to_tensor(found[name])).max() > 0, name
    assert all(gradient is not None for gradient in gradients)


def test_seasonal_residual_adds_the_last_season():
    hp = settings(seasonal_residual=6, instance_normalization="none", naive_unless_better=False)
    model, x = build(hp), some()
    for layer in model.layers:
        if layer.name == "output":
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    forecast = predict(model, x).reshape(5, 7, 2)
    np.testing.assert_allclose(forecast[:, :6], x[:, 20:26][:, :, [2, 0]], atol=1e-6)
    np.testing.assert_allclose(forecast[:, 6], x[:, 20][:, [2, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"LSTM_type": "classifier", "scale_targets": False},
            "architecture: 'segment' forecasts quantities",
        ),
        (
            {"scale_targets": False, "instance_normalization": "revin"},
            "instance_normalization: inp",
        ),
        ({"scale_targets": False, "seasonal_residual": 3}, "seasonal_residual: inputs are scaled"),
        ({"seasonal_residual": 27}, "seasonal_residual: 27 rows do not fit in timesteps 26"),
        ({"segment_length": 27}, "segment_length: 27 rows do not fit in timesteps 26"),
        ({"instance_normalization": "last", "last_layer_activation": "relu"}, "must be 'linear'"),
        ({"windows_per_epoch": 5, "shuffle": False}, "windows_per_epoch: windows are drawn"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"instance_normalization": "last"}, {"seasonal_residual": 3},
        {"channel_independent": True}, {"naive_unless_better": True},
    ],
)  # fmt: skip
def test_options_about_columns_need_targets_among_the_features(changes):
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}: .* 'elsewhere' is not"):
        build(settings(**changes), targets=["a", "elsewhere"])
