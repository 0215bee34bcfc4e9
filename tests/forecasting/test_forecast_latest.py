"""The latest forecasts of a stored run: the work they take, their rows, and what they adapt to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.artifacts.folders import write_manifest
from fastlstm.data.checked_shards import Cutting
from fastlstm.data.scaling import Scalers
from fastlstm.errors import DataError
from fastlstm.forecasting import intervals
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.network import inference
from fastlstm.runs import saved_run
from fastlstm.runs.saved_run import SavedRun

STORED = Path(__file__).parents[1] / "stored_runs"


@pytest.fixture
def run() -> SavedRun:
    return SavedRun(min((STORED / "small").glob("2*")))


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.read_csv(STORED / "table.csv")


@pytest.fixture
def many_series(tmp_path, table) -> str:
    """The stored table with five series in place of each."""
    copies = [table.assign(site=table["site"] + str(number)) for number in range(5)]
    file = tmp_path / "many.csv"
    pd.concat(copies).to_csv(file, index=False)
    return str(file)


def test_the_table_is_scaled_once_whatever_the_number_of_series(run, many_series, monkeypatch):
    scaled, right = [], Scalers.features
    monkeypatch.setattr(
        Scalers,
        "features",
        lambda self, frame, series: scaled.append(len(frame)) or right(self, frame, series),
    )
    monkeypatch.setattr(intervals, "_WINDOWS_AT_ONCE", 30)  # the past of three series
    latest = forecast_latest(run, many_series, interval_windows=10)
    assert latest.frame["series"].nunique() == 10
    assert (latest.intervals["learned_from"] == 10).all()
    assert scaled == [len(pd.read_csv(many_series))]


def test_series_forecast_together_or_one_by_one_have_the_same_intervals(
    run, many_series, monkeypatch
):
    together = forecast_latest(run, many_series, interval_windows=10).intervals
    monkeypatch.setattr(intervals, "_WINDOWS_AT_ONCE", 1)
    one_by_one = forecast_latest(run, many_series, interval_windows=10).intervals
    pd.testing.assert_frame_equal(together, one_by_one, rtol=1e-5)


@pytest.mark.parametrize("limited", [False, True], ids=["few values", "many values"])
def test_windows_of_many_values_are_forecast_few_at_once(run, monkeypatch, limited):
    given, right = [], saved_run.input_windows

    def counted(features, origins, timesteps):
        given.append(len(origins))
        return right(features, origins, timesteps)

    monkeypatch.setattr(saved_run, "input_windows", counted)
    hp, data = run.hyperparameters, run.data
    values = hp.timesteps * len(data.features) + hp.steps_ahead * len(data.targets)
    if limited:
        monkeypatch.setattr(inference, "_READ_VALUES", 7 * values + 1)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(60, len(data.features))), columns=data.features)
    origins = np.arange(hp.timesteps, hp.timesteps + 20)
    forecasts = run.forecast(rows, origins)
    assert given == ([7, 7, 6] if limited else [20])
    assert forecasts.shape == (20, hp.steps_ahead, len(data.targets))


@pytest.mark.parametrize("baseline", [None, "last_season"])
def test_a_panel_in_shards_is_forecast_as_in_one_piece(
    run, table, many_series, tmp_path, monkeypatch, baseline
):
    panel = pd.read_csv(many_series).sample(frac=1, random_state=1)
    last = panel["when"].max()
    panel = pd.concat(
        [
            panel[(panel["site"] != "b3") | (panel["when"] < "2024-01-05")],
            panel[panel["site"] == "a0"].sort_values("when").tail(3).assign(site="short"),
            panel[panel["site"] == "a0"].assign(site="B1"),
        ]
    )
    panel.to_csv(many_series, index=False)
    sizes, right = [], saved_run.SavedRun.scale

    def counted(self, rows, starts):
        sizes.append(len(rows))
        return right(self, rows, starts)

    monkeypatch.setattr(saved_run.SavedRun, "scale", counted)
    whole, cut = (
        forecast_latest(run, many_series, "auto", 10, baseline, Cutting(rows, tmp_path))
        for rows in (None, len(panel) // 4)
    )
    assert len(sizes) > 3 and sum(sizes[1:]) == sizes[0] and not list(tmp_path.glob(".upload-*"))
    pd.testing.assert_frame_equal(cut.frame, whole.frame, rtol=1e-6)
    pd.testing.assert_frame_equal(cut.intervals, whole.intervals, rtol=1e-6)
    for name in ("skipped", "warnings", "first", "through"):
        assert getattr(cut, name) == getattr(whole, name), name
    assert whole.skipped and list(whole.skipped) == list(cut.skipped)
    assert len(whole.warnings) > 1 and whole.frame["after"].max() == pd.Timestamp(last)
    for feature, summary in whole.inputs.items():
        for key, value in summary.items():
            assert cut.inputs[feature][key] == pytest.approx(value), (feature, key)


def test_failed_checks_of_all_shards_stand_in_one_message(run, many_series):
    panel = pd.read_csv(many_series)
    panel.loc[panel["site"].isin(["a1", "b2", "b4"]) & (panel.index % 7 == 0), "load"] = np.inf
    panel.to_csv(many_series, index=False)
    messages = []
    for rows in (None, len(panel) // 4):
        with pytest.raises(DataError, match="checks failed") as caught:
            forecast_latest(run, many_series, baseline="last_value", cutting=Cutting(rows))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_there_is_a_row_for_each_series_step_and_target(run):
    frame = forecast_latest(run, str(STORED / "table.csv")).frame
    steps = run.hyperparameters.steps_ahead
    assert frame["series"].tolist() == ["a"] * steps + ["b"] * steps
    assert frame["step"].tolist() == [*range(1, steps + 1)] * 2
    hours = (frame["time"] - frame["after"]) / pd.Timedelta("1h")
    assert hours.tolist() == frame["step"].tolist()
    assert ((frame["origin"] - frame["after"]) == pd.Timedelta("1h")).all()
    assert frame["step"].dtype == np.int32
    for name in ("after", "origin", "time"):
        assert frame[name].dtype == "datetime64[us, UTC]"


def test_a_series_that_cannot_be_forecast_is_skipped_with_the_reason(run, table, tmp_path):
    timesteps = run.hyperparameters.timesteps
    short = table[table["site"] == "a"].tail(timesteps - 1).assign(site="short")
    gap = table[table["site"] == "a"].assign(site="gap")
    gap = gap.drop(index=gap.index[-3])
    file = tmp_path / "t.csv"
    pd.concat([table, short, gap]).to_csv(file, index=False)
    latest = forecast_latest(run, str(file))
    assert latest.skipped == {
        "short": f"{timesteps - 1} rows, a window needs {timesteps}",
        "gap": f"a gap 2 rows before its end, a window needs {timesteps} rows without one",
    }
    assert set(latest.frame["series"]) == {"a", "b"}
    short.to_csv(file, index=False)
    with pytest.raises(DataError, match=r"no series can be forecast \(short: 23 rows"):
        forecast_latest(run, str(file))


@pytest.fixture
def limited(run, tmp_path) -> Path:
    """A copy of the run with limits in its settings, without its rows, which lie outside of them."""
    shutil.copytree(run.folder, tmp_path / "limited")
    copy = SavedRun(tmp_path / "limited")
    for kind in ("x_data", "y_data"):
        copy.path(kind).unlink()
    file = copy.path("hyperparameters")
    changed = json.loads(file.read_text())
    changed["data"]["columns"] = {"load": {"minimum": 48.0, "maximum": 51.0}}
    changed["data"]["clip_forecasts"] = True
    file.write_text(json.dumps(changed))
    facts = {k: v for k, v in copy.manifest.items() if k not in ("files", "content_sha256")}
    write_manifest(copy.folder, facts)
    return copy.folder


@pytest.fixture
def within(tmp_path, table) -> Path:
    """The stored table with loads within these limits."""
    file = tmp_path / "within.csv"
    table.assign(load=table["load"].clip(48, 51)).to_csv(file, index=False)
    return file


@pytest.mark.parametrize("baseline", [None, "last_season"])
def test_forecasts_and_bounds_keep_to_the_limits_of_the_run(run, limited, within, baseline):
    free, bound = (
        forecast_latest(r, str(within), baseline=baseline) for r in (run, SavedRun(limited))
    )
    assert free.frame["prediction"].between(48, 51).all() == (baseline is not None)
    np.testing.assert_array_equal(bound.frame["prediction"], free.frame["prediction"].clip(48, 51))
    assert not free.intervals["lower"].between(48, 51).all()
    for name in ("lower", "upper"):
        assert bound.intervals[name].between(48, 51).all()
    assert (bound.intervals["lower"] <= bound.intervals["upper"]).all()


def test_the_class_opens_a_run_with_its_limits(run, limited, table):
    rows = table[table["site"] == "a"].set_index("when")
    rows.index = pd.to_datetime(rows.index)
    rows["load"] = rows["load"].clip(48, 51)
    free, bound = (
        fastLSTM().load_all(SavedRun(folder).path("hyperparameters"))
        for folder in (run.folder, limited)
    )
    expected = free.model_predict(rows).clip(48, 51)
    assert (expected == 51).any() and (expected < 51).any()
    np.testing.assert_array_equal(bound.model_predict(rows), expected)
    lower, upper = bound.prediction_intervals(rows)
    assert lower.min() >= 48 and upper.max() <= 51


def test_a_run_whose_settings_do_not_mention_limits_has_none(run, limited, within):
    copy = SavedRun(limited)
    file = copy.path("hyperparameters")
    changed = json.loads(file.read_text())
    del changed["data"]["clip_forecasts"]
    file.write_text(json.dumps(changed))
    facts = {k: v for k, v in copy.manifest.items() if k not in ("files", "content_sha256")}
    write_manifest(copy.folder, facts)
    free, found = (forecast_latest(r, str(within)).frame for r in (run, SavedRun(limited)))
    pd.testing.assert_frame_equal(found, free)
