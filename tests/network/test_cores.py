"""A new architecture is one class and one entry in the table of cores."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.build import build_network, lstm_sizes
from fastlstm.network.cores import CORES
from fastlstm.network.inference import predict
from fastlstm.training.fit import fit
from tests.network.test_architecture import FEATURES, settings
from tests.training.test_linear_component import source

pytestmark = pytest.mark.usefixtures("untraced")
TARGETS = ["c", "a"]


@dataclass(frozen=True)
class LastRowCore:
    """One linear layer of the last row, then a short LSTM of the whole sequence."""

    hyperparameters: Hyperparameters
    architecture: Architecture
    features: int
    targets: int

    def lstm_sizes(self):
        return [3], self.hyperparameters.timesteps

    def __call__(self, layers, sequences, window):
        outputs = (
            self.hyperparameters.steps_ahead * self.targets * self.hyperparameters.outputs_each
        )
        last = layers.dense(3, name="last_row")(sequences[:, -1])
        both = keras.ops.concatenate([last, layers.lstm(3, name="lstm_1")(sequences)], axis=1)
        return layers.dense(outputs, name="output")(both)


@pytest.mark.soak
@pytest.mark.parametrize("changes", [{}, {"ensemble_size": 2}, {"instance_normalization": "last"}])
def test_a_new_architecture_is_one_class_and_one_entry(monkeypatch, changes):
    monkeypatch.setitem(CORES, "last_row", LastRowCore)
    hp = settings(timesteps=12, steps_ahead=3, epochs=1, segment_length=None, **changes)
    hp = hp.model_copy(update={"architecture": "last_row"})
    assert lstm_sizes(hp, FEATURES, TARGETS) == ([3], 12)
    windows = source(hp)
    trained = fit(windows, hp)
    assert predict(trained.model, windows.read("test").x).shape[1] == 6
    names = [layer.name for layer in trained.model.layers]
    assert {"last_row", "lstm_1", "output"} <= set(names)
    assert ("output_member_2" in names) == ("ensemble_size" in changes)


def test_the_table_holds_every_architecture_of_the_settings():
    schema = Hyperparameters.model_json_schema()["properties"]["architecture"]
    assert {*CORES, "auto"} == set(schema["enum"])
    for name in CORES:
        hp = settings(architecture=name, segment_length=None)
        network = build_network(hp, FEATURES, TARGETS)
        x = np.zeros((2, 26, 4), np.float32)
        assert predict(network, x).shape == (2, 14)
