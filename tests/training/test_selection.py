"""What validation decides after a training is a list of steps, none of which ``fit`` knows by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import fastlstm.training.fit
from fastlstm.artifacts.file_names import TRAINING_FILE
from fastlstm.training.checkpoint import refit_checkpoint, state_files, warm_start_checkpoint
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.training.refit import Refit
from fastlstm.training.selection_steps import SELECTION_STEPS
from fastlstm.training.warm_start import WarmStart
from tests.training.test_fit import dataset, regressor

pytestmark = pytest.mark.usefixtures("untraced")


@dataclass(frozen=True)
class Bias:
    mean: float

    def facts(self):
        return {"bias": self.mean}


class BiasStep:
    """A step that a contributor may add: notes the mean bias of the output layer and zeroes it."""

    def applies(self, context):
        return context.setup.hyperparameters.is_regressor

    def run(self, context):
        bias = context.chosen.get_layer("output").get_weights()[1]
        for network in context.networks:
            layer = network.get_layer("output")
            layer.set_weights([layer.get_weights()[0], 0 * bias])
        return Bias(float(bias.mean()))


def test_a_new_step_is_one_class_and_one_entry(tmp_path, monkeypatch):
    monkeypatch.setattr(fastlstm.training.fit, "SELECTION_STEPS", (*SELECTION_STEPS, BiasStep()))
    hp = regressor(epochs=1, refit=True)
    trained = fit(dataset(tmp_path / "w", hp), hp)
    assert trained.finding(Bias).mean != 0
    for network in (trained.chosen, trained.model):
        np.testing.assert_array_equal(network.get_layer("output").get_weights()[1], 0)
    write_network(tmp_path, trained)
    facts = json.loads((tmp_path / TRAINING_FILE).read_text())
    assert facts["bias"] == trained.finding(Bias).mean and facts["refit"] is True


def test_a_step_that_does_not_apply_leaves_no_finding(tmp_path):
    hp = regressor(epochs=1)
    trained = fit(dataset(tmp_path / "w", hp), hp)
    assert trained.findings == () and trained.finding(Refit) is None
    assert trained.model is trained.chosen and "refit" not in trained.facts()


def champion(windows, hp, network):
    """A stored run of the same settings, in memory."""
    manifest = windows.manifest
    columns = SimpleNamespace(features=manifest["features"], targets=manifest["targets"])
    return SimpleNamespace(
        run_id="r1", manifest={"cuts": manifest["cuts"]}, hyperparameters=hp, data=columns,
        network=network,
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("ahead", [True, False])
def test_a_warm_start_keeps_the_better_training_and_refits_it_alone(tmp_path, ahead):
    small = {"timesteps": 3, "batch_size": 128, "learning_rate_schedule": "constant"}
    hp = regressor(refit=True, learning_rate=1e-4, epochs=2, **small)
    windows = dataset(tmp_path / "w", hp, rows=150)
    before = fit(windows, regressor(epochs=8, learning_rate=0.1, **small)).model
    if not ahead:
        before.set_weights([weights * 0 + 3 for weights in before.get_weights()])
    learned = hp.model_copy(update={"refit": False})
    events, state = [], tmp_path / "state.npz"
    trained = fit(
        windows, hp, events.append, checkpoint=state, champion=champion(windows, learned, before)
    )
    found = trained.finding(WarmStart)
    assert found.run_id == "r1" and found.kept == ("champion" if ahead else "new")
    assert (found.scores["champion"] < found.scores["new"]) is ahead
    score = trained.history["val_loss"].min()
    assert score == found.scores["champion" if ahead else "new"]
    epochs = [bool(event.get("refit")) for event in events if event["event"] == "epoch"]
    assert epochs == [False] * 4 + [True] * trained.best_epoch and trained.refitted
    assert state_files(state) == [state, refit_checkpoint(state), warm_start_checkpoint(state)]
    assert all(file.exists() for file in state_files(state))
    # The training that is kept is the one without the comparison.
    alone = fit(windows, hp, model=before) if ahead else fit(windows, hp)
    for weights, expected in zip(
        trained.model.get_weights(), alone.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weights, expected)
