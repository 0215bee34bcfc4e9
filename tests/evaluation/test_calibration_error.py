"""The calibration error beside what chance alone makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.evaluation.calibration_error import calibration_report, debiased_error, reliability


def test_the_error_by_hand():
    probability = np.array([0.01, 0.03, 0.95, 1.0, 0.5])
    truth = np.array([0, 1, 1, 1, 0])
    error, bins = reliability(truth, probability)
    assert error == pytest.approx((2 * abs(0.02 - 0.5) + 2 * abs(0.975 - 1) + abs(0.5 - 0)) / 5)
    assert [b["windows"] for b in bins] == [2, 1, 2]
    assert reliability(np.zeros(0), np.zeros(0)) == (None, [])
    empty = calibration_report(np.zeros(0), np.zeros(0))
    assert empty.pop("reliability") == [] and set(empty.values()) == {None}


def reports(miscalibrated: float, count: int, repeats: int = 200):
    """Reports of forecasts whose true probabilities are nearer to a half by a factor."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(repeats):
        probability = rng.random(count)
        true = 0.5 + (probability - 0.5) * (1 - miscalibrated)
        found.append(calibration_report(rng.random(count) < true, probability))
    return {key: np.array([r[f"calibration_error{key}"] for r in found])
            for key in ("", "_by_chance", "_limit", "_debiased")}  # fmt: skip


def test_chance_explains_the_error_of_calibrated_forecasts():
    few = reports(0.0, 200)
    assert few[""].mean() > 0.06  # of calibrated forecasts
    assert few["_by_chance"].mean() == pytest.approx(few[""].mean(), rel=0.03)
    assert np.mean(few[""] > few["_limit"]) == pytest.approx(0.05, abs=0.03)
    assert np.median(few["_debiased"]) < 0.03
    many = reports(0.0, 20_000, 10)
    assert many["_by_chance"].mean() < 0.01


def test_an_error_that_is_there_is_found():
    found = reports(0.6, 400)
    # The mean distance is 0.6 times that from a half, 0.25; the root of its square is larger.
    assert np.mean(found[""] > found["_limit"]) > 0.99
    assert found["_debiased"].mean() == pytest.approx(0.6 / np.sqrt(12), rel=0.05)


def test_bins_of_one_window_tell_nothing():
    alone = [{"probability": 0.9, "positives": 0.0, "windows": 1}]
    assert debiased_error(alone) is None
    pair = {"probability": 0.5, "positives": 1.0, "windows": 2}
    assert debiased_error([*alone, pair]) == pytest.approx(0.5)
