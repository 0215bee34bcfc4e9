"""Retraining from the champion's weights beside new ones, and promotion by a backtest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.folders import read_manifest
from fastlstm.config.reading import check_settings
from fastlstm.runs.saved_run import SavedRun
from tasks.settings import PipelineConfig
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")
# So slow that what had a start stays ahead.
SLOW = {"epochs": 2, "learning_rate": 0.001, "learning_rate_schedule": "constant"}


@pytest.fixture
def retrain(settings):
    def run(frame=None, **sections):
        from fastlstm.registry.folder_store import FolderStore
        from flows.retrain import retrain as flow

        config = check_settings(settings(frame, **sections), PipelineConfig)
        outcome = flow(config)
        store = FolderStore(config.store)
        if store.champion("small").champion is None:
            store.update_champion(
                "small", lambda r: r.promoted(outcome.run.run_id, "for this test")
            )
        run = SavedRun(Path(outcome.run.location))
        return run, run.manifest["training"]

    return run


@pytest.mark.soak
def test_the_better_on_validation_is_kept(retrain, monkeypatch):
    panel = make_panel(280)
    first_rows = panel[panel.groupby("site").cumcount() < 240]
    champion, facts = retrain(first_rows, warm_start=True, hyperparameters=SLOW)
    assert "warm_start" not in facts  # no champion yet

    warm, facts = retrain(panel, warm_start=True, hyperparameters=SLOW)
    found = facts["warm_start"]
    assert found["from"] == champion.run_id and found["kept"] == "champion"
    assert found["champion"] < found["new"]
    assert warm.history["val_loss"].min() == pytest.approx(found["champion"])
    said = f"kept the training from weights of champion {champion.run_id}, val_loss "
    assert said in warm.path("report").read_text()

    # Weights that are far off lose against new ones, and the run is the very one without them.
    champion.network.set_weights([weights * 0 + 3 for weights in champion.network.get_weights()])
    monkeypatch.setattr(SavedRun, "network", champion.network)
    lost, facts = retrain(panel, warm_start=True, hyperparameters={**SLOW, "seed": 2})
    assert facts["warm_start"]["kept"] == "new"
    alone, _ = retrain(panel, hyperparameters={**SLOW, "seed": 2})
    pd.testing.assert_frame_equal(lost.history, alone.history)
    assert facts["warm_start"]["new"] == pytest.approx(alone.history["val_loss"].min())
    assert f"from weights of champion {champion.run_id}" in lost.path("report").read_text()


@pytest.mark.soak
def test_champions_that_cannot_be_gone_on_with(retrain, ready_network):
    champion, _ = retrain(hyperparameters={"epochs": 1})
    cases = {
        "its timesteps are 6, now 8": {"timesteps": 8, "epochs": 1},
        "its layers differ": {
            "segment_units": 9,
            "timesteps": 6,
            "architecture": "segment",
            "epochs": 1,
        },
        "it learned from rows that are validation or test now": {
            "train_size_rate": 0.5,
            "epochs": 1,
        },
    }
    for why, changes in cases.items():
        run, facts = retrain(warm_start=True, hyperparameters=changes)
        assert facts["warm_start"] == {"from": champion.run_id, "kept": "new", "why": why}
        told = f"Warm start: not tried from the champion's weights: {why}."
        assert told in run.path("report").read_text()


@pytest.mark.soak
def test_a_refit_champion_has_learned_its_validation_rows(retrain):
    champion, facts = retrain(hyperparameters={"epochs": 1, "refit": True})
    assert facts["refit"] and "Refit: retrained" in champion.path("report").read_text()
    _, facts = retrain(warm_start=True, hyperparameters={"epochs": 1, "seed": 3})
    assert facts["warm_start"]["why"] == "it learned from rows that are validation or test now"


@pytest.mark.soak
def test_a_backtest_may_have_to_agree(settings, ready_network, monkeypatch):
    import tasks.combine_folds
    from flows.retrain import retrain as flow

    # Noise about a level: the mean, from which a network starts, beats both baselines by far.
    frame = make_panel()
    frame["load"] = 50 + np.random.default_rng(0).normal(size=len(frame))
    chosen = {"folds": 2, "test_size_rate": 0.4, "parallel": 1, "decides": True}
    given = settings(frame, backtest=chosen, hyperparameters={"epochs": 4})
    config, work = check_settings(given, PipelineConfig), Path(given["work"])
    right = tasks.combine_folds.make

    def not_shown(*args, **kwargs):
        output, manifest = right(*args, **kwargs)
        manifest["significance"]["last_value"]["better"] = False
        return output, manifest

    with monkeypatch.context() as patch:
        patch.setattr(tasks.combine_folds, "make", not_shown)
        lost = flow(config)
    assert not lost.promoted
    assert "does not significantly beat (5%) the naive (last value) forecast" in lost.message

    # The same networks and folds, of which the backtest's own verdict is taken.
    shutil.rmtree(given["store"])
    shutil.rmtree(work / "backtest")
    won = flow(config)
    assert won.promoted, won.message
    assert len(list((work / "folds").iterdir())) == 2
    (folder,) = (work / "backtest").iterdir()
    assert all(test["better"] for test in read_manifest(folder)["significance"].values())
