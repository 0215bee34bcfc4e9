"""Weights of forecasters follow from their errors, here of made-up forecasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from fastlstm.data.seasons import FoundSeasons
from fastlstm.network.architecture import LINEAR_REGRESSION, LSTM
from fastlstm.network.naive_forecasters import NAIVE
from fastlstm.training.combination_weights import (
    combination_weights,
    means_to_compare,
)
from fastlstm.training.error_sums import error_sums, evenly_spaced, step_blocks
from fastlstm.training.naive_weights import NaiveErrors
from fastlstm.training.setup import TrainingSetup
from fastlstm.training.simplex_weights import simplex_weights
from tests.training.test_combination import (
    COUNT,
    hyperparameters,
    random_walk,
    wave,
    windows,
)

STEPS = 6


def dataset(values, steps=STEPS, **more):
    return windows(values, hyperparameters(steps_ahead=steps), **more)


def last_value(x, y):
    """The naive forecast; all columns are targets."""
    return np.repeat(x[:, -1:], y.shape[1], axis=1)


class Learned:
    """A forecaster that knows a share of what the naive one lacks, and adds noise of its own.

    Args:
        share: of the naive forecast's error that it avoids; by step and target where it is an array.
        noise: deviation of what it adds.
        seed: of the noise.
    """

    def __init__(self, share, noise=0.0, seed=0):
        self.share, self.noise, self.draw = share, noise, np.random.default_rng(seed)

    def __call__(self, x, y):
        naive = last_value(x, y)
        return naive + self.share * (y - naive) + self.draw.normal(0, 1, y.shape) * self.noise


def sums(source, *forecasters, names=(LSTM, NAIVE), split="validation", size=512, **more):
    """Error sums of forecasters, which are called in turn."""
    return error_sums(
        names,
        lambda x, y: np.stack([one(x, y) for one in forecasters]),
        source,
        split,
        size,
        **more,
    )


def trust(source, learned):
    """What validation gives one learned forecaster beside the naive one."""
    found = combination_weights(sums(source, learned, last_value), linear=False, naive=True)
    return found.trust


@pytest.mark.parametrize("forecasters", [1, 2, 3, 5])
def test_weights_are_the_exact_minimum_among_those_that_are_none_negative_and_sum_to_one(
    forecasters,
):
    draw = np.random.default_rng(forecasters)
    errors = draw.normal(size=(20, 30, forecasters)) * draw.uniform(0.5, 2, (20, 1, forecasters))
    errors += draw.normal(size=(20, 30, 1))  # what none of them can know
    products = np.einsum("kna,knb->kab", errors, errors) / 30
    centre = draw.dirichlet(np.ones(forecasters), 20)
    for strength in (0.0, 0.3):
        found = simplex_weights(products, centre, strength)
        assert found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
        for product, drawn_to, weights in zip(products, centre, found, strict=True):
            scale = product.diagonal().min()

            def loss(w, product=product, drawn_to=drawn_to, scale=scale, strength=strength):
                return w @ product @ w / scale + strength * ((w - drawn_to) ** 2).sum()

            expected = minimize(
                loss, np.full(forecasters, 1 / forecasters), method="SLSQP",
                bounds=[(0, 1)] * forecasters, options={"ftol": 1e-14, "maxiter": 500},
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            )  # fmt: skip
            assert loss(weights) <= expected.fun + 1e-7
            np.testing.assert_allclose(weights, expected.x, atol=2e-3)


def test_forecasters_that_are_the_same_share_the_weight():
    same = np.full((1, 3, 3), 2.0)
    np.testing.assert_allclose(simplex_weights(same), np.full((1, 3), 1 / 3), atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_of_parts_add_up_and_give_the_loss_of_every_mean(weighted):
    source = dataset(np.column_stack([wave(), random_walk()]))
    weights = np.linspace(0.1, 2, source.count("validation")) if weighted else None
    # Without noise, which is drawn batch by batch.
    forecasters = (Learned(0.3), Learned(0.9), last_value)
    names = (LSTM, LINEAR_REGRESSION, NAIVE)
    whole, parts = (
        sums(source, *forecasters, names=names, size=size, weights=weights) for size in (512, 7)
    )
    for name in ("by_block", "by_origin", "first_by_origin"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-4)
    found = source.read("validation")
    errors = np.stack([one(found.x, found.y) - found.y for one in forecasters]).astype(float)
    size = np.maximum(np.abs(errors).mean(axis=(0, 2), keepdims=True)[0], 0.02)
    mean = np.array([0.2, 0.5, 0.3])
    loss = (np.einsum("f,fnst->nst", mean, errors) ** 2 / size).mean(axis=(1, 2))
    assert mean @ whole.pooled @ mean == pytest.approx(np.average(loss, weights=weights), rel=1e-4)


def test_of_many_windows_evenly_spaced_ones_are_looked_at(monkeypatch):
    np.testing.assert_array_equal(evenly_spaced(10, 4), [0, 3, 6, 9])
    np.testing.assert_array_equal(evenly_spaced(3, 0), [0])
    source = dataset(wave())
    every = source.read("validation").y[:, 0, 0]
    monkeypatch.setattr("fastlstm.training.error_sums._MOST_VALUES", 40 * STEPS)
    seen = []
    sums(source, last_value, lambda x, y: seen.append(y[:, 0, 0]) or y)
    np.testing.assert_array_equal(np.concatenate(seen), every[:: -(-len(every) // 40)])


def test_steps_share_sums_in_at_most_24_blocks():
    np.testing.assert_array_equal(step_blocks(6), np.arange(6))
    blocks = step_blocks(96)
    assert len(set(blocks)) == 24 and (np.bincount(blocks) == 4).all()


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.1])
def test_a_network_that_learned_noise_on_a_random_walk_is_not_trusted(noise):
    for seed in range(4):
        assert trust(dataset(random_walk(seed)), Learned(0.0, noise, seed)).max() < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a_network_that_is_clearly_better_is_trusted(seed):
    assert trust(dataset(wave()), Learned(0.8, 0.1, seed)).min() > 0.95


def test_trust_grows_with_the_gain_without_a_jump():
    source = dataset(wave())
    shares = np.linspace(0, 1, 51)
    found = np.array([trust(source, Learned(share, 0.6, 1)).mean() for share in shares])
    assert found[-1] - found[0] > 0.5
    assert np.diff(found).min() > -0.001 and np.diff(found).max() < 0.2
    # So seeds of a network that is hardly better give about the same forecast.
    border = shares[np.argmin(np.abs(found - 0.5))]
    by_seed = [trust(source, Learned(border, 0.6, seed)).mean() for seed in range(6)]
    assert np.ptp(by_seed) < 0.2 and 0.4 < np.mean(by_seed) < 0.7


def test_a_gain_over_fewer_horizons_of_origins_is_trusted_less():
    gain = [trust(dataset(wave(), steps), Learned(0.2)).mean() for steps in (6, 30, 60)]
    assert gain[0] > gain[1] > gain[2]


def test_series_without_a_common_calendar_tell_more_than_those_to_which_the_same_happens():
    found = sums(dataset(wave(), 60), Learned(0.05), last_value)

    def trust_of(series, share_calendar):
        many = replace(found, series=series, windows=found.windows * series)
        weights = combination_weights(many, linear=False, naive=True, share_calendar=share_calendar)
        return weights.trust.mean()

    assert trust_of(1, False) == trust_of(1, True) == 0
    assert trust_of(100, True) + 0.2 < trust_of(100, False)
    # Series of many eras have many times in all, and few each.
    few = replace(found, series=100, windows=found.windows * 10)
    weights = combination_weights(few, linear=False, naive=True, share_calendar=False)
    assert weights.trust.mean() + 0.2 < trust_of(100, False)


def test_a_clear_gain_has_all_the_trust_and_one_by_chance_none():
    source = dataset(wave(), 30)
    assert trust(source, Learned(0.5)).min() == 1
    assert trust(source, Learned(0.02)).max() == 0


def test_a_target_that_is_a_random_walk_has_less_trust_than_a_seasonal_one():
    source = dataset(np.column_stack([wave(), random_walk()]))
    share, noise = np.array([0.8, 0.0]), np.array([0.1, 0.01])
    of_wave, of_walk = trust(source, Learned(share, noise)).mean(axis=0)
    assert of_wave > 0.95 and of_walk < 0.15


def test_steps_at_which_the_network_is_no_better_have_less_trust():
    share = np.array([0.9, 0.9, 0.9, 0.0, 0.0, 0.0])[:, None]
    noise = np.array([0.05] * 3 + [0.6] * 3)[:, None]
    by_step = trust(dataset(wave()), Learned(share, noise))[:, 0]
    assert by_step[:3].min() > by_step[3:].max() + 0.2


@pytest.mark.parametrize(
    ("lstm", "linear", "weight"),
    [(0.3, 0.35, 0.5), (0.3, 1.2, 0.0), (1.2, 0.3, 1.0), (0.3, 0.7, 0.25), (0.7, 0.3, 0.75)],
)
def test_lstm_and_linear_component_have_half_each_unless_one_is_far_better(lstm, linear, weight):
    forecasters = (Learned(1.0, lstm), Learned(1.0, linear, 1))
    found = combination_weights(
        sums(
            dataset(wave()),
            *forecasters,
            names=(LSTM, LINEAR_REGRESSION),
            means=means_to_compare(2),
        ),
        linear=True,
        naive=False,
    )
    assert found.linear == weight
    assert (found.trust == 1).all() and np.isnan(found.gain)


def start(values):
    """Names and weights of the naive forecasts of columns with a season of 12 rows."""
    hp = hyperparameters(steps_ahead=STEPS)
    setup = TrainingSetup(windows(values, hp, seasons=FoundSeasons(12, (12,))), hp, print)
    return setup.architecture.naive_forecasters, setup.naive_weights


def test_train_windows_weigh_naive_forecasts_by_target():
    trend = 0.5 * np.arange(COUNT) + np.random.default_rng(0).normal(0, 0.1, COUNT)
    names, found = start(np.column_stack([wave(), random_walk(), trend]))
    assert found.shape == (len(names), 6, 3) and found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-9)
    share = {
        kind: found.mean(axis=1)[[name.startswith(kind) for name in names]].sum(axis=0)
        for kind in ("seasonal", NAIVE, "drift")
    }
    assert share["seasonal"][0] > 0.9 and share[NAIVE][1] > 0.3 and share["drift"][2] > 0.5
    assert share["seasonal"][1] < 0.1 and share[NAIVE][2] < 0.05


def test_a_few_huge_errors_do_not_take_the_weight_of_a_forecast_that_is_mostly_right():
    draw = np.random.default_rng(0)
    shape = (400, STEPS, 1)
    signs = draw.choice([-1, 1], (2, *shape))
    mostly_right = np.where(draw.random(shape) < 0.05, 20 * signs[0], 0)  # mean absolute error 1
    never_right = 2 * signs[1]
    errors = np.stack([mostly_right, never_right]).astype(np.float32)
    least = NaiveErrors(errors, np.ones(400), 400)
    squares = least._least_squares(np.ones(shape))
    assert squares[0].mean() < 0.3 and least.least_absolute()[0].mean() > 0.8
