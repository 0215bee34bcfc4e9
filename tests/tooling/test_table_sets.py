"""The list of real tables that the defaults are measured on, and the rule that gives their settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.table_product import config
from benchmarks.table_report import markdown, mase_by_forecaster
from benchmarks.table_scores import coverage, errors, naive_forecasts
from benchmarks.table_sets import TABLES, look_back
from benchmarks.table_sources import _READERS
from benchmarks.table_tasks import Task, proposed_look_back
from fastlstm.config.retrain import RetrainConfig
from tests.conftest import ROOT


def tiny_task(**changes):
    """Two series of 100 days that count weekdays, forecast twice."""
    times = pd.date_range("2024-01-01", periods=100).astype("datetime64[us]")
    frames = [
        pd.DataFrame({"time": times, "series": name, "sold": factor * (np.arange(100.0) % 7)})
        for name, factor in (("a", 1), ("b", 1000))
    ]
    given = {
        "name": "tiny", "kind": "", "period": "day", "frequency": "1D", "horizon": 5,
        "look_back": 14, "columns": ("sold",), "known": (), "has_series": True,
        "rows": pd.concat(frames, ignore_index=True), "future": None,
        "starts": times.to_numpy()[[85, 95]],
    }  # fmt: skip
    return Task(**(given | changes))


def test_every_table_has_a_reader_a_locked_package_and_room_for_its_windows():
    locked = (ROOT / "benchmarks" / "table_packages.lock").read_text()
    assert len(TABLES) >= 12 and len({table.name for table in TABLES}) == len(TABLES)
    assert {table.name for table in TABLES} == set(_READERS)
    for table in TABLES:
        assert f"\n{table.package.replace('_', '-')}==" in locked, table.name
        test_rows = table.times - int(table.times * 0.85)
        past = proposed_look_back(table)
        assert past >= table.horizon and test_rows > table.horizon, table.name
        assert past + table.horizon < 0.7 * table.times, table.name


def test_look_back_is_two_seasons_as_far_as_the_rows_allow():
    assert look_back("hour", 48, 17_520, 17_520) == 336
    assert look_back("day", 28, 365, 365) == 56  # two horizons are longer than two weeks
    assert look_back("month", 24, 321, 67) == 36  # whole years beside a horizon
    assert look_back("week", 13, 143, 143) == 50  # half of the train rows, less than a year


def test_only_columns_frequency_series_look_back_horizon_and_seed_are_set():
    settings = config(tiny_task(), 3, Path("rows.parquet"), Path("home"))
    RetrainConfig.model_validate(settings)
    assert set(settings["data"]) == {
        "path", "time", "frequency", "series", "features", "targets",
    }  # fmt: skip
    assert set(settings["hyperparameters"]) == {
        "model_name", "LSTM_type", "timesteps", "steps_ahead", "seed",
    }  # fmt: skip


def test_a_week_repeats_without_error_and_series_count_alike():
    task = tiny_task()
    windows = task.windows()
    made = naive_forecasts(task, windows)
    truth = windows["truth"].to_numpy()
    np.testing.assert_array_equal(made["seasonal naive (7)"], truth)
    # The seasonal change of such a series is 0, so its MASE is undefined; with noise it is not.
    noisy = task.rows.assign(
        sold=task.rows["sold"] + np.resize([0.0, 1.0, 0.0], 200) * np.repeat([1, 1000], 100)
    )
    task = tiny_task(rows=noisy)
    windows = task.windows()
    first = windows["unit"] == "a"
    forecast = windows["truth"].to_numpy() + np.where(first, 2.0, 2000.0)
    scored = errors(task, windows, forecast)
    assert scored["mae"] == pytest.approx(1001)
    one = errors(tiny_task(rows=noisy[noisy["series"] == "a"]), windows[first], forecast[first])
    assert scored["mase"] == pytest.approx(one["mase"])


def test_coverage_counts_series_within_ten_points():
    table = pd.DataFrame({
        "unit": ["a"] * 10 + ["b"] * 10, "truth": 0.0, "lower_0.8": -1.0,
        "upper_0.8": [1.0] * 9 + [-0.5] + [1.0] * 5 + [-0.5] * 5,
    })  # fmt: skip
    found = coverage(table, [0.8])["0.8"]
    assert found == {"overall": pytest.approx(0.7), "units_within": 0.5}


def scored(**autoets):
    """Results of one set, of which the second seed failed; what AutoETS has besides its errors."""
    scores = {"mase": 1.0, "rmsse": 1.0, "mae": 1.0}
    intervals = {level: {"overall": 0.75, "units_within": 1.0} for level in ("0.8", "0.95")}
    product = {**scores, "mase": 0.9, "seconds": 5.0, "promoted": True, "missing": 0.0}
    others = dict.fromkeys(("naive", "seasonal naive (4)", "LightGBM"), scores)
    return {
        "set": "beer_quarterly", "units": 1, "times": 218, "horizon": 8, "look_back": 16,
        "forecasters": {**others, "AutoETS": scores | autoets},
        "product": {"0": {**product, "coverage": intervals}, "1": {"failed": "out of memory"}},
        "left_out": [], "commit": "abc", "date": "2026-01-01",
    }  # fmt: skip


def test_the_page_names_failures_and_ranks_the_others():
    result = scored()
    assert mase_by_forecaster(result)["fastLSTM"] == 0.9
    page = markdown([result], "a processor, 2 cores")
    assert "fastLSTM 1.00" in page and "beer_quarterly, seed 1: failed. out of memory" in page


def test_the_page_tells_how_often_the_intervals_of_both_hold_the_truth():
    of_peer = {"coverage": {"0.8": {"overall": 0.5, "units_within": 0.0}}}
    page = markdown([scored(**of_peer)], "a processor, 2 cores")
    assert "fastLSTM holds 75.0% of the truth as mean over sets and 75.0% over all series" in page
    assert (
        "AutoETS holds 50.0% of the truth" in page and "is within 10 points for 0% of a set" in page
    )
    (row,) = [
        line
        for line in page.splitlines()
        if line.endswith("| 75% | 100% | 75% | 100% | 50% | 0% |")
    ]
    assert row.startswith("| beer_quarterly |")
    assert "AutoETS holds" not in markdown([scored()], "a processor, 2 cores")
