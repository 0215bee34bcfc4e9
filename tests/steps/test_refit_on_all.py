"""The network that serves learns from all windows; the one that test scored stays beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastlstm.artifacts.file_names import MODEL_FILE, TRAINING_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.split import EVERY
from fastlstm.network.combination import COMBINATION, START
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import load_network
from fastlstm.steps.refit import refit_into
from fastlstm.steps.train import train_into
from fastlstm.training.calibration import Correction
from fastlstm.training.label_combination import solve_again
from fastlstm.training.logistic_component import LogisticPenalty
from fastlstm.training.refit import copy_network
from fastlstm.training.setup import TrainingSetup
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


@pytest.fixture
def classified(tmp_path):
    """The same of a classifier, with other settings; and what its training found."""

    def run(name="c", **changes):
        folder = tmp_path / name
        hp = Hyperparameters.model_validate(
            {"timesteps": 4, "epochs": 2, "batch_size": 128, "refit": "all", **changes}
        )
        windows = dataset(folder / "w", hp, labels=True)
        given = {"windows": str(windows.folder), "hyperparameters": hp.model_dump()}
        for part in "ns":
            (folder / part).mkdir()
        train_into(str(folder / "n"), on_event=quiet, **given)
        refit_into(str(folder / "s"), str(folder / "n"), on_event=quiet, **given)
        facts = json.loads((folder / "n" / TRAINING_FILE).read_text())
        return [load_network(folder / part / MODEL_FILE) for part in "ns"], facts, windows

    return run


def same(one, two, without=()):
    return all(
        all(map(np.array_equal, a.get_weights(), b.get_weights()))
        for a, b in zip(one.layers, two.layers, strict=True)
        if a.name not in without
    )


@pytest.mark.soak
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


@pytest.mark.soak
def test_a_classifier_keeps_the_combination_and_learns_both_parts_again(classified):
    (scored, served), facts, windows = classified(calibration="platt")
    assert facts["calibration"]["slopes"] != [1.0]
    weights = [network.get_layer(COMBINATION).get_weights() for network in (scored, served)]
    assert all(map(np.array_equal, *weights))
    kernels = [network.get_layer(LINEAR).get_weights()[0] for network in (scored, served)]
    assert not np.array_equal(*kernels)
    # The logistic regression is that of all windows, with the penalty that validation chose.
    again = copy_network(served, served.get_weights())
    setup = TrainingSetup(windows, Hyperparameters(timesteps=4), quiet)
    penalty = LogisticPenalty(**facts["label_combination"]["penalty"])
    solve_again(again, setup, EVERY, penalty)
    np.testing.assert_allclose(again.get_layer(LINEAR).get_weights()[0], kernels[1], atol=1e-5)
    assert not same(scored, served, (COMBINATION, LINEAR))


@pytest.mark.soak
def test_the_calibration_of_a_classifier_without_a_combination_is_that_of_validation(
    classified, monkeypatch
):
    (_, served), facts, _ = classified(model_relative_width=[1], linear_component=False)
    found = Correction.from_facts(facts["calibration"])
    assert served.layers[-1].name == "output" and found.slopes[0] > 0
    with monkeypatch.context() as patch:
        patch.setattr(Correction, "apply", lambda *_: None)
        (_, raw), _, _ = classified("raw", model_relative_width=[1], linear_component=False)
    kernel, bias = raw.layers[-1].get_weights()
    expected = [kernel * found.slopes, bias * found.slopes + found.shifts]
    for weight, value in zip(served.layers[-1].get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-5)
