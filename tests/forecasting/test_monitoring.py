"""Measurements of a stored run whose test windows are taken for live forecasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.data.tables import read_table
from fastlstm.forecasting.monitoring import input_rows, measure, newest_run
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
    measured = measure([run], **live_tables(run), inputs=inputs)
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
    measured = measure([run], **live_tables(run, offset=500.0), inputs=pd.DataFrame())
    assert measured.error.ratio > 100
    assert all(share == 0 for share, _ in measured.coverage.values())
    assert measured.psi == {} and measured.input_rows == 0


def test_a_forecast_of_known_first_steps_is_compared_with_these_steps(runs):
    run = runs[0]
    tables = live_tables(run)
    tables["forecasts"] = tables["forecasts"][tables["forecasts"]["step"] == 1]
    measured = measure([run], **tables, inputs=pd.DataFrame())
    first = run.metrics["by_step"][0]["model"]["mae"]
    assert measured.error.live == pytest.approx(first)
    assert measured.error.expected == pytest.approx(first)


def test_without_actual_values_drift_alone_is_measured(runs):
    run = runs[0]
    tables = {**live_tables(run), "actuals": None}
    inputs = scoring(run, "2024-01-01", "2024-01-02", train_counts(run))
    measured = measure([run], **tables, inputs=inputs)
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
    assert measure([run], **tables, inputs=inputs).input_rows == 2 * rows


def test_the_newest_run_made_the_newest_forecast(runs):
    forecasts = pd.DataFrame(
        {
            "run_id": [runs[1].run_id, runs[0].run_id, runs[1].run_id],
            "after": pd.to_datetime(np.array(["2024-01-03", "2024-01-05", "2024-01-04"]), utc=True),
        }
    )
    assert newest_run(runs, forecasts) is runs[0]
