"""Forecasts of the best baseline of a stored run: which one, their values, rows and intervals."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fastlstm.data.column_names import SEGMENT, SERIES
from fastlstm.data.tables import read_table
from fastlstm.errors import DataError
from fastlstm.evaluation.baselines import REGRESSION_BASELINES
from fastlstm.evaluation.pointwise import SCALE_COLUMN
from fastlstm.forecasting import baseline_forecast
from fastlstm.forecasting.baseline_forecast import forecast_baseline
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.forecasting.forecaster import (
    Forecaster,
    best_baseline,
    forecaster_id,
    parse_forecaster_id,
)
from fastlstm.forecasting.latest_windows import LatestWindows, read_latest_windows
from fastlstm.runs.saved_run import SavedRun

STORED = Path(__file__).parents[1] / "stored_runs"
TABLE = str(STORED / "table.csv")


@pytest.fixture
def run() -> SavedRun:
    return SavedRun(max((STORED / "small").glob("2*")))


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.read_csv(TABLE)


@pytest.fixture
def file(tmp_path):
    def written(frame: pd.DataFrame) -> str:
        frame.to_csv(tmp_path / "new.csv", index=False)
        return str(tmp_path / "new.csv")

    return written


def test_the_best_baseline_has_the_best_primary_metric_on_test(run):
    best = best_baseline(run.metrics)
    assert (best.key, best.metric) == ("last_season", "mae")
    assert best.score == run.metrics["test"]["last_season"]["mae"]
    assert best.text == "seasonal naive, MAE 1.248 on test"


def test_one_that_is_defined_on_fewer_windows_is_not_the_best(run):
    metrics = copy.deepcopy(run.metrics)
    metrics["test"]["last_season"]["windows"] -= 1
    assert best_baseline(metrics).key == "last_value"


def test_a_metric_of_which_more_is_better_and_one_that_is_undefined(run):
    metrics = copy.deepcopy(run.metrics)
    metrics["primary"] = {"name": "average_precision", "value": 0.4, "better": "higher"}
    metrics["test"] = {
        "model": {"average_precision": 0.4, "windows": 9},
        "prior": {"average_precision": 0.2, "windows": 9},
        "last_class": {"average_precision": 0.5, "windows": 9},
    }
    assert best_baseline(metrics).key == "last_class"
    for scores in metrics["test"].values():
        scores["average_precision"] = None
    best = best_baseline(metrics)
    assert best.key == "prior" and best.text == "class prior, average precision – on test"


@pytest.mark.parametrize("baseline", [None, "last_season", "last_season_168", "drift", "prior"])
def test_the_id_of_a_forecaster_is_read_back(baseline):
    for run_id in ("2026-11-28 05-09-24", "2026-11-28 05-09-24 (2)"):
        assert parse_forecaster_id(forecaster_id(run_id, baseline)) == (run_id, baseline)


def test_each_baseline_continues_every_series_from_its_own_rows(run, table):
    hp = run.hyperparameters
    (windows,) = read_latest_windows(run, TABLE, "csv", with_targets=True)
    for number, (_, rows) in enumerate(table.groupby("site")):
        load, steps = rows["load"].to_numpy(), np.arange(1, hp.steps_ahead + 1)
        slope = (load[-1] - load[-hp.timesteps]) / (hp.timesteps - 1)
        expected = {
            "last_value": np.full(hp.steps_ahead, load[-1]),
            "last_season": load[-24 : -24 + hp.steps_ahead],
            "drift": load[-1] + slope * steps,
        }
        assert set(expected) == set(REGRESSION_BASELINES)
        for key, values in expected.items():
            _, found, _ = forecast_baseline(run, windows, key)
            np.testing.assert_allclose(found[number, :, 0], values)


def test_the_naive_forecast_of_another_season_has_its_rows_in_the_key(run, table):
    (windows,) = read_latest_windows(run, TABLE, "csv", with_targets=True)
    _, found, _ = forecast_baseline(run, windows, "last_season_12")
    steps = run.hyperparameters.steps_ahead
    for number, (_, rows) in enumerate(table.groupby("site")):
        load = rows["load"].to_numpy()
        expected = [load[len(load) + k - 12 * (k // 12 + 1)] for k in range(steps)]
        np.testing.assert_allclose(found[number, :, 0], expected)


def test_its_table_is_that_of_the_network_but_for_the_predictions(run):
    network, naive = (forecast_latest(run, TABLE, baseline=key) for key in (None, "last_value"))
    same = [name for name in network.frame if name != "prediction"]
    pd.testing.assert_frame_equal(network.frame[same], naive.frame[same])
    key = ["series", "after", "step", "target", "level"]
    pd.testing.assert_frame_equal(network.intervals[key], naive.intervals[key])
    assert network.inputs == naive.inputs


def test_it_equals_the_evaluation_s_forecast_of_the_same_window(run, table, file):
    """On test the baseline knew no more than it is given here."""
    test = read_table(run.path("predictions"))
    origin = test["origin"].unique()[5]
    before = table[pd.to_datetime(table["when"], utc=True) < origin]
    frame = forecast_latest(run, file(before), baseline="last_season").frame
    expected = test[test["origin"] == origin]
    np.testing.assert_allclose(frame["prediction"], expected["last_season"])
    assert frame["time"].tolist() == expected["time"].tolist()


def test_a_series_without_a_whole_season_is_skipped_with_the_reason(run, table, file, monkeypatch):
    monkeypatch.setitem(run.metrics, "season_length", 60)
    few = table.groupby("site").tail(50)
    few = few[few["site"] == "a"]
    many = table[table["site"] == "b"]
    latest = forecast_latest(run, file(pd.concat([few, many])), baseline="last_season")
    assert latest.frame["series"].unique().tolist() == ["b"]
    assert latest.skipped == {
        "a": "it lacks a past value that the seasonal naive forecast needs (season of 60 rows)"
    }
    with pytest.raises(DataError, match="no series can be forecast: it lacks a past value"):
        forecast_latest(run, file(few), baseline="last_season")


def test_a_table_without_the_target_is_refused(run, table, file):
    with pytest.raises(DataError, match="no column 'load'"):
        forecast_latest(run, file(table.drop(columns="load")), baseline="last_value")


def test_intervals_hold_the_share_of_test_errors_of_their_level(run):
    latest = forecast_latest(run, TABLE, baseline="last_season")
    both = latest.intervals.merge(latest.frame, on=["series", "after", "step", "target"])
    assert (both["learned_from"] == 0).all()
    half = (both["upper"] - both["lower"]) / 2
    np.testing.assert_allclose(both["upper"] - half, both["prediction"])
    test = pd.concat(Forecaster(run, "last_season").test_predictions())
    error = (test["prediction"] - test["truth"]).abs()
    for (step, level), width in half.groupby([both["step"], both["level"]]).first().items():
        inside = (error[test["step"] == step] <= width).mean()
        assert level <= inside <= level + 0.05


def test_intervals_of_a_panel_are_in_units_of_each_series(run, monkeypatch):
    right = Forecaster.test_predictions
    plain = forecast_latest(run, TABLE, baseline="last_value").intervals

    def scaled(forecaster):
        """'b' has errors ten times those of the stored run; 'a' is as stored."""
        table = pd.concat(right(forecaster))
        size = np.where(table["series"] == "b", 10.0, 1.0)
        error = (table["prediction"] - table["truth"]) * size
        return [table.assign(prediction=table["truth"] + error, **{SCALE_COLUMN: size})]

    monkeypatch.setattr(baseline_forecast.Forecaster, "test_predictions", scaled)
    found = forecast_latest(run, TABLE, baseline="last_value").intervals
    width, before = (t["upper"] - t["lower"] for t in (found, plain))
    np.testing.assert_allclose(width, before * np.where(found["series"] == "b", 10.0, 1.0))

    monkeypatch.setattr(
        baseline_forecast.Forecaster,
        "test_predictions",
        lambda f: [
            t.assign(**{SCALE_COLUMN: t["scale"].where(t["series"] == "a")}) for t in scaled(f)
        ],
    )
    assert set(forecast_latest(run, TABLE, baseline="last_value").intervals["series"]) == {"a"}


def test_for_labels_the_prior_and_the_last_known_class():
    """The label of a row depends on the two rows after it, so the last known one is two rows back."""
    rows = pd.DataFrame({
        SERIES: ["a"] * 4 + ["b"] * 3, SEGMENT: [0] * 4 + [1] * 3,
        "wet": [0.0, 1.0, np.nan, np.nan, 0.0, np.nan, np.nan],
    })  # fmt: skip
    windows = LatestWindows(rows, None, np.array([4, 7]), {})
    run = SimpleNamespace(
        hyperparameters=SimpleNamespace(
            is_regressor=False, steps_ahead=2, timesteps=3, has_count_loss=False
        ),
        data=SimpleNamespace(
            targets=["wet"],
            lookahead=2,
            forecast_limits={},
            rounded_targets=[],
            clip_forecasts=True,
        ),
        metrics={"outputs": {"wet_step_1": {"prior": 0.25}, "wet_step_2": {"prior": 0.5}}},
    )
    _, prior, _ = forecast_baseline(run, windows, "prior")
    assert prior[:, :, 0].tolist() == [[0.25, 0.5]] * 2
    _, last, _ = forecast_baseline(run, windows, "last_class")
    assert last[:, :, 0].tolist() == [[1.0, 1.0], [0.0, 0.0]]
