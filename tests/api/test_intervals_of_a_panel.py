"""The class's intervals are as wide as the errors of the series that a window is of."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.api import outputs
from fastlstm.api.inputs import InputWindows
from fastlstm.api.outputs import NetworkOutputs
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.scaling import Scalers
from fastlstm.data.series_scales import SeriesScales
from fastlstm.evaluation.intervals import LEVELS, MEDIAN_PAIR, HalfWidths
from fastlstm.evaluation.series_spreads import SeriesSpreads


@pytest.fixture
def network(monkeypatch):
    """Forecasts of 0 for two steps; series ``a`` and ``b`` have spreads, ``c`` a scale alone."""
    monkeypatch.setattr(outputs, "predict_each", lambda network, x, n: np.zeros((len(x), n)))
    labels = np.array(["a", "b", "c"])
    scales = SeriesScales(labels, ("load",), np.zeros((3, 1)), np.array([[10.0], [1000.0], [7.0]]))
    hp = Hyperparameters(LSTM_type="regressor", timesteps=4, steps_ahead=2, scale_targets=False)
    return NetworkOutputs(None, Scalers(None, None, scales), hp, ["load"])


@pytest.fixture
def half_widths():
    values = np.stack([LEVELS, 2 * LEVELS], axis=1)[:, :, None]
    spreads = SeriesSpreads(
        np.array(["a", "b"]), ["load"], np.array([[3.0], [500.0]]), np.array([0.4])
    )
    return {MEDIAN_PAIR: HalfWidths(values, ["load"], spreads)}


def test_each_series_has_its_own_width(network, half_widths):
    windows = InputWindows(np.zeros((3, 4, 1)), network.scalers, np.array(["b", "c", "a"]))
    lower, upper = network.intervals(windows, 0.8, half_widths)
    units = np.array([500, 0.4 * 7, 3])[:, None]
    np.testing.assert_allclose(upper, np.array([[0.8, 1.6]]) * units)
    np.testing.assert_allclose(lower, -upper)


def test_without_spreads_all_have_the_same(network, half_widths):
    plain = {MEDIAN_PAIR: HalfWidths(half_widths[MEDIAN_PAIR].values, ["load"])}
    windows = InputWindows(np.zeros((2, 4, 1)), network.scalers)
    _, upper = network.intervals(windows, 0.8, plain)
    np.testing.assert_allclose(upper, [[0.8, 1.6]] * 2)
