"""The search: ranges that are refused, pruning, and resuming after an interruption."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from fastlstm.artifacts.file_names import BEST_SETTINGS_FILE, SEARCH_FIGURE_FILE, TRIALS_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.reading import check_settings, read_config
from fastlstm.errors import ConfigError, StoreError, TrainingError
from fastlstm.experiments.tuning import (
    PrunedError,
    Search,
    _differing,
    study_key,
    with_hyperparameters,
    write_search,
)
from tasks.settings import PipelineConfig
from tests.conftest import build_settings

RANGES = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "batch_size": {"low": 8, "high": 64, "step": 8},
    "model_relative_width": {"choices": [[1], [2]]},
    "activation": {"choices": ["tanh", "relu"]},
}


@pytest.fixture
def config(tmp_path):
    def made(ranges=RANGES, **tune):
        given = build_settings(tmp_path)
        given["tune"] = {"ranges": ranges, **tune}
        return check_settings(given, PipelineConfig, tmp_path)

    return made


def epoch(number, value):
    return {"event": "epoch", "epoch": number, "val_loss": value}


def run(search, values):
    """Trials that end with these scores; their hyperparameters."""
    tried = []
    for value in values:
        trial = search.ask()
        tried.append(trial.chosen)
        trial(epoch(1, value + 1))
        trial(epoch(2, value))
        trial(epoch(3, value + 0.5))  # the best epoch counts
        trial.complete()
    return tried


def test_values_come_from_the_ranges_and_are_valid_settings(config, tmp_path):
    search = Search(config(prune=False), "k", tmp_path / "s")
    for chosen in run(search, range(12)):
        assert 0.001 <= chosen["learning_rate"] <= 0.1
        assert chosen["batch_size"] in range(8, 65, 8) and isinstance(chosen["batch_size"], int)
        assert chosen["model_relative_width"] in ([1], [2])
        made = with_hyperparameters(config(), chosen).hyperparameters
        assert made.activation == chosen["activation"]
    assert search.left == 8 and search.ended == 12
    assert search.summary()["best"]["value"] == 0


def test_a_resumed_search_draws_what_an_uninterrupted_one_does(config, tmp_path):
    whole = run(Search(config(prune=False), "k", tmp_path / "a"), range(10))
    parts = []
    for _ in range(4):
        parts += run(Search(config(prune=False), "k", tmp_path / "b"), [len(parts)])
    cut = Search(config(prune=False), "k", tmp_path / "b").ask()  # never ends: killed
    cut(epoch(1, 3.0))
    assert cut.chosen == whole[4]
    again = Search(config(prune=False), "k", tmp_path / "b", resume=True)
    assert again.ended == 4 and again.left == 16
    parts += run(again, [4])
    assert parts[4] == whole[4] == cut.chosen
    summary = again.summary()
    assert [t["value"] for t in summary["trials"]] == [0, 1, 2, 3, 4]


def test_a_trial_with_a_hopeless_score_is_pruned(config, tmp_path):
    search = Search(config(), "k", tmp_path / "s")
    run(search, [1.0, 1.1, 1.2, 1.3])
    good = search.ask()
    good(epoch(1, 1.0))
    good.complete()
    bad = search.ask()
    with pytest.raises(PrunedError):
        bad(epoch(1, 50.0))
    bad.prune()
    failed = search.ask()
    failed.fail("the loss is not finite")
    states = [t["state"] for t in search.summary()["trials"]]
    assert states == ["complete"] * 5 + ["pruned", "failed"]
    assert search.left == 20 - 7


def test_a_slow_learner_is_not_pruned_in_the_first_tenth_of_the_epochs(config, tmp_path):
    settings = with_hyperparameters(config(), {"epochs": 30})
    search = Search(settings, "k", tmp_path / "s")
    for _ in range(5):
        trial = search.ask()
        for number in range(1, 6):
            trial(epoch(number, 1.0))
        trial.complete()
    slow = search.ask()
    for number in (1, 2):
        slow(epoch(number, 50.0))
    with pytest.raises(PrunedError):
        for number in (3, 4):
            slow(epoch(number, 50.0))


def test_pruning_can_be_left_out(config, tmp_path):
    search = Search(config(prune=False), "k", tmp_path / "s")
    run(search, [1.0, 1.1, 1.2, 1.3, 1.4])
    search.ask()(epoch(1, 50.0))


def test_the_highest_score_is_best_for_a_metric_to_maximise(config, tmp_path):
    given = config().hyperparameters.model_dump()
    given |= {
        "LSTM_type": "classifier", "loss": "binary_crossentropy", "metrics": ["accuracy"],
        "last_layer_activation": "sigmoid", "scale_targets": False,
        "checkpoint_monitor_metric": "val_accuracy", "checkpoint_mode": "max",
    }  # fmt: skip
    classifier = with_hyperparameters(config(prune=False), given)
    search = Search(classifier, "k", tmp_path / "s")
    for value in (0.7, 0.9, 0.8):
        trial = search.ask()
        trial({"event": "epoch", "epoch": 1, "val_accuracy": value})
        trial({"event": "epoch", "epoch": 2, "val_accuracy": value - 0.1})
        trial.complete()
    assert search.summary()["best"]["value"] == 0.9 and search.summary()["better"] == "higher"


def test_the_primary_metric_scores_a_trial_and_epochs_prune_it(config, tmp_path):
    search = Search(config(), "k", tmp_path / "s", primary="mase")
    for value in (1.0, 1.1, 1.2, 1.3):
        trial = search.ask()
        trial(epoch(1, value))
        trial.complete(10 - value)  # the epoch's score says the opposite
    hopeless = search.ask()
    with pytest.raises(PrunedError):
        hopeless(epoch(1, 50.0))
    hopeless.prune()
    summary = search.summary()
    assert (summary["metric"], summary["better"]) == ("MASE", "lower")
    assert summary["best"]["value"] == pytest.approx(8.7)


def test_epochs_of_a_metric_to_maximise_prune_beside_a_primary_metric_to_minimise(config, tmp_path):
    best_is_high = {
        "checkpoint_monitor_metric": "val_r2",
        "checkpoint_mode": "max",
        "metrics": ["r2"],
    }
    settings = config()
    hp = settings.hyperparameters.model_copy(update=best_is_high)
    search = Search(
        settings.model_copy(update={"hyperparameters": hp}), "k", tmp_path / "s", primary="mase"
    )
    for _ in range(5):
        trial = search.ask()
        trial({"event": "epoch", "epoch": 1, "val_r2": 0.9})
        trial.complete(1.0)
    with pytest.raises(PrunedError):
        search.ask()({"event": "epoch", "epoch": 1, "val_r2": -3.0})


def test_best_settings_are_a_config_file(config, tmp_path):
    settings = config(prune=False)
    search = Search(settings, "k", tmp_path / "s")
    tried = run(search, [3.0, 1.0, 2.0, 4.0, 5.0])
    summary = search.summary()
    assert summary["best"]["trial"] == 2 and summary["best"]["hyperparameters"] == tried[1]
    assert sum(summary["importance"].values()) == pytest.approx(1)
    assert set(summary["importance"]) == set(RANGES)
    out = tmp_path / "out"
    out.mkdir()
    write_search(out, summary, settings)
    read = read_config(out / BEST_SETTINGS_FILE)
    assert read.hyperparameters == with_hyperparameters(settings, tried[1]).hyperparameters
    assert read.data == settings.data and read.evaluation == settings.evaluation
    assert "tune" not in yaml.safe_load((out / BEST_SETTINGS_FILE).read_text())
    table = pd.read_csv(out / TRIALS_FILE)
    assert table["value"].tolist() == [3, 1, 2, 4, 5]
    assert (out / SEARCH_FIGURE_FILE).stat().st_size > 10_000


def test_any_change_but_the_number_of_trials_makes_another_study(config):
    key = study_key(config(), "data")
    assert key == study_key(config(trials=50), "data")
    assert key != study_key(config(), "other data")
    assert key != study_key(config(seed=1), "data")
    assert key != study_key(config({**RANGES, "batch_size": {"choices": [8]}}), "data")
    epochs = with_hyperparameters(config(), {"epochs": 77})
    assert key != study_key(epochs, "data")
    # The value of a searched hyperparameter in the settings does not count.
    assert key == study_key(with_hyperparameters(config(), {"batch_size": 99}), "data")


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"learning_rat": {"choices": [1]}}, "is no hyperparameter; did you mean 'learning_rate'"),
        ({"loss": {"choices": ["mse"]}}, "tune.ranges.loss: cannot be searched"),
        ({"batch_size": {"low": 8, "high": 4}}, "low: 8 is not below high 4"),
        ({"batch_size": {"low": 0, "high": 4}}, "tune.ranges.batch_size: 0 is refused"),
        ({"batch_size": {"low": 1.5, "high": 4.5}}, "tune.ranges.batch_size: 1.5 is refused"),
        ({"batch_size": {"low": 8}}, "a range has low and high, or choices"),
        ({"batch_size": {"low": 8, "choices": [4]}}, "choices: excludes low, high, step and log"),
        ({"learning_rate": {"low": 0.0, "high": 0.1, "log": True}}, "0.0 has no logarithm"),
        ({"batch_size": {"low": 8, "high": 64, "step": 8, "log": True}}, "no meaning with log"),
        (
            {"activation": {"choices": ["tanh", "sine"]}},
            "tune.ranges.activation: 'sine' is refused",
        ),
    ],
)
def test_ranges_that_cannot_be_searched(config, ranges, message):
    with pytest.raises(ConfigError, match=message):
        config(ranges)


def test_nothing_to_search(config, tmp_path):
    with pytest.raises(ConfigError, match="nothing to search"):
        Search(config({}), "k", tmp_path / "s")


def test_without_a_completed_trial_there_is_no_summary(config, tmp_path):
    search = Search(config(), "k", tmp_path / "s")
    search.ask().fail("too few rows")
    with pytest.raises(TrainingError, match=r"none of 1 trials .* too few rows"):
        search.summary()


def test_a_damaged_file_of_trials_is_refused(config, tmp_path):
    folder = tmp_path / "s"
    run(Search(config(), "k", folder), [1.0])
    file = folder / "trials.journal"
    file.write_bytes(file.read_bytes()[:40] + b"\xff{]\n" + file.read_bytes()[40:])
    with pytest.raises(StoreError, match=r"trials.journal: the trials cannot be read"):
        Search(config(), "k", folder).ask()


def test_trials_may_be_kept_in_a_database(config, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/trials.db"
    run(Search(config(storage=url), "k", tmp_path / "s"), [1.0, 2.0])
    assert Search(config(storage=url), "k", tmp_path / "other").ended == 2
    monkeypatch.setenv("TRIALS", url)
    assert Search(config(storage="env:TRIALS"), "k", tmp_path / "other").ended == 2
    with pytest.raises(ConfigError, match="password"):
        config(storage="postgresql://me:secret@host/db")


def test_a_choice_that_equals_its_fields_default_is_kept():
    """A forecaster's batch size and its ensemble have other defaults than the fields."""
    chosen = Hyperparameters.model_validate({
        "LSTM_type": "regressor", "timesteps": 24, "batch_size": 128, "ensemble_size": 1, "loss": "mse",
        "refit": False,
    })  # fmt: skip
    written = _differing(chosen)
    assert written["batch_size"] == 128
    assert Hyperparameters.model_validate(written) == chosen
    for changes in ({}, {"LSTM_type": "regressor"}, {"LSTM_type": "regressor", "epochs": 7}):
        plain = Hyperparameters.model_validate(changes)
        assert Hyperparameters.model_validate(_differing(plain)) == plain
    assert "segment_dropout" not in _differing(plain)
