"""Means of naive forecasts by their errors in the window's own past, against their definition."""

import numpy as np
import pytest

from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network
from fastlstm.network.combination import naive_forecasts, set_combination
from fastlstm.network.inference import load_network, predict
from fastlstm.network.naive_forecasters import (
    BY_PAST_ERROR,
    naive_forecast,
    naive_forecaster_names,
    rows_needed,
)
from fastlstm.network.onnx_export import export_onnx
from fastlstm.network.past_errors import PastErrors
from tests.network.test_architecture import FEATURES, settings

TARGETS = ["c", "a"]


def by_hand(past, names, power, steps):
    """The weighed mean of one series' forecasts, row by row."""
    rows = len(past)
    horizon = min(steps, rows // 4)
    usable = [name for name in names if rows_needed(name) <= rows - horizon]
    origins, origin = [], rows - horizon
    while origin >= max(map(rows_needed, usable)) and len(origins) < 8:
        origins.append(origin)
        origin -= max(1, horizon // 2)
    chosen = sorted({round(k) for k in np.linspace(0, horizon - 1, min(12, horizon))})
    weights, forecasts = [], []
    for name in usable:
        errors = []
        for origin in origins:
            made = naive_forecast(np, past[None, :origin, None], name, horizon)[0, :, 0]
            errors += [abs(made[k] - past[origin + k]) for k in chosen]
        weights.append((np.mean(errors) + 1e-3) ** -power)
        forecasts.append(naive_forecast(np, past[None, :, None], name, steps)[0, :, 0])
    return np.average(forecasts, axis=0, weights=weights)


def means_of(own, names, steps):
    """The means that ``PastErrors`` makes, by name."""
    past = PastErrors.of(names, own.shape[1], steps)
    each = np.stack([naive_forecast(np, own, name, steps) for name in past.names])
    return dict(zip(BY_PAST_ERROR, past.means(own, each), strict=True))


@pytest.mark.parametrize(
    ("timesteps", "seasons", "steps"),
    [(48, (12, 24), 7), (70, (4,), 30), (8, (), 2), (120, (), 60)],
)
def test_a_forecast_weighs_by_an_inverse_power_of_its_error_in_the_windows_past(
    timesteps, seasons, steps
):
    own = np.random.default_rng(0).normal(size=(2, timesteps, 2)).cumsum(axis=1)
    names = naive_forecaster_names(timesteps, seasons)
    others = tuple(name for name in names if name not in BY_PAST_ERROR)
    assert names == (*others, *BY_PAST_ERROR)
    found = means_of(own, names, steps)
    for name, power in BY_PAST_ERROR.items():
        for window in range(2):
            for target in range(2):
                expected = by_hand(own[window, :, target], others, power, steps)
                np.testing.assert_allclose(found[name][window, :, target], expected, rtol=1e-3)


def test_each_window_has_the_forecast_that_suits_its_own_series():
    rows = np.arange(100)
    seasonal, trend = np.sin(rows * 2 * np.pi / 12), 0.1 * rows
    own = np.stack([seasonal[:96], trend[:96]])[:, :, None]
    names = naive_forecaster_names(96, (12,))
    found = means_of(own, names, 4)["by_past_error_8"][:, :, 0]
    np.testing.assert_allclose(found, np.stack([seasonal[96:], trend[96:]]), atol=1e-6)


def test_a_constant_window_is_forecast_by_its_value():
    own = np.full((1, 40, 1), 0.7)
    names = naive_forecaster_names(40, (8,))
    for mean in means_of(own, names, 4).values():
        np.testing.assert_allclose(mean, 0.7, rtol=1e-6)


@pytest.mark.soak
@pytest.mark.parametrize("changes", [{}, {"steps_ahead": 1, "channel_independent": False}])
def test_the_network_has_them_in_keras_and_onnx(tmp_path, changes):
    hp = settings(timesteps=24, **changes)
    a = resolve(hp, FEATURES, TARGETS, None, (6,))
    model = build_network(hp, FEATURES, TARGETS, None, (6,))
    x = np.random.default_rng(1).normal(size=(9, 24, len(FEATURES))).cumsum(axis=1)
    x, steps = x.astype(np.float32), hp.steps_ahead
    expected = naive_forecasts(x, a, steps)
    for name in BY_PAST_ERROR:
        chosen = np.array([one == name for one in a.forecasters], np.float32)
        set_combination(model, np.repeat(chosen, steps * len(TARGETS)))
        wanted = expected[a.naive_forecasters.index(name)].reshape(9, -1)
        np.testing.assert_allclose(predict(model, x), wanted, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "n.keras")
    np.testing.assert_array_equal(predict(load_network(tmp_path / "n.keras"), x), predict(model, x))
    check = export_onnx(model, x, tmp_path / "n.onnx")
    assert check.windows and not check.reason


def test_a_short_window_has_none():
    assert not set(BY_PAST_ERROR) & set(naive_forecaster_names(7, (3,)))
