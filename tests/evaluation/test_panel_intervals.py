"""Intervals of a panel fit every series, and a short table has finite ones; no later truth is used."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.reading import parse_config
from fastlstm.data.scaling import Scalers
from fastlstm.data.series_scales import SeriesScales
from fastlstm.errors import ConfigError, StoreError
from fastlstm.evaluation.conformal_quantiles import (
    conformal_half_widths,
    growth_by_step,
    separate_scores,
)
from fastlstm.evaluation.interval_scores import evaluate_intervals
from fastlstm.evaluation.intervals import (
    LEVELS,
    MEDIAN_PAIR,
    HalfWidths,
    adaptive,
    calibrate,
    next_half_width,
    read_half_widths,
    write_half_widths,
)
from fastlstm.evaluation.predictions import SplitForecasts
from fastlstm.evaluation.recent_spread import spread_factors
from fastlstm.evaluation.series_spreads import ErrorRatios, fit_spreads, write_spreads
from tests.conftest import build_settings

STEPS, SERIES, ROWS, CUT = 6, 200, 150, 70


def overlapping_errors(noise: np.ndarray, windows: int) -> np.ndarray:
    """Errors of forecasts that ignore an autoregression, ``(windows, STEPS, 1)``."""
    errors = np.zeros((windows, STEPS, 1))
    for step in range(STEPS):
        before = errors[:, step - 1, 0] if step else 0.0
        errors[:, step, 0] = 0.6 * before + noise[step : step + windows]
    return errors


class Panel:
    """Validation and test windows of series whose sizes and noise are unequal.

    Scales run from 1 to a million. Errors are a share of the scale that differs from series to series
    by a factor of ten, and each series' noise grows and falls with time.
    """

    def __init__(self, seed: int = 0, series: int = SERIES) -> None:
        rng = np.random.default_rng(seed)
        self.scales = 10 ** rng.uniform(0, 6, series)
        self.ratios = 10 ** rng.uniform(-1.5, -0.5, series)
        parts = {"validation": [], "test": []}
        for number in range(series):
            size = self.scales[number] * self.ratios[number]
            swing = 1 + 0.3 * np.sin(np.arange(ROWS + STEPS) / 5)
            errors = overlapping_errors(rng.normal(size=ROWS + STEPS) * swing, ROWS) * size
            rows = number * (ROWS + STEPS) + np.arange(ROWS)
            label = np.full(ROWS, f"{number:03d}")
            windows = {"validation": slice(0, CUT - STEPS), "test": slice(CUT, ROWS)}
            for split, chosen in windows.items():
                parts[split].append((rows[chosen], label[chosen], errors[chosen]))
        self.validation, self.test = (
            self._split(*map(np.concatenate, zip(*of_split, strict=True)))
            for of_split in parts.values()
        )
        labels = np.array([f"{number:03d}" for number in range(series)])
        scales = SeriesScales(labels, ("load",), np.zeros((series, 1)), self.scales[:, None])
        self.scalers = Scalers(None, None, scales)

    @staticmethod
    def _split(rows: np.ndarray, series: np.ndarray, errors: np.ndarray) -> SplitForecasts:
        return SplitForecasts(rows, series, errors, np.zeros((*errors.shape, 1)), {})

    def coverage(self, settings, level: float, scalers: Scalers) -> tuple[float, pd.Series]:
        """Share of truths inside the intervals, over all and by series."""
        _, bounds, _ = evaluate_intervals(self.validation, self.test, scalers, settings)
        low, high = bounds[f"lower_{level:g}"], bounds[f"upper_{level:g}"]
        inside = ((low <= self.test.truth) & (self.test.truth <= high)).mean(axis=(1, 2))
        return float(inside.mean()), pd.Series(inside).groupby(self.test.series).mean()


@pytest.fixture(scope="module")
def panel():
    return Panel()


@pytest.fixture
def settings(tmp_path):
    given = build_settings(tmp_path, hyperparameters={"steps_ahead": STEPS})
    parsed = parse_config(given, tmp_path)
    data = parsed.data.model_copy(update={"targets": ["load"]})
    return parsed.model_copy(update={"data": data})


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_every_series_of_a_panel_is_covered(panel, settings, level):
    over_all, by_series = panel.coverage(settings, level, panel.scalers)
    assert abs(over_all - level) < 0.02
    assert ((by_series - level).abs() <= 0.1).mean() >= 0.9
    # Pooled in the targets' units, intervals are as wide as those of the largest series.
    _, pooled = panel.coverage(settings, level, Scalers(None, None))
    assert (pooled > level + 0.04).mean() > 0.5 and pooled.min() < level - 0.2


def test_a_series_times_a_million_has_intervals_times_a_million(panel, settings):
    series, factor = "007", 1e6

    def scaled(split):
        by = np.where(split.series == series, factor, 1.0)[:, None, None]
        return replace(split, truth=split.truth * by)

    scales = panel.scalers.series
    by_series = np.where(scales.labels == series, factor, 1.0)[:, None]
    larger = Scalers(None, None, replace(scales, scale=scales.scale * by_series))
    _, before, _ = evaluate_intervals(panel.validation, panel.test, panel.scalers, settings)
    splits = scaled(panel.validation), scaled(panel.test)
    _, after, _ = evaluate_intervals(*splits, larger, settings)
    own = panel.test.series == series
    for name, bounds in before.items():
        np.testing.assert_allclose(after[name][~own], bounds[~own], rtol=1e-6)
        np.testing.assert_allclose(after[name][own], bounds[own] * factor, rtol=1e-6)


def test_a_new_series_has_its_scale_times_the_typical_ratio(panel, settings):
    _, _, half_widths = evaluate_intervals(panel.validation, panel.test, panel.scalers, settings)
    new = SeriesScales(np.array(["new"]), ("load",), np.zeros((1, 1)), np.full((1, 1), 50.0))
    scalers = Scalers(None, None, panel.scalers.series.extended(new))
    unit = half_widths[MEDIAN_PAIR].unit(np.array(["new", "003"]), 2, scalers)[:, 0, 0]
    assert unit[0] == pytest.approx(50 * half_widths[MEDIAN_PAIR].spreads.typical_ratio[0])
    assert 0.5 < unit[0] / (50 * np.exp(np.log(panel.ratios).mean())) < 2
    assert 0.5 < unit[1] / (panel.scales[3] * panel.ratios[3]) < 2
    with pytest.raises(ConfigError, match="series: intervals differ by series"):
        half_widths[MEDIAN_PAIR].unit(None, 1, scalers)


def test_a_series_without_errors_of_its_own_is_not_without_an_interval(panel, settings):
    own = panel.validation.series == "005"
    still = replace(
        panel.validation, truth=np.where(own[:, None, None], 0.0, panel.validation.truth)
    )
    _, bounds, half_widths = evaluate_intervals(still, panel.test, panel.scalers, settings)
    assert (half_widths[MEDIAN_PAIR].spreads.values > 0).all()
    assert all(np.isfinite(bound).all() for bound in bounds.values())


def test_one_window_a_series_is_pooled_over_series(settings):
    panel = Panel(seed=1)
    first = np.unique(panel.validation.series, return_index=True)[1]
    kept = panel.validation
    kept = SplitForecasts(
        kept.rows[first], kept.series[first], kept.truth[first], kept.network[first], {}
    )
    found, _, half_widths = evaluate_intervals(kept, panel.test, panel.scalers, settings)
    assert np.isfinite(half_widths[MEDIAN_PAIR].values).all()
    for row in found["overall"]:
        if row["method"] == "adaptive":
            assert row["coverage"] == pytest.approx(row["level"], abs=0.04)


def test_intervals_know_no_truth_that_was_not_out(panel, settings):
    """Neither of the test windows that follow, nor at all of those whose truth is not yet known."""
    _, before, half_widths = evaluate_intervals(
        panel.validation, panel.test, panel.scalers, settings
    )
    chosen = np.flatnonzero(panel.test.series == "011")
    window, step = chosen[20], 2
    truth = panel.test.truth.copy()
    truth[window, step] *= -1000.0
    changed = replace(panel.test, truth=truth)
    _, after, again = evaluate_intervals(panel.validation, changed, panel.scalers, settings)
    for pair, widths in half_widths.items():
        np.testing.assert_array_equal(widths.values, again[pair].values)
        np.testing.assert_array_equal(widths.spreads.values, again[pair].spreads.values)
    differs = np.flatnonzero((before["upper_0.8"] != after["upper_0.8"]).any(axis=(1, 2)))
    assert differs[0] == chosen[20 + step + 1] and differs[-1] <= chosen[-1]


def test_spreads_survive_the_file_and_runs_without_them_have_none(panel, settings, tmp_path):
    _, _, half_widths = evaluate_intervals(panel.validation, panel.test, panel.scalers, settings)
    spreads = half_widths[MEDIAN_PAIR].spreads
    files = tmp_path / "intervals.parquet", tmp_path / "spreads.parquet"
    write_half_widths(half_widths, files[0])
    assert (
        read_half_widths(files[0], ["load"], half_widths[MEDIAN_PAIR].values.shape[1], files[1])[
            MEDIAN_PAIR
        ].spreads
        is None
    )
    write_spreads(spreads, files[1])
    again = read_half_widths(
        files[0], ["load"], half_widths[MEDIAN_PAIR].values.shape[1], files[1]
    )[MEDIAN_PAIR].spreads
    np.testing.assert_array_equal(again.values, spreads.values)
    np.testing.assert_array_equal(again.typical_ratio, spreads.typical_ratio)
    assert again.labels.tolist() == spreads.labels.tolist()
    write_spreads(replace(spreads, values=-spreads.values), files[1])
    with pytest.raises(StoreError, match="a spread that is not above 0"):
        read_half_widths(files[0], ["load"], half_widths[MEDIAN_PAIR].values.shape[1], files[1])
    write_half_widths(half_widths, files[1])
    with pytest.raises(StoreError, match="lacks the column 'series'"):
        read_half_widths(files[0], ["load"], half_widths[MEDIAN_PAIR].values.shape[1], files[1])


def test_the_next_interval_is_the_one_the_test_would_have(panel, settings):
    _, bounds, half_widths = evaluate_intervals(
        panel.validation, panel.test, panel.scalers, settings
    )
    own = np.flatnonzero(panel.test.series == "042")
    widths = half_widths[MEDIAN_PAIR]
    unit = widths.unit(panel.test.series[own], len(own), panel.scalers)
    scores, rows = np.abs(panel.test.truth[own]) / unit, panel.test.rows[own]
    found = unit[-1] * next_half_width(
        widths, scores[:-1], rows[:-1], int(rows[-1]), 0, 0.8, settings.evaluation.interval_rate
    )
    np.testing.assert_allclose(found, bounds["upper_0.8"][own[-1]], rtol=1e-9)


def test_errors_known_since_correct_the_spread_slowly():
    half_widths = calibrate(np.abs(np.random.default_rng(0).normal(size=(900, 2, 1))), ["y"]).values
    rows = np.arange(60)
    typical = np.full((60, 2, 1), 0.8)
    doubled = spread_factors(2 * typical, rows, 0, half_widths, LEVELS)[:, 0, 0]
    assert doubled[0] == 1 and (np.diff(doubled) >= 0).all() and 1.9 < doubled[-1] < 2.1
    unknown = spread_factors(np.full((60, 2, 1), np.nan), rows, 0, half_widths, LEVELS)
    assert (unknown == 1).all()
    late = spread_factors(2 * typical, rows, 10, half_widths, LEVELS)[:, 0, 0]
    assert (late[:11] == 1).all() and late[11] > 1


def test_a_few_windows_pool_the_steps_that_are_near():
    scores = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    found = conformal_half_widths(scores, np.array([4.0, 2.0]), np.array([0.5, 0.8, 0.95]))
    growth = growth_by_step(scores)
    assert growth.tolist() == [1.0, 2.0]  # never faster than the step
    # Four separate scores allow 80%: the greatest. Step 2 has two, and the first step helps.
    assert found[1, 0] == 4 and found[1, 1] == 40
    assert (found[2] > found[1]).all() and np.isfinite(found).all()


def test_growth_is_that_of_the_errors():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(4000, 9)), axis=1)
    np.testing.assert_allclose(growth_by_step(walk), np.arange(1, 10) ** 0.5, rtol=0.05)
    assert growth_by_step(rng.normal(size=(4000, 9)))[-1] < 1.05
    assert (growth_by_step(np.zeros((5, 9))) == 1).all()


def test_windows_that_overlap_count_as_fewer():
    rows, series = np.r_[np.arange(13), np.arange(50, 55)], np.repeat(["a", "b"], [13, 5])
    found = separate_scores(rows, series, 6, 0)
    assert found[0] == 18 and found[-1] == 1 + 1.5 * 12 / 6 + 1 + 1.5 * 4 / 6
    assert (separate_scores(rows, series, 6, 3) <= found).all()


@pytest.mark.parametrize("kind", ["white", "autoregressive", "random walk"])
def test_a_short_monthly_series_is_covered(kind):
    """13 validation windows, 6 ahead, over 200 replications: near the level or above, and finite."""
    memory = {"white": 0.0, "autoregressive": 0.7, "random walk": 1.0}[kind]
    rng, windows, inside = np.random.default_rng(2), 13, {0.8: [], 0.95: []}
    for _ in range(200):
        noise = rng.normal(size=windows + 4 * STEPS)
        errors = np.zeros((windows + 3 * STEPS, STEPS, 1))
        for step in range(STEPS):
            before = errors[:, step - 1, 0] if step else 0.0
            errors[:, step, 0] = memory * before + noise[step : step + len(errors)]
        rows = np.arange(windows)
        separate = separate_scores(rows, np.full(windows, "a"), STEPS, 0)
        half_widths = calibrate(np.abs(errors[:windows]), ["y"], separate)
        assert np.isfinite(half_widths.values).all()
        later = errors[windows + STEPS :]
        for level, shares in inside.items():
            shares.append((np.abs(later) <= half_widths.at(level)).mean())
    for level, shares in inside.items():
        assert level - 0.03 <= np.mean(shares) <= level + 0.12


def test_a_series_that_always_misses_does_not_get_an_infinite_interval():
    half_widths = calibrate(np.ones((3, STEPS, 1)), ["y"], np.full(STEPS, 1.5))
    scores = np.full((12, STEPS, 1), 1e6)
    found = adaptive(half_widths, scores, np.arange(12), 0, 0.95, 0.5)
    assert np.isfinite(found).all() and isinstance(half_widths, HalfWidths)


def test_findings_name_the_levels_with_too_few_windows(settings, panel):
    enough, _, _ = evaluate_intervals(panel.validation, panel.test, panel.scalers, settings)
    assert enough["notes"] == []
    panel = Panel(seed=2, series=1)
    some = slice(0, 3)
    few = SplitForecasts(
        panel.validation.rows[some], panel.validation.series[some],
        panel.validation.truth[some], panel.validation.network[some], {},
    )  # fmt: skip
    found, bounds, _ = evaluate_intervals(few, panel.test, panel.scalers, settings)
    json.dumps(found, allow_nan=False)
    (first, second) = found["notes"]
    assert first.startswith("too few validation windows for 80% intervals: ")
    assert second.startswith("too few validation windows for 95% intervals: ")
    assert "19 needed" in second and "Student's t" in second
    assert all(np.isfinite(bound).all() for bound in bounds.values())
    more, _, _ = evaluate_intervals(panel.validation, panel.test, panel.scalers, settings)
    (note,) = more["notes"]
    assert note.startswith("few validation windows for 95%") and "steps are pooled" in note


def test_series_without_an_error_count_as_their_few_forecasts_bear():
    """A spread near nothing would make their first error widen the intervals of all other series."""
    windows, series = 4, 40
    values = np.ones((windows * series, 1))
    values[: windows * series // 2] = 0.0
    rows = np.arange(windows * series) * STEPS
    labels = np.repeat([f"{number:02d}" for number in range(series)], windows)
    ratios = ErrorRatios(values, rows, labels, STEPS, STEPS)
    spreads, of_windows = fit_spreads(ratios, np.ones_like(values), ["load"])
    assert 0.01 < spreads.values[0, 0] < 0.1 < 0.5 < spreads.values[-1, 0]
    assert of_windows.min() > 0.01
