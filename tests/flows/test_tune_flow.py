"""The flow ``tune``: each trial a task, judged by validation, going on where it was cut off."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fastlstm.artifacts.file_names import BEST_SETTINGS_FILE, TRIALS_FILE
from fastlstm.artifacts.folders import read_manifest
from fastlstm.config.reading import check_settings, read_config
from fastlstm.steps import train as training
from fastlstm.steps.trial_score import score_trial
from tasks.settings import PipelineConfig
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")
RANGES = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "timesteps": {"choices": [6, 12]},
}


@pytest.fixture
def tune(settings, tmp_path):
    def run(trials=3, folder=None, frame=None, epochs=2, **kwargs):
        from flows.tune import tune as flow

        given = settings(
            tune={"ranges": RANGES, "trials": trials, "prune": False},
            hyperparameters={"epochs": epochs},
        )
        if folder is not None:
            given["work"] = str(tmp_path / folder)
        if frame is not None:
            given["data"]["path"] = str(tmp_path / f"{folder}.csv")
            frame.to_csv(given["data"]["path"], index=False)
        return flow(check_settings(given, PipelineConfig), return_state=True, **kwargs)

    return run


@pytest.fixture
def trainings(monkeypatch):
    """The learning rates that were really trained with; the one named last is cut off."""
    found = []
    right = training.train_into

    def counted(**arguments):
        found.append(arguments["hyperparameters"]["learning_rate"])
        if len(found) == cut_off.get("at"):
            raise KeyboardInterrupt
        return right(**arguments)

    cut_off = {}
    found_and_cut = (found, cut_off)
    monkeypatch.setattr(training, "train_into", counted)
    return found_and_cut


def trials_of(state) -> pd.DataFrame:
    return pd.read_csv(Path(state.result().path) / TRIALS_FILE)


@pytest.mark.soak
def test_the_best_of_the_trials_is_a_config_that_runs(tune, settings):
    state = tune(trials=2)
    outcome = state.result()
    assert state.is_completed() and state.message == outcome.message
    table = trials_of(state)
    assert table["state"].tolist() == ["complete"] * 2 and outcome.trials == 2
    assert outcome.best == table["value"].min()
    best = read_config(Path(outcome.path) / BEST_SETTINGS_FILE)
    row = table.loc[table["value"].idxmin()]
    assert best.hyperparameters.learning_rate == pytest.approx(row["learning_rate"])
    assert best.hyperparameters.timesteps == row["timesteps"]

    # The very training a retraining does with it.
    from flows.retrain import retrain

    given = best.model_dump()
    retrain(check_settings(given, PipelineConfig))
    # Its score is the primary metric of a panel, of the network on validation windows.
    assert "MASE" in state.message
    made = {
        name: list((Path(best.work) / name).iterdir()) for name in ("train", "scale", "validate")
    }
    folders = {name: str(only) for name, (only,) in made.items()}
    (windows,) = (
        folder
        for folder in (Path(best.work) / "windows").iterdir()
        if read_manifest(folder)["timesteps"] == row["timesteps"]
    )
    score = score_trial(
        folders["train"], str(windows), folders["scale"], folders["validate"], given, lambda _: None
    )
    assert score == pytest.approx(row["value"])


def test_one_series_is_searched_by_the_best_epoch(tune):
    state = tune(trials=1, folder="single", frame=make_panel(series=("a",)), epochs=1)
    assert "val_loss" in state.message and state.result().best == trials_of(state)["value"][0]


def test_a_trial_whose_metric_is_undefined_fails_and_says_so(tune, ready_network):
    frame = make_panel()
    frame.loc[frame.groupby("site").cumcount() < 180, "load"] = 5.0
    state = tune(trials=1, folder="flat", frame=frame)
    assert state.is_failed() and "primary metric is undefined" in state.message


@pytest.mark.soak
def test_a_search_cut_off_ends_as_one_that_was_not(tune, trainings, ready_network):
    tried, cut_off = trainings
    whole = trials_of(tune(folder="whole"))
    assert len(tried) == 3
    cut_off["at"] = 3 + 2
    with pytest.raises(KeyboardInterrupt):
        tune(folder="cut")
    cut_off.clear()
    cut = trials_of(tune(folder="cut"))
    assert tried[3:] == [tried[0], tried[1], tried[1], tried[2]]
    columns = ["value", "learning_rate", "timesteps", "state"]
    pd.testing.assert_frame_equal(whole[columns], cut[columns])
    # More trials go on with it.
    more = trials_of(tune(trials=4, folder="cut"))
    assert len(tried) == 8
    pd.testing.assert_frame_equal(more[columns].head(3), cut[columns])


@pytest.mark.soak
def test_the_search_sees_no_test_row(tune):
    frame = make_panel()
    plain = trials_of(tune(trials=2, folder="plain", frame=frame, epochs=1))
    hours = frame.groupby("site").cumcount()
    frame.loc[hours >= 204, ["load", "heat"]] += 1000  # from the test cut on
    spoiled = trials_of(tune(trials=2, folder="spoiled", frame=frame, epochs=1))
    pd.testing.assert_frame_equal(plain, spoiled)


def test_a_trial_that_fails_is_told_and_the_search_goes_on(tune, monkeypatch, ready_network):
    from fastlstm.errors import TrainingError

    right, begun = training.train_into, []

    def first_fails(**arguments):
        begun.append(1)
        if len(begun) == 1:
            raise TrainingError("loss became nan in epoch 1")
        return right(**arguments)

    monkeypatch.setattr(training, "train_into", first_fails)
    table = trials_of(tune(trials=2))
    assert table["state"].tolist() == ["failed", "complete"]
    assert "loss became nan" in table["note"][0]
