"""The ONNX model of every kind of network gives the outputs of Keras, or there is a reason why not."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import StoreError
from fastlstm.network import onnx_export
from fastlstm.network.build import build_network
from fastlstm.network.inference import predict
from fastlstm.network.onnx_export import export_onnx
from fastlstm.network.onnx_session import TOLERANCE, largest_difference, load_onnx

pytestmark = pytest.mark.usefixtures("untraced")
FEATURES, TARGETS = ["a", "b", "c", "d"], ["c", "a"]
REGRESSOR = {
    "LSTM_type": "regressor", "timesteps": 12, "steps_ahead": 5, "scale_targets": True,
    "segment_units": 4, "segment_length": 5,
}  # fmt: skip
CLASSIFIER = {"LSTM_type": "classifier", "timesteps": 4, "steps_ahead": 2, "segment_units": 4}
FUTURE = {"b+5": 5, "d+5": 5, "hour_sin+5": 5}
KINDS = {
    "parallel decoding, all forecasters": {**REGRESSOR, "decoding": "parallel"},
    "members, recursive, quantiles": {
        **REGRESSOR, "ensemble_size": 2, "decoding": "recursive", "quantiles": [0.1, 0.5, 0.9],
    },
    "direct, static and embedded columns, standardized windows": {
        **REGRESSOR, "decoding": "direct", "static_features": ["d"], "embedded_features": [["b"]],
        "instance_normalization": "revin",
    },
    "known future covariates, the calendar, counts": {
        **REGRESSOR, "future_features": FUTURE, "loss": "poisson", "architecture": "segment",
    },
    "classic, two layers, its own activation": {
        **REGRESSOR, "architecture": "classic", "model_relative_width": [1, 2],
        "model_dropout": [0.1, 0.1], "activation": "softsign", "seasonal_residual": 3,
    },
    "classes of a label": {
        **CLASSIFIER, "classes": {"kind": ["u", "v", "w"]}, "ensemble_size": 2,
    },
    "plain classifier": {**CLASSIFIER, "ensemble_size": 1, "linear_component": False},
}  # fmt: skip


def network_of(kind: str):
    """A network with weights that show each part, and windows for it."""
    hp = Hyperparameters.model_validate(KINDS[kind])
    names = [*FEATURES, *(hp.future_features or {})]
    targets = [f"kind={c}" for c in "uvw"] if hp.classes else TARGETS
    network = build_network(hp, names, targets, seasons=(3,))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if "seed" not in weight.path:
            weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))
    return network, rng.normal(size=(7, hp.timesteps, len(names))).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_keras(kind, tmp_path):
    network, windows = network_of(kind)
    check = export_onnx(network, windows, tmp_path / "model.onnx")
    assert check.facts() == {"windows": 7}
    _, *inputs, outputs = (*windows.shape, network.output_shape[-1])
    found = load_onnx(tmp_path / "model.onnx", (*inputs, outputs))
    with pytest.raises(StoreError, match="time steps, features and outputs, the run"):
        load_onnx(tmp_path / "model.onnx", (*inputs, outputs + 1))
    expected = predict(network, windows)
    assert largest_difference(predict(found, windows), expected) < TOLERANCE
    assert largest_difference(predict(found, windows[:1]), expected[:1]) < TOLERANCE
    again = tmp_path / "again.onnx"
    export_onnx(network, windows, again)
    assert again.read_bytes() == (tmp_path / "model.onnx").read_bytes()


def test_a_network_without_an_equal_in_onnx_has_a_reason(tmp_path, monkeypatch):
    import keras

    file, windows = tmp_path / "model.onnx", np.ones((2, 3, 1), np.float32)

    def reason(layer):
        inputs = keras.Input((3, 1))
        return export_onnx(keras.Model(inputs, layer(inputs)), windows, file).reason

    assert reason(keras.layers.LSTM(2, activation="gelu", name="l")) == (
        "l: an LSTM in ONNX has no activation 'gelu'"
    )
    assert "no rule for keras" in reason(keras.layers.GRU(2))
    monkeypatch.setattr(onnx_export, "largest_difference", lambda *_: float("nan"))
    assert "its outputs differ from Keras'" in reason(keras.layers.LSTM(2))
    assert not file.exists()


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: c + b"location", lambda c: b""]
)
def test_a_file_that_is_no_network_is_refused(damage, tmp_path):
    network, windows = network_of("plain classifier")
    file = tmp_path / "model.onnx"
    export_onnx(network, windows, file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StoreError, match="cannot be opened as an ONNX model"):
        load_onnx(file, (*windows.shape[1:], network.output_shape[-1]))
