"""Weights and dropout follow from the seed, whatever else draws from Python's global generator."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import build_network
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import SeededLayers


def all_numbers(network) -> list[np.ndarray]:
    """Weights, and the states that dropout draws from."""
    return [variable.numpy() for variable in network.variables]


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "classic", "model_dropout": [0.3]},
        {"architecture": "classic", "channel_independent": True, "instance_normalization": "revin"},
        {"architecture": "segment", "segment_units": 8},
        {"architecture": "segment", "segment_units": 8, "decoding": "direct"},
        {"architecture": "segment", "segment_units": 8, "decoding": "recursive"},
        {"architecture": "segment", "segment_units": 8, "static_features": ["kind"]},
    ],
)
def test_no_part_of_a_network_is_drawn_from_the_global_generator(changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 12,
        "scale_targets": True, **changes,
    }  # fmt: skip
    if "model_dropout" in changes:
        given["model_relative_width"] = [1.0]
    hp = Hyperparameters.model_validate(given)
    features = ["a", "b", *changes.get("static_features", [])]
    found = []
    for elsewhere in (1, 2):
        random.seed(elsewhere)
        found.append(all_numbers(build_network(hp, features, ["a", "b"])))
    assert len(found[0]) >= 5
    for weights, other in zip(*found, strict=True):
        np.testing.assert_array_equal(weights, other)
    drawn = hp.model_copy(update={"seed": hp.seed + 1})
    others = all_numbers(build_network(drawn, features, ["a", "b"]))
    assert any((weights != other).any() for weights, other in zip(found[0], others, strict=True))


def test_they_are_the_layers_that_keras_makes_where_nothing_else_draws():
    keras = import_keras()

    def network(layers) -> list[np.ndarray]:
        sequence = keras.Input((5, 3))
        hidden = layers[0](4, return_sequences=True, name="first")(sequence)
        hidden = layers[1](4, name="second")(layers[2](0.0, name="none")(hidden))
        output = layers[3](2, name="output")(layers[2](0.4, name="some")(hidden))
        number = keras.Input((), dtype="int32")
        vector = layers[4](6, 2, name="vector")(number)
        return all_numbers(keras.Model([sequence, number], [output, vector]))

    layers = SeededLayers(7)
    ours = network([layers.lstm, layers.lstm, layers.dropout, layers.dense, layers.embedding])
    keras.utils.set_random_seed(7)
    stock = keras.layers
    theirs = network([stock.LSTM, stock.LSTM, stock.Dropout, stock.Dense, stock.Embedding])
    assert len(ours) == len(theirs)
    for weights, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(weights, other)
