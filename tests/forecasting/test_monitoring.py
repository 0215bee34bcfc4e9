"""Measurements of a stored run whose test windows are taken for live forecasts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.folders import write_manifest
from fastlstm.data.checked_shards import Cutting
from fastlstm.data.tables import read_table, write_table
from fastlstm.forecasting.forecaster import Forecaster
from fastlstm.forecasting.monitoring import (
    actual_values,
    input_rows,
    measure,
    newest_forecaster,
)
from fastlstm.runs.saved_run import SavedRun

STORED = Path(__file__).parents[1] / "stored_runs" / "small"
HOUR = pd.Timedelta("1h")


@pytest.fixture
def runs() -> list[SavedRun]:
    return [SavedRun(folder) for folder in sorted(STORED.glob("2*"))]


def live_tables(run: SavedRun, offset: float = 0.0) -> dict[str, pd.DataFrame]:
    """The test windows as forecasts, intervals and actual values."""
    test = read_table(run.path("predictions"))
    test = test.assign(run_id=run.run_id, after=test["origin"] - HOUR)
    key = ["run_id", "series", "after", "step", "target"]
    levels = [0.8, 0.95]
    intervals = [
        test[key].assign(level=level, lower=test[f"lower_{level}"], upper=test[f"upper_{level}"])
        for level in levels
    ]
    actuals = test[["series", "time", "target"]].assign(actual=test["truth"] + offset)
    return {
        "forecasts": test[[*key, "time", "prediction"]],
        "intervals": pd.concat(intervals, ignore_index=True),
        "actuals": actuals.drop_duplicates(["series", "time", "target"]),
    }


def scoring(run: SavedRun, first: str, through: str, counts: dict[str, list[int]]) -> pd.DataFrame:
    """The inputs of a scoring, as it keeps them."""
    rest = {"mean": 0.0, "std": 1.0, "minimum": 0.0, "maximum": 1.0}
    inputs = {feature: {"counts": of_feature, **rest} for feature, of_feature in counts.items()}
    times = {"first": f"{first}T00:00Z", "through": f"{through}T00:00Z"}
    return input_rows(run.run_id, {**times, "inputs": inputs})


def train_counts(run: SavedRun) -> dict[str, list[int]]:
    return {feature: summary["counts"] for feature, summary in run.inputs.items()}


def test_forecasts_like_those_on_test_have_its_error_and_coverage(runs):
    run = runs[0]
    inputs = scoring(run, "2024-01-01", "2024-01-02", train_counts(run))
    measured = measure([Forecaster(run)], **live_tables(run), inputs=inputs)
    mae = run.metrics["test"]["model"]["mae"]
    assert measured.error.name == "MAE"
    assert measured.error.live == pytest.approx(mae)
    assert measured.error.expected == pytest.approx(mae)
    assert measured.error.forecasts == len(read_table(run.path("predictions")))
    adaptive = {
        row["level"]: row["coverage"]
        for row in run.metrics["intervals"]["overall"]
        if row["forecast"] == "model" and row["method"] == "adaptive"
    }
    assert {level: share for level, (share, _) in measured.coverage.items()} == pytest.approx(
        adaptive
    )
    assert set(measured.psi) == set(run.inputs) and max(measured.psi.values()) == 0


def test_other_actual_values_are_outside_and_raise_the_error(runs):
    run = runs[0]
    measured = measure([Forecaster(run)], **live_tables(run, offset=500.0), inputs=pd.DataFrame())
    assert measured.error.ratio > 100
    assert all(share == 0 for share, _ in measured.coverage.values())
    assert measured.psi == {} and measured.input_rows == 0


def test_a_forecast_of_known_first_steps_is_compared_with_these_steps(runs):
    run = runs[0]
    tables = live_tables(run)
    tables["forecasts"] = tables["forecasts"][tables["forecasts"]["step"] == 1]
    measured = measure([Forecaster(run)], **tables, inputs=pd.DataFrame())
    first = run.metrics["by_step"][0]["model"]["mae"]
    assert measured.error.live == pytest.approx(first)
    assert measured.error.expected == pytest.approx(first)


@pytest.fixture
def scaled(runs, tmp_path) -> SavedRun:
    """The first run with MASE as its primary metric, and 'b' with values a million times as large."""
    shutil.copytree(runs[0].folder, tmp_path / "run")
    run = SavedRun(tmp_path / "run")
    test = read_table(run.path("predictions"))
    size = np.where(test["series"] == "b", 1e6, 1.0)
    values = test.select_dtypes("float").mul(size, axis=0)
    write_table(test.assign(**values, scale=2.0 * size), run.path("predictions"))
    facts = {k: v for k, v in run.manifest.items() if k not in ("files", "content_sha256")}
    facts["primary"] = {"name": "mase", "value": 1.0, "better": "lower"}
    write_manifest(run.folder, facts)
    return SavedRun(run.folder)


def test_scaled_errors_are_means_over_series(scaled, runs):
    measured = measure([Forecaster(scaled)], **live_tables(scaled), inputs=pd.DataFrame())
    expected = np.mean([s["model"]["mae"] / 2 for s in runs[0].metrics["by_series"].values()])
    assert measured.error.name == "MASE"
    assert measured.error.live == pytest.approx(expected)
    assert measured.error.expected == pytest.approx(expected)


def test_a_small_series_that_got_worse_degrades_a_panel(scaled):
    tables = live_tables(scaled)
    small = tables["actuals"]["series"] == "a"
    tables["actuals"].loc[small, "actual"] += 500.0
    measured = measure([Forecaster(scaled)], **tables, inputs=pd.DataFrame())
    # Pooled, an error of 500 would be lost among those of a million.
    assert measured.error.ratio > 10


def test_forecasts_of_one_series_are_compared_with_its_own_test_windows(scaled):
    tables = live_tables(scaled)
    tables["forecasts"] = tables["forecasts"][tables["forecasts"]["series"] == "a"]
    measured = measure([Forecaster(scaled)], **tables, inputs=pd.DataFrame())
    assert measured.error.live == pytest.approx(measured.error.expected)
    assert measured.error.forecasts == len(tables["forecasts"])


def test_series_without_a_scale_do_not_count(scaled):
    test = read_table(scaled.path("predictions"))
    only_a = test["scale"].where(test["series"] == "a")
    write_table(test.assign(scale=only_a), scaled.path("predictions"))
    tables = live_tables(scaled)
    measured = measure([Forecaster(scaled)], **tables, inputs=pd.DataFrame())
    assert measured.error.forecasts == (tables["forecasts"]["series"] == "a").sum()
    write_table(test.assign(scale=np.nan), scaled.path("predictions"))
    nothing = measure([Forecaster(scaled)], **tables, inputs=pd.DataFrame()).error
    assert nothing.forecasts == 0 and np.isnan(nothing.live)


def test_an_earlier_run_is_measured_on_the_metric_and_scales_of_the_newest(scaled, runs):
    old, tables = runs[1], live_tables(runs[1])
    mine = live_tables(scaled)
    tables["forecasts"]["after"] -= pd.Timedelta(days=30)
    tables["forecasts"] = pd.concat([tables["forecasts"], mine["forecasts"]])
    tables["actuals"] = mine["actuals"]
    error = measure([Forecaster(old), Forecaster(scaled)], **tables, inputs=pd.DataFrame()).error
    assert error.name == "MASE" and np.isfinite([error.live, error.expected]).all()
    assert error.forecasts > len(mine["forecasts"])


def test_without_actual_values_drift_alone_is_measured(runs):
    run = runs[0]
    tables = {**live_tables(run), "actuals": None}
    inputs = scoring(run, "2024-01-01", "2024-01-02", train_counts(run))
    measured = measure([Forecaster(run)], **tables, inputs=inputs)
    assert measured.error is None and measured.coverage == {} and measured.psi


def test_rows_that_scorings_have_in_common_count_once(runs):
    run = runs[0]
    counts = train_counts(run)
    rows = sum(next(iter(counts.values())))
    tables = live_tables(run)
    days = [
        ("2024-01-01", "2024-01-03"),
        ("2024-01-02", "2024-01-04"),
        ("2024-01-05", "2024-01-06"),
    ]
    inputs = pd.concat([scoring(run, first, through, counts) for first, through in days])
    assert measure([Forecaster(run)], **tables, inputs=inputs).input_rows == 2 * rows


def test_the_newest_forecaster_made_the_newest_forecast(runs):
    forecasts = pd.DataFrame(
        {
            "run_id": [runs[1].run_id, runs[0].run_id, runs[1].run_id],
            "after": pd.to_datetime(np.array(["2024-01-03", "2024-01-05", "2024-01-04"]), utc=True),
        }
    )
    forecasters = [Forecaster(run) for run in runs]
    assert newest_forecaster(forecasters, forecasts) is forecasters[0]


def test_forecasts_of_a_baseline_are_compared_with_its_own_error_on_test(runs):
    """They stand beside those of the network of the same run."""
    network, seasonal = Forecaster(runs[0]), Forecaster(runs[0], "last_season")
    tables = live_tables(runs[0])
    test = pd.concat(seasonal.test_predictions())
    earlier = tables["forecasts"].assign(after=tables["forecasts"]["after"] - 400 * HOUR)
    made = tables["forecasts"].assign(run_id=seasonal.id, prediction=test["last_season"])
    tables["forecasts"] = made
    tables["intervals"] = tables["intervals"].assign(run_id=seasonal.id)
    inputs = scoring(runs[0], "2024-01-01", "2024-01-02", train_counts(runs[0]))
    inputs = inputs.assign(run_id=seasonal.id)
    error = measure([seasonal], **tables, inputs=inputs).error
    mae = runs[0].metrics["test"]["last_season"]["mae"]
    assert error.live == pytest.approx(mae) and error.expected == pytest.approx(mae)
    tables["forecasts"] = pd.concat([earlier, made])
    both = measure([network, seasonal], **tables, inputs=inputs)
    assert both.error.forecasts == 2 * len(made)
    assert set(both.psi) == set(runs[0].inputs) and set(both.coverage) == {0.8, 0.95}
    model = runs[0].metrics["test"]["model"]["mae"]
    assert both.error.expected == pytest.approx((mae + model) / 2)


def test_steps_for_which_a_baseline_had_no_test_forecast_do_not_count(scaled):
    table = read_table(scaled.path("predictions"))
    lacking = table["last_season"].where(table["series"] == "a")
    write_table(table.assign(last_season=lacking), scaled.path("predictions"))
    seasonal = Forecaster(scaled, "last_season")
    tables = live_tables(scaled)
    tables["forecasts"] = tables["forecasts"].assign(run_id=seasonal.id)
    error = measure([seasonal], **tables, inputs=pd.DataFrame()).error
    assert error.forecasts == (tables["forecasts"]["series"] == "a").sum()


def test_actual_values_of_a_panel_in_shards_are_those_of_one_piece(runs, tmp_path):
    panel = pd.concat(
        [pd.read_csv(STORED.parent / "table.csv").assign(site=f"site {n}") for n in range(4)]
    ).drop_duplicates(["site", "when"])
    file = tmp_path / "actuals.csv"
    panel.to_csv(file, index=False)
    forecasts = pd.DataFrame(
        {
            "series": ["site 0", "site 3", "site 3", "elsewhere"],
            "time": pd.to_datetime([*panel["when"].iloc[:3], None], utc=True),
        }
    )
    whole, cut, wanted = (
        actual_values(
            runs[0].data, str(file), labels=False, forecasts=given, cutting=Cutting(rows, tmp_path)
        ).sort_values(["series", "time"], ignore_index=True)
        for rows, given in ((None, None), (100, None), (100, forecasts))
    )
    pd.testing.assert_frame_equal(whole, cut)
    assert len(whole) == len(panel) and set(wanted["series"]) == {"site 0", "site 3"}
    merged = whole.merge(forecasts, on=["series", "time"])
    pd.testing.assert_frame_equal(wanted, merged[wanted.columns])
