"""The network that serves learns from all windows; the one that test scored stays beside it."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.artifacts.file_names import MODEL_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.combination import COMBINATION, START
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import load_network
from fastlstm.steps.refit import refit_into
from fastlstm.steps.train import train_into
from tests.training.test_fit import dataset

pytestmark = pytest.mark.usefixtures("untraced")


def quiet(_):
    """Take an event."""


@pytest.fixture
def trained(tmp_path):
    """Trains on a folder of windows, then on all of them; the scored and the served network."""

    def run(name, change=lambda frame: None):
        hp = Hyperparameters.model_validate({
            "LSTM_type": "regressor", "timesteps": 8, "steps_ahead": 2, "epochs": 2, "batch_size": 128,
            "segment_units": 4, "refit": "all",
        })  # fmt: skip
        folder = tmp_path / name
        windows = dataset(folder / "w", hp, change=change, own=True)
        given = {"windows": str(windows.folder), "hyperparameters": hp.model_dump()}
        (folder / "n").mkdir()
        (folder / "s").mkdir()
        train_into(str(folder / "n"), on_event=quiet, **given)
        about = refit_into(str(folder / "s"), str(folder / "n"), on_event=quiet, **given)
        assert about["epochs"] in (1, 2)
        return [load_network(folder / part / MODEL_FILE) for part in "ns"]

    return run


def same(one, two, without=()):
    return all(
        all(map(np.array_equal, a.get_weights(), b.get_weights()))
        for a, b in zip(one.layers, two.layers, strict=True)
        if a.name not in without
    )


def test_what_serves_has_learned_from_test_rows_and_what_was_scored_has_not(trained):
    def later(frame):
        frame.loc[frame.index >= 260, "x.a"] += 3

    scored, served = trained("plain")
    other_scored, other_served = trained("changed", later)
    assert same(scored, other_scored)
    chosen = (COMBINATION, START)
    assert not same(served, other_served, chosen) and not same(scored, served, chosen)
    assert not same(
        served, other_served, [layer.name for layer in served.layers if layer.name != LINEAR]
    )
    # What validation and train rows chose stays.
    for name in chosen:
        np.testing.assert_array_equal(
            scored.get_layer(name).get_weights()[0], served.get_layer(name).get_weights()[0]
        )
