"""A network that is not significantly better on validation is replaced by the naive forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.network.inference import load_network, predict
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.training.input_pipeline import Epoch, tf_dataset
from fastlstm.training.skill_test import SkillTest, set_gate
from fastlstm.windows.in_memory import RowWindows

pytestmark = pytest.mark.usefixtures("untraced")
COUNT, CUTS = 900, Cuts(600, 750)


def hyperparameters(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 6, "segment_units": 8, "epochs": 6,
        "learning_rate": 0.01, **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


# Where the claim holds whatever the network learned.
SHORT = {"epochs": 2, "batch_size": 600}


def windows(values, hp):
    frame = pd.DataFrame(
        {
            SERIES: "",
            TIME: pd.to_datetime(np.arange(len(values)), unit="us", utc=True),
            SEGMENT: 0,
        }
    )
    values = values.astype(np.float32).reshape(len(values), -1)
    names = [f"c{i}" for i in range(values.shape[1])]
    return RowWindows(
        frame, values, values, features=names, targets=names, timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead, cuts=CUTS, time_unit="row",
    )  # fmt: skip


def random_walk(seed=3):
    return np.cumsum(np.random.default_rng(seed).normal(size=COUNT)) / 10


def wave():
    noise = np.random.default_rng(0).normal(0, 0.1, COUNT)
    return np.sin(2 * np.pi * np.arange(COUNT) / 12) + noise


@pytest.mark.parametrize("refit", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_random_walk_is_forecast_by_its_last_value(tmp_path, refit):
    hp = hyperparameters(refit=refit, **SHORT)
    dataset = windows(random_walk(), hp)
    trained = fit(dataset, hp)
    skill = trained.finding(SkillTest)
    assert trained.refitted == refit
    assert skill is not None and not skill.is_better()
    x = dataset.read("test").x
    assert trained.history["loss"].nunique() > 1  # it did learn something
    np.testing.assert_array_equal(predict(trained.model, x), np.repeat(x[:, -1], 6, axis=1))
    facts = write_network(tmp_path, trained)
    assert facts["proof"]["better"] is False
    loaded = load_network(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded, x), np.repeat(x[:, -1], 6, axis=1))


@pytest.mark.traced
def test_a_wave_is_forecast_by_the_network():
    hp = hyperparameters()
    dataset = windows(wave(), hp)
    trained = fit(dataset, hp)
    skill = trained.finding(SkillTest)
    assert skill is not None and skill.is_better()
    test = dataset.read("test")
    error = np.abs(predict(trained.model, test.x) - test.y[:, :, 0]).mean()
    assert error < 0.5 * np.abs(test.x[:, -1] - test.y[:, :, 0]).mean()


@pytest.mark.traced
def test_with_too_few_origins_for_all_steps_the_first_are_tested():
    # 150 rows of validation hold 91 windows of 60 steps, where 120 are needed: 22 steps are tested.
    hp = hyperparameters(steps_ahead=60)
    for name, values in (("wave", wave()), ("walk", random_walk())):
        dataset = windows(values, hp)
        assert dataset.count("validation") == 91
        trained = fit(dataset, hp)
        skill = trained.finding(SkillTest)
        validation = dataset.read("validation")
        set_gate(trained.model, opened=True)
        error = np.abs(predict(trained.model, validation.x) - validation.y[:, :, 0])
        naive = np.abs(validation.x[:, -1] - validation.y[:, :, 0])
        assert (skill.steps, skill.origins) == (22, 91)
        gain = (naive - error)[:, :22].mean()
        np.testing.assert_allclose(skill.difference, gain, rtol=1e-4)
        np.testing.assert_allclose(skill.margin, naive[:, :22].mean() / 10, rtol=1e-5)
        np.testing.assert_allclose(skill.of_all_steps, (naive - error).mean(), rtol=1e-4)
        test = dataset.read("test").x
        set_gate(trained.model, opened=skill.is_better())
        used = (predict(trained.model, test) != np.repeat(test[:, -1], 60, axis=1)).any()
        assert used == (name == "wave")


@pytest.mark.parametrize(
    ("changes", "better"),
    [
        ({}, True), ({"p_value": 0.06}, False), ({"p_value": None}, False),
        ({"margin": 0.3}, False), ({"of_all_steps": -0.01}, False),
    ],
)  # fmt: skip
def test_it_is_significant_beyond_the_margin_and_better_over_all_steps(changes, better):
    given = {
        "difference": 0.2, "statistic": 3.0, "p_value": 0.01, "origins": 91, "steps": 22,
        "margin": 0.1, "of_all_steps": 0.1, **changes,
    }  # fmt: skip
    assert SkillTest(**given).is_better() is better


def test_with_a_seasonal_residual_the_naive_forecast_is_the_last_seasons():
    exact = np.tile(np.random.default_rng(1).normal(size=12), COUNT // 12)
    hp = hyperparameters(seasonal_residual=12, **SHORT)
    dataset = windows(exact, hp)
    trained = fit(dataset, hp)
    assert not trained.finding(SkillTest).is_better()
    x = dataset.read("test").x
    np.testing.assert_array_equal(predict(trained.model, x), x[:, 12:18, 0])


def test_the_user_may_turn_the_test_off():
    hp = hyperparameters(naive_unless_better=False, **SHORT)
    dataset = windows(random_walk(), hp)
    trained = fit(dataset, hp)
    assert trained.finding(SkillTest) is None
    x = dataset.read("test").x
    assert (predict(trained.model, x) != np.repeat(x[:, -1], 6, axis=1)).all()


def test_it_sees_no_test_row():
    hp, found = hyperparameters(**SHORT), []
    for change in (0.0, 1e3):
        values = wave()
        values[CUTS.test :] += change * np.random.default_rng(5).normal(size=COUNT - CUTS.test)
        trained = fit(windows(values, hp), hp)
        found.append((trained.finding(SkillTest), trained.model.get_weights()))
    assert found[0][0] == found[1][0]
    for weights, with_change in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(weights, with_change)


@pytest.mark.traced
def test_training_again_begins_with_the_network_forecasting():
    hp = hyperparameters(epochs=1)
    shut = fit(windows(random_walk(), hp), hp)
    again = fit(windows(wave(), hp), hyperparameters(), model=shut.model)
    assert again.finding(SkillTest).is_better()


@pytest.mark.parametrize("in_memory", [True, False])
def test_validation_windows_are_evenly_spaced_in_an_epoch(in_memory):
    hp = hyperparameters(windows_per_epoch=50, batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    if not in_memory:
        dataset.folded = lambda split: None
    batches = [y[:, 0] for _, y in tf_dataset(dataset, "validation", hp)]
    assert [len(b) for b in batches] == [32, 18]
    rows = dataset.origin_rows("validation")
    np.testing.assert_array_equal(np.concatenate(batches), rows[np.arange(50) * len(rows) // 50])


@pytest.mark.parametrize("in_memory", [True, False])
def test_windows_per_epoch_are_the_first_of_each_epochs_own_order(in_memory):
    hp = hyperparameters(windows_per_epoch=50, batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    if not in_memory:
        dataset.folded = lambda split: None
    epoch, drawn = Epoch(), []
    for number in range(3):
        epoch.number = number
        rows = np.concatenate([y[:, 0] for _, y in tf_dataset(dataset, "train", hp, epoch=epoch)])
        assert len(set(rows)) == 50
        drawn.append(set(rows))
        order = np.random.default_rng((hp.seed, number)).permutation(dataset.count("train"))[:50]
        np.testing.assert_array_equal(rows, dataset.origin_rows("train")[order])
    assert drawn[0] != drawn[1] != drawn[2]
