"""Prediction intervals: the conformal rank by hand, coverage, and that no later truth is used."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.errors import StoreError
from fastlstm.intervals import LEVELS, Radii, adaptive, adaptive_by_series, calibrate, coverage

RNG = np.random.default_rng(3)


def test_the_radius_is_the_conformal_rank():
    errors = np.arange(1.0, 20.0)  # n = 19: level 0.8 is the 16th smallest, 0.95 the 19th
    truth = np.zeros((19, 1, 1))
    radii = calibrate(truth, RNG.permutation(errors)[:, None, None] * -1, ["y"])
    assert radii.at(0.8)[0, 0] == 16
    assert radii.at(0.95)[0, 0] == 19
    assert np.isinf(radii.at(0.955)).all()  # would need a twentieth error
    assert radii.at(0.5)[0, 0] == 10


def test_missing_forecasts_do_not_count():
    forecast = np.arange(1.0, 11.0)[:, None, None].copy()
    forecast[-1] = np.nan
    assert calibrate(np.zeros((10, 1, 1)), forecast, ["y"]).at(0.9)[0, 0] == 9


def test_steps_and_targets_have_widths_of_their_own_and_survive_the_file(tmp_path):
    scale = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    truth = RNG.normal(size=(500, 3, 2)) * scale
    radii = calibrate(truth, np.zeros_like(truth), ["a", "b"])
    np.testing.assert_allclose(radii.at(0.8) / scale, 1.28, rtol=0.2)
    radii.write(tmp_path / "r.parquet")
    again = Radii.read(tmp_path / "r.parquet", ["a", "b"])
    np.testing.assert_array_equal(again.values, radii.values)
    with pytest.raises(StoreError, match="no intervals of"):
        Radii.read(tmp_path / "r.parquet", ["a", "b", "c", "d"])


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_exchangeable_errors_are_covered(level):
    errors = RNG.standard_t(4, size=(4000, 2, 1))
    radii = calibrate(errors[:2000], np.zeros((2000, 2, 1)), ["y"])
    later = errors[2000:]
    found = coverage(
        later, np.zeros_like(later), np.broadcast_to(radii.at(level), later.shape), level
    )
    assert abs(found["coverage"] - level) < 0.02


def walk(errors, level, rate, lookahead=0, radii=None):
    radii = radii or calibrate(
        RNG.normal(size=(1000, *errors.shape[1:])), np.zeros((1000, *errors.shape[1:])), ["y"]
    )
    rows = np.arange(100, 100 + len(errors))
    return adaptive_by_series(
        radii, errors, rows, np.full(len(errors), "s"), lookahead, level, rate
    )


def test_adaptation_restores_the_coverage_that_drift_took():
    errors = RNG.normal(size=(3000, 4, 1)) * 1.8
    fixed, moved = walk(errors, 0.8, 0.0), walk(errors, 0.8, 0.01)
    assert (np.abs(errors) <= fixed).mean() < 0.6
    np.testing.assert_allclose((np.abs(errors) <= moved).mean(axis=0), 0.8, atol=0.02)
    assert (fixed == fixed[:1]).all()


@pytest.mark.parametrize("lookahead", [0, 5])
def test_no_interval_knows_a_truth_that_was_not_out(lookahead):
    errors = RNG.normal(size=(60, 3, 1))
    level, rate = 0.8, 0.1
    radii = calibrate(RNG.normal(size=(1000, 3, 1)), np.zeros((1000, 3, 1)), ["y"])
    before = walk(errors, level, rate, lookahead, radii)
    for step in range(3):
        changed = errors.copy()
        # The truth of window 20's step: hidden until that many rows have passed.
        changed[20, step] = 100.0 if abs(errors[20, step, 0]) < 1 else 0.0
        after = walk(changed, level, rate, lookahead, radii)
        differs = np.flatnonzero((before != after).any(axis=(1, 2)))
        assert differs[0] == 20 + step + lookahead + 1
        assert (
            before[:, [k for k in range(3) if k != step]]
            == after[:, [k for k in range(3) if k != step]]
        ).all()


def test_the_update_is_the_papers():
    radii = Radii(LEVELS[:, None, None].copy(), ["y"])  # the radius is the level asked for
    errors = np.array([0.9, 0.0, 0.9, np.nan, 0.0])[:, None, None]
    found = walk(errors, 0.8, 0.1, radii=radii)[:, 0, 0]
    share, expected = 0.2, []
    for error in [0.9, 0.0, 0.9, np.nan, 0.0]:
        expected.append(LEVELS[np.searchsorted(LEVELS, 1 - share - 1e-9)])
        if not np.isnan(error):
            share += 0.1 * (0.2 - (abs(error) > expected[-1]))
    np.testing.assert_allclose(found, expected)


def test_series_do_not_learn_from_each_other():
    errors = RNG.normal(size=(80, 2, 1))
    radii = calibrate(RNG.normal(size=(500, 2, 1)), np.zeros((500, 2, 1)), ["y"])
    rows, series = np.arange(80), np.repeat(["a", "b"], 40)
    before = adaptive_by_series(radii, errors, rows, series, 0, 0.8, 0.1)
    errors[:40] = 50.0
    after = adaptive_by_series(radii, errors, rows, series, 0, 0.8, 0.1)
    assert (before[40:] == after[40:]).all() and (before[:40] != after[:40]).any()


def test_too_few_validation_windows_begin_infinite():
    radii = calibrate(np.zeros((9, 1, 1)), np.ones((9, 1, 1)), ["y"])
    errors = np.full((50, 1, 1), 9.0)
    assert np.isinf(walk(errors, 0.95, 0.0, radii=radii)).all()
    moved = walk(errors, 0.95, 0.2, radii=radii)
    assert np.isinf(moved[:5]).all() and np.isfinite(moved).any()  # what never misses is narrowed
    assert (np.abs(errors) <= moved).mean() > 0.9
    assert np.isfinite(walk(np.full((50, 1, 1), 9.0), 0.8, 0.2, radii=radii)).all()


def test_windows_with_holes_wait_for_the_rows_themselves():
    radii = calibrate(RNG.normal(size=(500, 2, 1)), np.zeros((500, 2, 1)), ["y"])
    errors = np.full((3, 2, 1), 9.0)
    origin = np.array([10, 11, 30])
    known_at = origin[:, None] + np.array([1, 2])
    found = adaptive(radii, errors, known_at, origin, 0.8, 0.05)
    assert found[1, 0] > found[0, 0] and found[1, 1] == found[0, 1]
    assert (found[2] > found[1]).all()


def test_the_score_counts_what_lies_outside():
    truth = np.array([0.0, 2.0, 5.0])
    found = coverage(truth, np.zeros(3), np.full(3, 3.0), 0.8)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["width"] == 6
    assert found["score"] == pytest.approx(6 + 2 / 0.2 * 2 / 3)
