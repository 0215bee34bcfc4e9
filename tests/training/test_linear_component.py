"""The linear component is ridge regression on the network's own windows, and a part of the forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import Ridge

from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import LEARNED, Cuts
from fastlstm.errors import ConfigError
from fastlstm.network.architecture import resolve
from fastlstm.network.combination import (
    COMBINATION,
    START,
    naive_forecasts,
    set_combination,
)
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import predict
from fastlstm.training import combination_weights, linear_component
from fastlstm.training.combination import Combination
from fastlstm.training.fit import fit
from fastlstm.training.setup import TrainingSetup
from fastlstm.windows.in_memory import RowWindows
from tests.network.test_architecture import FEATURES, settings
from tests.training.test_series_weights import in_memory, panel

pytestmark = pytest.mark.usefixtures("untraced")
TARGETS = ["c", "a"]
ROWS = 260


def source(hp, *, weights=None, seed=0):
    """Windows of four noisy waves, of which two are targets."""
    draw = np.random.default_rng(seed)
    hours = np.arange(ROWS)
    waves = np.column_stack([np.sin(hours / (3 + k)) for k in range(4)])
    values = (waves + draw.normal(0, 0.3, waves.shape)).astype(np.float32)
    frame = pd.DataFrame(
        {
            SERIES: "",
            TIME: pd.to_datetime(hours, unit="us", utc=True),
            SEGMENT: np.zeros(ROWS, np.int64),
        }
    )
    return RowWindows(
        frame, values, values[:, [2, 0]], features=FEATURES, targets=TARGETS, timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead, cuts=Cuts(170, 215), time_unit="row", sample_weight=weights,
    )  # fmt: skip


def hyperparameters(**changes):
    return settings(**{"epochs": 1, "timesteps": 12, "steps_ahead": 3, "batch_size": 64, **changes})


def by_hand(hp, windows, split):
    """Inputs and outputs of the regression, put together without the network."""
    found = windows.read(split)
    x, y = found.x.astype(float), found.y.astype(float)
    independent = hp.channel_independent is not False
    naive = np.zeros_like(y)
    own = x[:, :, [2, 0]]
    if hp.seasonal_residual:
        naive = own[:, [-hp.seasonal_residual + k % hp.seasonal_residual for k in range(3)]]
    elif hp.instance_normalization != "none":
        naive = np.repeat(own[:, -1:], 3, axis=1)
        if hp.naive_unless_better is not False:
            naive = mixed_start(hp, windows, found.x)
    if hp.instance_normalization != "none":
        own = own - own[:, -1:]
    rest = x[:, :, [1, 3]]
    if independent:
        sequences = np.stack(
            [np.concatenate([own[:, :, [k]], rest], axis=2) for k in range(2)], axis=1
        )
        return sequences.reshape(2 * len(x), -1), (y - naive).transpose(0, 2, 1).reshape(-1, 3)
    whole = x
    if hp.instance_normalization != "none" or hp.seasonal_residual or hp.naive_unless_better:
        whole = np.concatenate([own, rest], axis=2)
    return whole.reshape(len(x), -1), (y - naive).reshape(len(y), -1)


def mixed_start(hp, windows, x):
    """The mean of the naive forecasts whose weights train windows give."""
    setup = TrainingSetup(windows, hp, lambda _: None)
    each = naive_forecasts(x, setup.architecture, 3)
    return (setup.naive_weights[:, None] * each).sum(axis=0)


def weight_of(hp, y):
    """One over the root of the naive forecast's mean absolute error, of each sequence."""
    if hp.instance_normalization == "none" and not hp.seasonal_residual:
        return np.ones(len(y))
    return 1 / np.sqrt(np.maximum(np.abs(y).mean(axis=1), 0.02))


def ridge(x, y, penalty, of_own, weight):
    """scikit-learn's, of standardised inputs; kernel and bias for the plain ones."""
    mean = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    changing = deviation > 1e-5
    cost = np.where(of_own, 1.0, np.sqrt(penalty.others))[changing]
    scale = deviation[changing] * cost
    found = Ridge(alpha=penalty.own * weight.sum()).fit(
        (x - mean)[:, changing] / scale, y, sample_weight=weight
    )
    kernel = np.zeros((x.shape[1], y.shape[1]))
    kernel[changing] = found.coef_.T / scale[:, None]
    return kernel, found.intercept_ - mean @ kernel


CASES = [
    {}, {"channel_independent": False}, {"seasonal_residual": 4},
    {"seasonal_residual": 4, "instance_normalization": "none", "channel_independent": False},
    {"architecture": "classic", "linear_component": True, "channel_independent": False,
     "instance_normalization": "none", "naive_unless_better": False},
]  # fmt: skip


@pytest.mark.parametrize(
    "changes", [*CASES[:2], *(pytest.param(case, marks=pytest.mark.soak) for case in CASES[2:])]
)
def test_it_is_the_ridge_regression_that_validation_finds_best(changes):
    hp = hyperparameters(**{"linear_component": True, **changes})
    windows = source(hp)
    trained = fit(windows, hp)
    linear = trained.finding(Combination)
    kernel, bias = trained.model.get_layer(LINEAR).get_weights()
    x, y = by_hand(hp, windows, "train")
    per_row = x.shape[1] // 12
    first = {3: 1, 4: 2}[per_row] if hp.architecture == "segment" else per_row
    of_own = np.arange(x.shape[1]) % per_row < first
    expected = ridge(x, y, linear.penalty, of_own, weight_of(hp, y))
    np.testing.assert_allclose(kernel, expected[0], atol=2e-5)
    np.testing.assert_allclose(bias, expected[1], atol=2e-5)
    x_seen, y_seen = by_hand(hp, windows, "validation")
    errors = {}
    for own in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0):
        for others in (1.0,) if of_own.all() else (1.0, 10.0, 100.0):
            penalty = linear_component.Penalty(own, others)
            kernel, bias = ridge(x, y, penalty, of_own, weight_of(hp, y))
            squares = ((x_seen @ kernel + bias - y_seen) ** 2).mean(axis=1)
            errors[penalty] = squares @ weight_of(hp, y_seen)
    assert linear.penalty == min(errors, key=errors.__getitem__)


def weight_of_linear(model):
    """Its weight in the forecast of a network of LSTM and linear component alone, at every step."""
    weights = model.get_layer(COMBINATION).get_weights()[0].reshape(2, -1)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    assert np.ptp(weights[1]) == 0
    return weights[1, 0]


def give_linear(model, weight):
    """Give the linear component a weight, and the LSTM the rest."""
    outputs = model.output_shape[1]
    set_combination(model, np.repeat([1 - weight, weight], outputs))


@pytest.mark.parametrize("members", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_the_forecast_is_a_mean_and_training_knows_nothing_of_it(members):
    hp = hyperparameters(epochs=2, naive_unless_better=False, ensemble_size=members)
    windows = source(hp)
    trained, x = fit(windows, hp), windows.read("validation").x
    plain = fit(windows, hp.model_copy(update={"linear_component": False}))
    assert plain.finding(Combination) is None
    np.testing.assert_array_equal(trained.history, plain.history)
    both, lstm, model = predict(trained.model, x), predict(plain.model, x), trained.model
    weight = weight_of_linear(model)
    assert weight == pytest.approx(trained.finding(Combination).by_name["linear"])
    give_linear(model, 1.0)
    linear = predict(model, x)
    assert np.abs(linear - lstm).mean() > 0.01
    np.testing.assert_allclose(both, (1 - weight) * lstm + weight * linear, atol=1e-5)
    # Trained further, the LSTM is scored alone again.
    again = fit(windows, hp, model=model)
    np.testing.assert_array_equal(again.history, fit(windows, hp, model=plain.model).history)
    assert weight_of_linear(model) == again.finding(Combination).by_name["linear"] > 0


@pytest.mark.soak
@pytest.mark.parametrize("weighted", [False, True])
def test_its_weight_is_the_nearest_to_half_of_those_about_best_on_validation(weighted, monkeypatch):
    weights = np.where(np.arange(ROWS) % 3 == 0, 3.0, 0.1) if weighted else None
    hp = hyperparameters(naive_unless_better=False)
    windows = source(hp, weights=weights)
    trained, found = fit(windows, hp), windows.read("validation")
    chosen = weight_of_linear(trained.model)
    of_windows = None if weights is None else windows.weights("validation")
    truth = found.y.reshape(len(found.y), -1)
    errors = []
    for weight in (0.0, 1.0):
        give_linear(trained.model, weight)
        errors.append(predict(trained.model, found.x).astype(float) - truth)
    losses = {}
    for weight in (0.5, 0.25, 0.75, 0.0, 1.0):
        mean = (1 - weight) * errors[0] + weight * errors[1]
        losses[weight] = np.average(np.abs(mean).mean(axis=1), weights=of_windows)
    about = [weight for weight in losses if losses[weight] <= 1.01 * min(losses.values())]
    assert chosen == min(about, key=lambda weight: abs(weight - 0.5))
    # Where all are about the best, each has half.
    monkeypatch.setattr(combination_weights, "_TOLERANCE", 1e6)
    assert weight_of_linear(fit(windows, hp).model) == 0.5
    assert chosen != 0.5


@pytest.mark.soak
def test_a_refit_has_one_of_train_and_validation_with_the_penalty_chosen_before():
    hp = hyperparameters(refit=True)
    windows = source(hp)
    trained = fit(windows, hp)
    penalty = trained.finding(Combination).penalty
    for model, split in ((trained.chosen, "train"), (trained.model, LEARNED)):
        parts = [by_hand(hp, windows, one) for one in split.split(" and ")]
        x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
        expected = ridge(x, y, penalty, np.arange(x.shape[1]) % 3 < 1, weight_of(hp, y))
        np.testing.assert_allclose(model.get_layer(LINEAR).get_weights()[0], expected[0], atol=2e-5)
    for layer in (COMBINATION, START):
        chosen, refitted = (
            model.get_layer(layer).get_weights()[0] for model in (trained.chosen, trained.model)
        )
        np.testing.assert_array_equal(chosen, refitted)
        assert chosen.max() > 0


def test_windows_weigh_as_in_the_loss():
    weights = np.linspace(0.1, 3, ROWS)
    hp = hyperparameters()
    windows = source(hp, weights=weights)
    trained = fit(windows, hp)
    linear = trained.finding(Combination)
    x, y = by_hand(hp, windows, "train")
    of_windows = np.repeat(windows.weights("train").astype(float), 2)
    own = np.arange(x.shape[1]) % 3 < 1
    kernel = trained.model.get_layer(LINEAR).get_weights()[0]
    weighted = ridge(x, y, linear.penalty, own, of_windows * weight_of(hp, y))[0]
    np.testing.assert_allclose(kernel, weighted, atol=2e-5)
    alike = ridge(x, y, linear.penalty, own, weight_of(hp, y))[0]
    assert np.abs(kernel - alike).max() > 1e-3


@pytest.mark.soak
def test_large_errors_of_the_naive_forecast_decide_less_than_in_least_squares():
    hp = hyperparameters()
    windows = source(hp)
    trained = fit(windows, hp)
    x, y = by_hand(hp, windows, "train")
    penalty, own = trained.finding(Combination).penalty, np.arange(x.shape[1]) % 3 < 1
    kernel = trained.model.get_layer(LINEAR).get_weights()[0]
    least_squares = ridge(x, y, penalty, own, np.ones(len(x)))[0]
    assert np.abs(kernel - least_squares).max() > 1e-3


def test_series_weigh_by_the_scale_of_their_loss():
    changes = {
        "architecture": "classic",
        "linear_component": True,
        "timesteps": 4,
        "steps_ahead": 2,
    }
    windows = in_memory(*panel())
    found = [
        fit(windows, settings(**changes, segment_length=None, epochs=1, loss_scaling=kind)).model
        for kind in ("none", "mase")
    ]
    one, two = (model.get_layer(LINEAR).get_weights()[0] for model in found)
    assert np.abs(one - two).max() > 0.05 * np.abs(one).max()


@pytest.mark.soak
def test_of_very_many_windows_some_are_taken_evenly(monkeypatch):
    hp = hyperparameters()
    windows = source(hp)
    monkeypatch.setattr(linear_component, "_MOST_WORK", 36**2 * 72)
    monkeypatch.setattr(linear_component, "_BATCH_VALUES", 36 * 2 * 7)  # seven windows
    trained = fit(windows, hp)
    x, y = by_hand(hp, windows, "train")
    # 72 sequences of two targets: 36 windows of the 156.
    every = -(-(len(x) // 2) // 36)
    assert every > 1
    x, y = (a.reshape(-1, 2, a.shape[1])[::every].reshape(-1, a.shape[1]) for a in (x, y))
    penalty = trained.finding(Combination).penalty
    expected = ridge(x, y, penalty, np.arange(36) % 3 < 1, weight_of(hp, y))
    kernel = trained.model.get_layer(LINEAR).get_weights()[0]
    np.testing.assert_allclose(kernel, expected[0], atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "has_one"),
    [
        ({}, True), ({"architecture": "classic"}, False), ({"quantiles": [0.1, 0.5, 0.9]}, False),
        ({"instance_normalization": "none"}, False), ({"instance_normalization": "revin"}, False),
        ({"timesteps": 1365}, True), ({"timesteps": 1366}, False),
        ({"timesteps": 1366, "static_features": ["x"]}, True),
        ({"timesteps": 1024, "channel_independent": False}, True),
        ({"timesteps": 1025, "channel_independent": False}, False),
        ({"linear_component": False}, False),
        ({"architecture": "classic", "linear_component": True}, True),
    ],
)  # fmt: skip
def test_networks_that_have_one_by_default(changes, has_one):
    assert resolve(settings(**changes), FEATURES, TARGETS).linear_component is has_one


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"last_layer_activation": "relu"}, "must be 'linear', found 'relu'"),
        ({"quantiles": [0.1, 0.5, 0.9]}, "forecasts no quantiles"),
        ({"instance_normalization": "revin"}, "instance_normalization to 'last'"),
    ],
)
def test_settings_that_exclude_it_are_refused(changes, words):
    with pytest.raises(ValidationError, match=f"linear_component: .*{words}"):
        settings(linear_component=True, **changes)


def test_a_window_too_large_is_refused():
    hp = settings(linear_component=True, timesteps=1366)
    with pytest.raises(ConfigError, match=r"has 4,098 values \(1366 rows of 3 columns\)"):
        resolve(hp, FEATURES, TARGETS)
