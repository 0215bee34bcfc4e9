"""Prediction intervals: the conformal rank by hand, coverage, and that no later truth is used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastlstm.config.reading import parse_config
from fastlstm.data.scaling import Scalers
from fastlstm.errors import StoreError
from fastlstm.evaluation import intervals
from fastlstm.evaluation.interval_scores import evaluate_intervals
from fastlstm.evaluation.intervals import (
    LEVELS,
    MEDIAN_PAIR,
    HalfWidths,
    adaptive,
    adaptive_by_series,
    base_interval,
    calibrate,
    coverage,
    nonconformity_scores,
    quantile_pair,
    read_half_widths,
    write_half_widths,
)
from fastlstm.evaluation.predictions import SplitForecasts
from tests.conftest import build_settings

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(3).bit_generator.state


def test_the_half_width_is_the_conformal_rank():
    errors = np.arange(1.0, 20.0)  # n = 19: level 0.8 is the 16th smallest, 0.95 the 19th
    truth = np.zeros((19, 1, 1))
    forecast = RNG.permutation(errors)[:, None, None] * -1
    half_widths = calibrate(nonconformity_scores(truth, forecast, forecast), ["y"])
    assert half_widths.at(0.8)[0, 0] == 16
    assert half_widths.at(0.95)[0, 0] == 19
    # A twentieth error would be needed: wider than the greatest, and finite.
    assert 19 < half_widths.at(0.955)[0, 0] < half_widths.at(0.99)[0, 0] < 40
    assert half_widths.at(0.5)[0, 0] == 10


def test_missing_forecasts_do_not_count():
    forecast = np.arange(1.0, 11.0)[:, None, None].copy()
    forecast[-1] = np.nan
    assert calibrate(np.abs(forecast), ["y"]).at(0.9)[0, 0] == 9


def test_steps_and_targets_have_widths_of_their_own_and_survive_the_file(tmp_path):
    scale = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    truth = RNG.normal(size=(500, 3, 2)) * scale
    half_widths = calibrate(np.abs(truth), ["a", "b"])
    np.testing.assert_allclose(half_widths.at(0.8) / scale, 1.28, rtol=0.2)
    wider = calibrate(2 * np.abs(truth), ["a", "b"])
    write_half_widths({MEDIAN_PAIR: half_widths, (0.1, 0.9): wider}, tmp_path / "r.parquet")
    again = read_half_widths(tmp_path / "r.parquet", ["a", "b"], 3)
    assert list(again) == [(0.5, 0.5), (0.1, 0.9)]
    np.testing.assert_array_equal(again[MEDIAN_PAIR].values, half_widths.values)
    np.testing.assert_array_equal(again[0.1, 0.9].values, wider.values)
    with pytest.raises(StoreError, match="no intervals of"):
        read_half_widths(tmp_path / "r.parquet", ["a", "b", "c", "d"], 3)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_exchangeable_errors_are_covered(level):
    errors = RNG.standard_t(4, size=(4000, 2, 1))
    half_widths = calibrate(np.abs(errors[:2000]), ["y"])
    later, half_width = errors[2000:], half_widths.at(level)
    found = coverage(later, 0 * later - half_width, 0 * later + half_width, level)
    assert abs(found["coverage"] - level) < 0.02


def walk(errors, level, rate, lookahead=0, half_widths=None):
    half_widths = half_widths or calibrate(
        np.abs(RNG.normal(size=(1000, *errors.shape[1:]))), ["y"]
    )
    rows = np.arange(100, 100 + len(errors))
    return adaptive_by_series(
        half_widths, np.abs(errors), rows, np.full(len(errors), "s"), lookahead, level, rate
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
    half_widths = calibrate(np.abs(RNG.normal(size=(1000, 3, 1))), ["y"])
    before = walk(errors, level, rate, lookahead, half_widths)
    for step in range(3):
        changed = errors.copy()
        # The truth of window 20's step: hidden until that many rows have passed.
        was_inside = abs(errors[20, step, 0]) <= before[20, step, 0]
        changed[20, step] = 100.0 if was_inside else 0.0
        after = walk(changed, level, rate, lookahead, half_widths)
        differs = np.flatnonzero((before != after).any(axis=(1, 2)))
        assert differs[0] == 20 + step + lookahead + 1
        assert (
            before[:, [k for k in range(3) if k != step]]
            == after[:, [k for k in range(3) if k != step]]
        ).all()


def test_the_update_is_the_papers():
    # Each level's half-width is the level itself.
    half_widths = HalfWidths(LEVELS[:, None, None].copy(), ["y"])
    errors = np.array([0.9, 0.0, 0.9, np.nan, 0.0])[:, None, None]
    found = walk(errors, 0.8, 0.1, half_widths=half_widths)[:, 0, 0]
    share, expected = 0.2, []
    for error in [0.9, 0.0, 0.9, np.nan, 0.0]:
        expected.append(LEVELS[np.searchsorted(LEVELS, 1 - share - 1e-9)])
        if not np.isnan(error):
            share += 0.1 * (0.2 - (abs(error) > expected[-1]))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("worth", [0, 10**9], ids=["in blocks", "one by one"])
@pytest.mark.parametrize("targets", [1, 3])
def test_both_ways_are_the_plain_recurrence(monkeypatch, worth, targets):
    monkeypatch.setattr(intervals, "_WORTH_ARRAYS", worth)
    count, steps, level, rate = 150, 40, 0.8, 0.05
    scores = np.abs(RNG.normal(size=(count, steps, targets))) * 1.5
    scores[RNG.random(scores.shape) < 0.05] = np.nan
    half_widths = calibrate(np.abs(RNG.normal(size=(300, steps, targets))), list("abc"[:targets]))
    origin = np.cumsum(RNG.integers(1, 4, count))  # with holes
    known_at = origin[:, None] + np.arange(steps) + 1
    found = adaptive(half_widths, scores, origin, 0, level, rate)
    for step in (0, 3, 39):
        for target in range(targets):
            share, taken, given = 1 - level, 0, []
            for window in range(count):
                while taken < window and known_at[taken, step] <= origin[window]:
                    score = scores[taken, step, target]
                    if not np.isnan(score):
                        share += rate * (1 - level - (score > given[taken]))
                    taken += 1
                position = min(np.searchsorted(LEVELS, 1 - share - 1e-9), len(LEVELS) - 1)
                given.append(half_widths.values[position, step, target])
                if np.isinf(given[-1]):
                    given[-1] = np.max(
                        half_widths.values[
                            np.isfinite(half_widths.values[:, step, target]), step, target
                        ]
                    )
            np.testing.assert_array_equal(found[:, step, target], given)


def test_series_do_not_learn_from_each_other():
    errors = RNG.normal(size=(80, 2, 1))
    half_widths = calibrate(np.abs(RNG.normal(size=(500, 2, 1))), ["y"])
    rows, series = np.arange(80), np.repeat(["a", "b"], 40)
    before = adaptive_by_series(half_widths, np.abs(errors), rows, series, 0, 0.8, 0.1)
    errors[:40] = 50.0
    after = adaptive_by_series(half_widths, np.abs(errors), rows, series, 0, 0.8, 0.1)
    assert (before[40:] == after[40:]).all() and (before[:40] != after[:40]).any()


def test_few_validation_windows_are_never_infinite():
    half_widths = calibrate(np.ones((9, 1, 1)), ["y"])
    fixed = walk(np.full((50, 1, 1), 9.0), 0.95, 0.0, half_widths=half_widths)
    moved = walk(np.full((50, 1, 1), 9.0), 0.95, 0.2, half_widths=half_widths)
    assert (fixed > 1).all() and (fixed < moved[-1]).all() and np.isfinite(moved).all()
    narrowed = walk(np.full((50, 1, 1), 0.5), 0.95, 0.2, half_widths=half_widths)
    assert (narrowed[-1] == 1).all()  # what never misses is narrowed


def test_no_validation_score_gives_no_half_width():
    assert np.isinf(calibrate(np.full((9, 1, 1), np.nan), ["y"]).at(0.8)).all()


def test_the_infinite_half_widths_of_earlier_runs_are_left_where_they_miss():
    values = np.where(LEVELS <= 0.9, 1.0, np.inf)[:, None, None]
    moved = walk(np.full((50, 1, 1), 9.0), 0.95, 0.2, half_widths=HalfWidths(values, ["y"]))
    assert np.isinf(moved[:5]).all()
    assert np.isfinite(
        walk(np.full((50, 1, 1), 9.0), 0.8, 0.2, half_widths=HalfWidths(values, ["y"]))
    ).all()


def test_windows_with_holes_wait_for_the_rows_themselves():
    half_widths = calibrate(np.abs(RNG.normal(size=(500, 2, 1))), ["y"])
    errors = np.full((3, 2, 1), 9.0)
    origin = np.array([10, 11, 30])
    found = adaptive(half_widths, errors, origin, 0, 0.8, 0.05)
    assert found[1, 0] > found[0, 0] and found[1, 1] == found[0, 1]
    assert (found[2] > found[1]).all()


def test_the_score_counts_what_lies_outside():
    truth = np.array([0.0, 2.0, 5.0])
    found = coverage(truth, np.full(3, -3.0), np.full(3, 3.0), 0.8)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["width"] == 6
    assert found["score"] == pytest.approx(6 + 2 / 0.2 * 2 / 3)


def test_baselines_that_are_defined_nowhere_are_left_out(tmp_path):
    given = build_settings(tmp_path, hyperparameters={"steps_ahead": 2})
    settings = parse_config(given, tmp_path)
    truth = RNG.normal(size=(200, 2, 1))
    baselines = {
        "last_value": np.where(np.arange(200)[:, None, None] < 50, np.nan, 0.5 + 0 * truth),
        "last_season": np.full((200, 2, 1), np.nan),
    }
    split = SplitForecasts(
        np.arange(200), np.full(200, "s"), truth, np.zeros((200, 2, 1, 1)), baselines
    )
    found, bounds, half_widths = evaluate_intervals(split, split, Scalers(None, None), settings)
    json.dumps(found, allow_nan=False)
    assert {row["forecast"] for row in found["overall"]} == {"model", "last_value"}
    # The baseline's intervals are scored on the windows for which it is defined.
    for row in found["overall"]:
        if row["method"] == "conformal":
            assert row["coverage"] == pytest.approx(row["level"], abs=0.02)
    assert set(bounds) == {"lower_0.8", "upper_0.8", "lower_0.95", "upper_0.95"}
    assert set(half_widths) == {MEDIAN_PAIR}


def test_the_base_interval_is_the_quantiles_of_its_level():
    quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
    assert quantile_pair(0.8, quantiles) == (0.1, 0.9) and quantile_pair(0.5, quantiles) == (
        0.25,
        0.75,
    )
    assert quantile_pair(0.95, quantiles) == quantile_pair(0.8, None) == MEDIAN_PAIR
    forecasts = np.arange(5.0).reshape(1, 1, 1, 5)
    low, high = base_interval(forecasts, (0.1, 0.9), quantiles)
    assert (low.item(), high.item()) == (0, 4)
    low, high = base_interval(forecasts[..., :1], MEDIAN_PAIR, None)
    assert (low.item(), high.item()) == (0, 0)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_quantiles_too_near_or_too_far_are_corrected(factor):
    """Forecast quantiles that are wrong by a factor, of noise whose size changes by window."""
    size = RNG.uniform(0.2, 5, size=(16000, 1, 1))
    truth = RNG.normal(size=(16000, 1, 1)) * size
    low, high = -1.2816 * size * factor, 1.2816 * size * factor
    scores = nonconformity_scores(truth, low, high)
    half_width = calibrate(scores[:8000], ["y"]).at(0.8)
    assert (half_width < 0) == (factor > 1)
    later = slice(8000, None)
    found = coverage(truth[later], low[later] - half_width, high[later] + half_width, 0.8)
    assert abs(found["coverage"] - 0.8) < 0.025
