"""The Diebold-Mariano test against its formula and its meaning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from fastlstm.evaluation.significance import by_origin, diebold_mariano, independent_windows


def test_one_step_is_the_paired_t_test_of_harvey_leybourne_and_newbold():
    d = np.random.default_rng(0).normal(0.1, 1, 50)
    found = diebold_mariano(d, 1)
    n = len(d)
    statistic = d.mean() / np.sqrt(d.var() / n) * np.sqrt((n - 1) / n)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(student.sf(statistic, n - 1))
    assert found.difference == pytest.approx(d.mean()) and found.origins == 50


def test_several_steps_count_autocovariances_with_bartletts_weights():
    d = np.cumsum(np.random.default_rng(1).normal(size=40)) / 5
    n, h = 40, 4
    e = d - d.mean()
    variance = e @ e / n + 2 * sum((1 - k / h) * (e[k:] @ e[:-k]) / n for k in range(1, h))
    correction = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert diebold_mariano(d, h).statistic == pytest.approx(
        d.mean() / np.sqrt(variance / n) * correction
    )


def test_overlapping_noise_is_rarely_better():
    random = np.random.default_rng(2)
    better = 0
    for _ in range(300):
        noise = np.convolve(random.normal(size=240 + 23), np.ones(24), "valid")
        better += diebold_mariano(noise, 24).is_better()
    # Without the autocovariances a third would be: the errors of neighbouring origins are shared.
    assert better < 0.12 * 300


@pytest.mark.parametrize(("n", "horizon"), [(0, 1), (2, 1), (19, 10), (41, 720)])
def test_too_few_origins_allow_no_test(n, horizon):
    found = diebold_mariano(np.linspace(1, 2, n), horizon)
    assert found.statistic is None and not found.is_better()


def test_equal_forecasts_are_not_better():
    assert not diebold_mariano(np.zeros(30), 2).is_better()


def test_series_are_averaged_at_each_origin():
    origin = np.array([3, 1, 3, 1, 2])
    np.testing.assert_allclose(by_origin(origin, np.array([1.0, 2, 3, 4, 5])), [3, 5, 2])


def test_windows_that_share_a_shock_count_as_fewer():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(50), 12)
    shock, own = rng.normal(size=50)[day], rng.normal(size=600)
    assert independent_windows(day, shock, 1) == pytest.approx(50)
    assert 70 < independent_windows(day, shock + own, 1) < 130  # 600 / (1 + 11 * 0.5)
    assert 450 < independent_windows(day, own, 1) <= 600
    alone = np.arange(600)
    assert independent_windows(alone, own, 1) == pytest.approx(600)
    assert 100 < independent_windows(alone, np.repeat(own, 4)[:600], 4) < 300
    assert independent_windows(alone, np.ones(600), 1) == 600
