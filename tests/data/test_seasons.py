"""Tests of the seasons that a frequency allows and that train rows show."""

import time

import numpy as np
import pytest

from fastlstm.data.season_sums import SeasonSums, SeriesChunk
from fastlstm.data.seasons import FoundSeasons, find_seasons, season_candidates


def found_in(*targets, candidates, series=None, known=None, steps_ahead=24, **more):
    """Seasons of targets whose series, one by default, begin at the same time."""
    count = len(targets[0])
    series = np.zeros(count, int) if series is None else series
    times = np.concatenate([np.arange(size) for size in np.bincount(series)])
    return find_seasons(
        [np.asarray(values, float) for values in targets], series, times, series,
        np.ones(count, bool) if known is None else known,
        candidates=candidates, steps_ahead=steps_ahead, **more,
    )  # fmt: skip


def sine(count, period, phase=0.0):
    return np.sin(2 * np.pi * np.arange(count) / period + phase)


def test_candidates_of_frequencies():
    expected = {
        "h": [24, 168], "1h": [24, 168], "2h": [12, 84], "4h": [6, 42], "15min": [96, 672],
        "30min": [48, 336], "10min": [144, 1008], "s": [86_400, 604_800], "12h": [2, 14],
        "5h": [], "7h": [24], "D": [7, 364], "1D": [7, 364], "2D": [182], "7D": [52], "28D": [13],
        "24h": [7, 364], "B": [5, 260], "W": [52], "W-MON": [52], "2W": [26], "4W": [13],
        "MS": [12], "ME": [12], "2MS": [6], "3MS": [4], "QS": [4], "QE-NOV": [4], "YS": [], "12MS": [],
    }  # fmt: skip
    assert {frequency: season_candidates(frequency) for frequency in expected} == expected
    assert season_candidates(None) == []


def test_a_sine_with_noise():
    noise = np.random.default_rng(0).normal(0, 0.5, 2000)
    found = found_in(sine(2000, 24) + noise, candidates=[24, 168])
    assert (found.best, found.seasons, found.assumed) == (24, (24,), None)
    assert found.evidence[0].relative_error < 1


def test_a_week_of_the_same_days_is_not_found():
    found = found_in(sine(2000, 24), candidates=[24, 168])
    assert (found.best, found.seasons) == (24, (24,))


def test_two_peaks_a_day_are_a_day():
    noise = np.random.default_rng(0).normal(0, 0.5, 2000)
    assert found_in(sine(2000, 12) + noise, candidates=[24, 168]).seasons == (24,)


@pytest.mark.parametrize("integrations", [0, 1, 2])
def test_what_has_no_season(integrations):
    """White noise, random walks and random walks with a random drift; 1% each may look seasonal."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(50):
        values = rng.normal(0, 1, 700)
        for _ in range(integrations):
            values = np.cumsum(values)
        wrong += found_in(values, candidates=[24, 168]).best is not None
    assert wrong <= 4


def test_day_and_week_of_hours():
    rng = np.random.default_rng(2)
    weekdays = rng.normal(0, 1, 7)[(np.arange(2000) // 24) % 7]
    found = found_in(
        sine(2000, 24) + weekdays + rng.normal(0, 0.3, 2000), candidates=[24, 168], steps_ahead=48
    )
    assert (found.best, found.seasons) == (168, (24, 168))


def test_the_better_season_depends_on_the_data():
    rng = np.random.default_rng(2)
    weekdays = 0.3 * rng.normal(0, 1, 7)[(np.arange(3000) // 24) % 7]
    level = np.cumsum(rng.normal(0, 0.15, 3000))
    found = found_in(sine(3000, 24) + weekdays + level, candidates=[24, 168])
    assert found.best == 24


def test_a_trend_does_not_hide_a_year_of_months():
    rng = np.random.default_rng(3)
    months = np.arange(84)
    line = 5 * months + 20 * sine(84, 12) + rng.normal(0, 5, 84)
    growth = np.exp(0.02 * months) * (100 + 20 * sine(84, 12) + rng.normal(0, 5, 84))
    for values in (line, growth):
        found = found_in(values, candidates=[12], steps_ahead=6)
        assert (found.best, found.seasons) == (12, (12,))
    assert found_in(5.0 * months, candidates=[12]).best is None


def test_weekdays_and_a_year_of_days():
    rng = np.random.default_rng(4)
    weekdays, noise = rng.normal(0, 1, 7)[np.arange(1500) % 7], rng.normal(0, 1, 1500)
    year = 3 * sine(1500, 365.25)
    assert found_in(weekdays + noise, candidates=[7, 364]).seasons == (7,)
    assert found_in(year + noise, candidates=[7, 364]).seasons == (364,)
    assert found_in(weekdays + year + noise, candidates=[7, 364]).seasons == (7, 364)


def test_sparse_counts():
    rng = np.random.default_rng(5)
    seasonal = rng.poisson(0.3 * (1 + sine(1000, 7)))
    assert (seasonal == 0).mean() > 0.7
    assert found_in(seasonal, candidates=[7]).best == 7
    assert found_in(rng.poisson(0.3, 1000), candidates=[7]).best is None


def test_two_short_series_in_a_panel_of_long_ones():
    rng = np.random.default_rng(6)
    sizes = [200] * 5 + [6, 15]
    series = np.repeat(np.arange(7), sizes)
    values = np.concatenate([sine(n, 12, rng.random()) + rng.normal(0, 0.3, n) for n in sizes])
    found = found_in(values, candidates=[12], series=series, steps_ahead=6)
    assert found.best == 12
    assert found.evidence[0].series == 5


def test_a_panel_shows_what_its_series_do_not():
    rng = np.random.default_rng(7)
    series = np.repeat(np.arange(200), 60)
    noise = rng.normal(0, 1.5, len(series))
    values = np.tile(sine(60, 12), 200) + noise
    found = found_in(values, candidates=[12], series=series, steps_ahead=6)
    assert found.best == 12
    assert found.evidence[0].share < 0.5
    assert found_in(noise, candidates=[12], series=series, steps_ahead=6).best is None


def test_series_that_move_together_count_as_few():
    rng = np.random.default_rng(8)
    series = np.repeat(np.arange(50), 120)
    wrong = 0
    for _ in range(30):
        shocks = rng.normal(0, 1, 120) + rng.normal(0, 0.3, (50, 120))
        values = np.cumsum(shocks, axis=1).ravel()
        wrong += found_in(values, candidates=[12], series=series).best is not None
    assert wrong <= 3


def test_each_series_counts_alike():
    rng = np.random.default_rng(9)
    series = np.repeat(np.arange(4), 300)
    values = np.tile(sine(300, 12), 4) + rng.normal(0, 0.5, 1200)
    before = found_in(values, candidates=[12], series=series)
    values[:300] *= 1e6
    after = found_in(values, candidates=[12], series=series)
    assert after.facts() == before.facts()


def test_order_of_series_changes_nothing():
    rng = np.random.default_rng(10)
    rows = sine(300, 12) + rng.normal(0, 1, (5, 300))
    series = np.repeat(np.arange(5), 300)
    forward, backward = (
        found_in(order.ravel(), candidates=[12], series=series).facts()
        for order in (rows, rows[::-1])
    )
    assert forward == backward


def test_constant_series_say_nothing():
    found = found_in(np.zeros(500), np.full(500, 1e9 / 3), candidates=[24])
    assert found.evidence[0].series == 0
    assert (found.best, found.assumed) == (None, 24)


def test_too_short_a_train_period_has_the_usual_season_that_fits():
    assert found_in(sine(20, 12), candidates=[12]) == FoundSeasons(
        assumed=12, evidence=found_in(sine(20, 12), candidates=[12]).evidence
    )
    assert found_in(sine(12, 12), candidates=[12]).assumed is None
    assert found_in(np.arange(10.0), candidates=[7, 364]).assumed == 7
    # Long enough for days and weeks, without either: no season.
    assert found_in(np.random.default_rng(0).normal(0, 1, 100), candidates=[7, 364]).assumed is None


def test_the_season_that_the_user_sets():
    noise = np.random.default_rng(11).normal(0, 0.3, 500)
    found = found_in(sine(500, 24) + noise, candidates=[24, 168], chosen=10)
    assert (found.best, found.seasons) == (10, (10, 24))
    assert found_in(sine(500, 24), candidates=[], chosen=24).best == 24
    assert found_in(sine(500, 24), candidates=[24], chosen=1) == FoundSeasons()
    assert found_in(sine(500, 24), candidates=[]) == FoundSeasons()


def test_gaps_and_missing_values_end_blocks():
    rng = np.random.default_rng(12)
    values = sine(700, 24) + rng.normal(0, 0.3, 700)
    values[[100, 200, 350, 351]] = np.nan
    found = found_in(values, candidates=[24])
    assert found.best == 24
    values[::40] = np.nan  # no block holds two days
    assert found_in(values, candidates=[24]).evidence[0].series == 0


def test_rows_after_train_change_nothing():
    rng = np.random.default_rng(13)
    values, train = sine(600, 24) + rng.normal(0, 1, 600), np.arange(600) < 400
    before = found_in(values, candidates=[24, 168], known=train)
    values[400:] = rng.normal(0, 1e9, 200)
    assert found_in(values, candidates=[24, 168], known=train) == before


def test_sums_of_shards_are_those_of_the_table():
    rng = np.random.default_rng(14)
    rows = sine(300, 12) + rng.normal(0, 1, (6, 300))

    def sums(shard):
        series = np.repeat(np.arange(len(shard)), 300)
        times = np.tile(np.arange(300), len(shard))
        known = np.ones(len(series), bool)
        of_shard = SeasonSums(12, 1, 6, 0)
        of_shard.add(SeriesChunk.of(shard.ravel(), series, times, series, known))
        return of_shard

    whole, merged = sums(rows), sums(rows[:2])
    merged.merge(sums(rows[2:]))
    for name, value in vars(whole.evidence()).items():
        assert getattr(merged.evidence(), name) == pytest.approx(value)


def test_facts_are_read_again():
    found = found_in(sine(500, 24), candidates=[24, 168])
    assert FoundSeasons.from_facts(found.facts()).facts() == found.facts()
    assert FoundSeasons.from_facts({}) == FoundSeasons()


def test_many_short_series_take_no_loop_over_rows():
    series = np.repeat(np.arange(20_000), 50)
    values = np.random.default_rng(15).normal(0, 1, len(series))
    begin = time.process_time()
    found_in(values, candidates=[12], series=series)
    assert time.process_time() - begin < 5
