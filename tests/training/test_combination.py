"""A forecast is a mean of LSTM, ridge regression and naive forecasts, weighted by validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.split import Cuts
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network
from fastlstm.network.combination import (
    COMBINATION,
    has_combination,
    naive_forecasts,
    set_combination,
)
from fastlstm.network.fixed_weights import constants, numbered
from fastlstm.network.inference import predict
from fastlstm.network.naive_forecasters import BY_PAST_ERROR, naive_forecaster_names
from fastlstm.training.combination import Combination
from fastlstm.training.files import write_network
from fastlstm.training.fit import _first_network, fit
from fastlstm.training.setup import TrainingSetup
from fastlstm.windows.in_memory import RowWindows

pytestmark = pytest.mark.usefixtures("untraced")
COUNT, CUTS = 900, Cuts(600, 750)
# Forecasters that come last.
DRIFTS = ("drift", "recent_drift", *BY_PAST_ERROR)


def hyperparameters(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 6, "segment_units": 8, "epochs": 6,
        "learning_rate": 0.01, **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


# Where the claim holds whatever the network learned.
SHORT = {"epochs": 2, "batch_size": 600}


def windows(values, hp, cuts=CUTS, **more):
    """Windows over rows ``(COUNT,)`` or ``(COUNT, n_columns)``, whose columns are all targets."""
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
        steps_ahead=hp.steps_ahead, cuts=cuts, time_unit="row", **more,
    )  # fmt: skip


def random_walk(seed=3):
    return np.cumsum(np.random.default_rng(seed).normal(size=COUNT)) / 10


def wave():
    noise = np.random.default_rng(0).normal(0, 0.1, COUNT)
    return np.sin(2 * np.pi * np.arange(COUNT) / 12) + noise


def combination(trained):
    found = trained.finding(Combination)
    assert found is not None
    return found


def naive_mean(trained, x, steps=6):
    """The mean of the naive forecasts with the weights that they have among each other."""
    names = naive_forecaster_names(x.shape[1], ())
    weights = (
        trained.model.get_layer(COMBINATION).get_weights()[0].reshape(-1, steps)[-len(names) :]
    )
    each = naive_forecasts(x, resolve(hyperparameters(), ["c0"], ["c0"]), steps)[..., 0]
    shares = weights / np.maximum(weights.sum(axis=0), 1e-9)
    return (shares * each.transpose(1, 0, 2)).sum(axis=1)


@pytest.mark.parametrize("refit", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_random_walk_is_forecast_by_the_naive_mean(tmp_path, refit):
    import keras

    hp = hyperparameters(refit=refit, **SHORT)
    dataset = windows(random_walk(), hp)
    trained = fit(dataset, hp)
    found = combination(trained)
    assert trained.refitted == refit
    assert found.trust < 0.05 and found.forecasters == (
        "lstm",
        "linear",
        "naive",
        "mean",
        "drift",
        "recent_drift",
        *BY_PAST_ERROR,
    )
    x = dataset.read("test").x
    assert trained.history["loss"].nunique() > 1  # it did learn something
    forecast, naive = predict(trained.model, x), naive_mean(trained, x)
    np.testing.assert_allclose(forecast, naive, atol=0.02 * np.abs(naive - x[:, -1]).max())
    facts = write_network(tmp_path, trained)
    assert facts["combination"]["trust"] < 0.05
    assert sum(facts["combination"]["weights"].values()) == pytest.approx(1, abs=1e-3)
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(predict(loaded, x), forecast, atol=1e-6)


@pytest.mark.soak
@pytest.mark.traced
def test_a_wave_is_forecast_by_the_network():
    hp = hyperparameters()
    dataset = windows(wave(), hp)
    trained = fit(dataset, hp)
    assert combination(trained).trust > 0.95 and combination(trained).gain > 0.5
    test = dataset.read("test")
    error = np.abs(predict(trained.model, test.x) - test.y[:, :, 0]).mean()
    assert error < 0.5 * np.abs(test.x[:, -1] - test.y[:, :, 0]).mean()


@pytest.mark.soak
def test_with_few_origins_a_trend_does_not_pass_for_skill():
    # 150 rows of validation hold 91 windows of 60 steps: one horizon and a half of origins.
    hp, found = hyperparameters(steps_ahead=60, **SHORT), {}
    for name, values in (("wave", wave()), ("walk", random_walk())):
        dataset = windows(values, hp)
        assert dataset.count("validation") == 91
        found[name] = combination(fit(dataset, hp))
        assert found[name].origins == 91
    assert found["walk"].trust < 0.05 and found["wave"].trust > 0.9
    assert found["walk"].gain > 0.2  # which only looks like skill


@pytest.mark.soak
def test_seeds_of_a_series_on_the_border_give_close_forecasts():
    # A weak season in a random walk, where a test of significance turns with the seed.
    values, forecasts, trust = random_walk() + 0.12 * wave(), [], []
    for seed in range(3):
        hp = hyperparameters(seed=seed, **SHORT)
        dataset = windows(values, hp)
        trained = fit(dataset, hp)
        forecasts.append(predict(trained.model, dataset.read("test").x))
        trust.append(combination(trained).trust)
    test = dataset.read("test")
    naive = np.abs(test.x[:, -1] - test.y[:, :, 0]).mean()
    assert 0.2 < np.mean(trust) < 0.8 and np.ptp(trust) < 0.5
    for other in forecasts[1:]:
        assert 0 < np.abs(forecasts[0] - other).mean() < 0.15 * naive


@pytest.mark.soak
def test_an_exact_season_is_forecast_by_its_seasonal_naive_forecast():
    exact = np.tile(np.random.default_rng(1).normal(size=12), COUNT // 12)
    for changes, seasons in (({"seasonal_residual": 12}, ()), ({}, (12, 168))):
        hp = hyperparameters(**changes, **SHORT)
        more = {"seasons": FoundSeasons(seasons[0], seasons)} if seasons else {}
        dataset = windows(exact, hp, **more)
        trained = fit(dataset, hp)
        found = combination(trained)
        # A season longer than the look-back has no forecast.
        of_season = [f"seasonal_{kind}_12" for kind in ("naive", "mean", "shape", "level")]
        assert found.forecasters[2:] == ("naive", "mean", *of_season, *DRIFTS)
        assert sum(found.by_name[name] for name in (*of_season, *BY_PAST_ERROR)) > 0.99
        x = dataset.read("test").x
        np.testing.assert_allclose(predict(trained.model, x), x[:, 12:18, 0], atol=1e-3)


@pytest.mark.parametrize("linear", [False, True])
def test_the_user_may_leave_the_naive_forecasts_out(linear):
    hp = hyperparameters(naive_unless_better=False, linear_component=linear, **SHORT)
    dataset = windows(random_walk(), hp)
    trained = fit(dataset, hp)
    found = trained.finding(Combination)
    if linear:
        assert found.forecasters == ("lstm", "linear") and found.trust == 1
        assert np.isnan(found.gain) and found.facts()["combination"]["gain"] is None
        assert sum(found.by_name.values()) == pytest.approx(1)
    else:
        assert found is None and not has_combination(trained.model)
    x = dataset.read("test").x
    # One value may be the same by chance.
    assert (predict(trained.model, x) != np.repeat(x[:, -1], 6, axis=1)).mean() > 0.99


@pytest.mark.soak
def test_each_quantile_is_combined_with_the_naive_mean():
    hp = hyperparameters(quantiles=[0.1, 0.5, 0.9])
    dataset = windows(wave(), hp)
    trained, x = fit(dataset, hp), dataset.read("test").x
    weights = trained.model.get_layer(COMBINATION).get_weights()[0].reshape(7, 6)
    assert combination(trained).forecasters == ("lstm", "naive", "mean", *DRIFTS)
    assert weights[0].max() > 0.1
    forecast, naive = predict(trained.model, x).reshape(-1, 6, 3), naive_mean(trained, x)
    set_combination(trained.model, np.repeat(np.eye(7)[0], 6))
    lstm = predict(trained.model, x).reshape(-1, 6, 3)
    share = weights[0][:, None]
    expected = share * lstm + (1 - share) * naive[:, :, None]
    np.testing.assert_allclose(forecast, expected, atol=1e-5)
    assert (np.diff(forecast, axis=2) >= 0).all()


def test_a_target_and_a_step_have_weights_of_their_own():
    hp = hyperparameters(ensemble_size=2, **SHORT)
    dataset = windows(np.column_stack([wave(), random_walk()]), hp)
    trained = fit(dataset, hp)
    weights = trained.model.get_layer(COMBINATION).get_weights()[0].reshape(8, 6, 2)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    assert weights.min() >= 0
    learned = weights[:2].sum(axis=0)
    assert learned[:, 0].min() > 0.9 and learned[:, 1].max() < 0.5
    np.testing.assert_allclose(combination(trained).weights, weights.mean(axis=2), atol=1e-6)


def test_it_sees_no_test_row():
    hp, found = hyperparameters(**SHORT), []
    for change in (0.0, 1e3):
        values = wave()
        values[CUTS.test :] += change * np.random.default_rng(5).normal(size=COUNT - CUTS.test)
        trained = fit(windows(values, hp), hp)
        found.append((combination(trained).facts(), trained.model.get_weights()))
    assert found[0][0] == found[1][0]
    for weights, with_change in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(weights, with_change)


@pytest.mark.soak
def test_training_again_begins_with_the_network_forecasting():
    hp = hyperparameters(**SHORT)
    untrusted = fit(windows(random_walk(), hp), hp)
    assert combination(untrusted).trust < 0.05
    again = fit(windows(wave(), hp), hp, model=untrusted.model)
    assert combination(again).trust > 0.9


@pytest.mark.parametrize("stored_before", [False, True])
def test_a_network_of_other_forecasters_passes_its_lstm_on(stored_before):
    import keras

    hp = hyperparameters(segment_units=4, seed=7, decoding="parallel")
    given = build_network(hp, ["c0"], ["c0"])
    if stored_before:  # a closed gate, behind which nothing would be learned
        gate = constants(1, "zeros", "gate")(numbered(given.input, 1))
        given = keras.Model(given.input, given.output * keras.ops.reshape(gate, (1, 1)))
    more = {} if stored_before else {"seasons": FoundSeasons(12, (12,))}
    setup = TrainingSetup(windows(wave(), hp, **more), hp.model_copy(update={"seed": 1}), print)
    network = _first_network(setup, given)
    assert network is not given
    for name in ("lstm_1", "output"):
        for new, old in zip(
            network.get_layer(name).get_weights(), given.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(new, old)
    found = len(network.get_layer(COMBINATION).get_weights()[0])
    assert found == len(setup.architecture.forecasters) * 6
    # One of the same forecasters is trained itself.
    assert _first_network(setup, network) is network
