"""Batch scoring and monitoring on a real Prefect: appended once, skipped and told, drift seen."""

from __future__ import annotations

import shutil
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.reading import check_settings
from fastlstm.data.column_names import SERIES
from fastlstm.errors import DataError, StoreError
from fastlstm.evaluation.intervals import MEDIAN_PAIR
from fastlstm.runs.saved_run import SavedRun
from tasks.settings import MonitorConfig, ScoringConfig
from tests.conftest import make_panel

STORED_RUNS = Path(__file__).parents[1] / "stored_runs" / "small"
pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")


def score(given, **kwargs):
    from flows.predict import predict

    return predict(check_settings(given, ScoringConfig), **kwargs)


def look(given):
    from flows.monitor import monitor

    return monitor(check_settings(given, MonitorConfig))


def recent_panel(rows: int, **kwargs) -> pd.DataFrame:
    """The panel, ending at the last full hour."""
    frame = make_panel(rows, **kwargs)
    now = pd.Timestamp(datetime.now(UTC)).floor("h")
    return frame.assign(when=frame["when"] - frame["when"].max() + now)


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    """The folder of a store with a champion."""
    from fastlstm.registry.folder_store import FolderStore

    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(Path(finished.run.location).parents[1], folder / "runs")
    FolderStore(folder / "runs").update_champion(
        "small", lambda r: r if r.champion else r.promoted(finished.run.run_id, "for this test")
    )
    return folder


@pytest.fixture
def scoring(served, tmp_path):
    """Settings of a scoring of a table."""

    def make(frame, output=None):
        path = tmp_path / "new.csv"
        frame.to_csv(path, index=False)
        return {
            "model_name": "small",
            "store": str(served / "runs"),
            "work": str(tmp_path / "work"),
            "input": {"path": str(path)},
            "output": output or {"path": str(tmp_path / "forecasts")},
        }

    return make


def score_here(given):
    """What the flow does, at less cost: without Prefect and a process for each."""
    from fastlstm.forecasting.forecast import forecast_latest
    from fastlstm.forecasting.monitoring import input_rows
    from fastlstm.registry.folder_store import FolderStore
    from tasks.storage.forecasts import open_forecasts

    config = check_settings(given, ScoringConfig)
    store = FolderStore(config.store)
    run_id = store.champion("small").champion
    made = forecast_latest(SavedRun(store.run_folder("small", run_id)), config.input.path)
    place = open_forecasts(config.output, "small", config.s3)
    place.append("forecasts", made.frame.assign(run_id=run_id))
    place.append("intervals", made.intervals.assign(run_id=run_id))
    about = {"inputs": made.inputs, "first": made.first, "through": made.through}
    place.append("inputs", input_rows(run_id, about))


def rows_of(folder: Path, kind: str = "forecasts") -> pd.DataFrame:
    return pd.concat(pd.read_parquet(f) for f in folder.glob(f"small/{kind}/*/*.parquet"))


KEY = ["run_id", "series", "origin", "step", "target"]


def test_appended_once_however_often_it_runs(scoring, served, tmp_path):
    given = scoring(make_panel(40))
    first = score(given)
    assert first.added == first.forecasts == 2 * 2  # two series, two steps
    again = score(given)
    assert again.added == 0 and "0 forecasts appended, 4 stored already" in again.message
    later = score(scoring(make_panel(41)))
    assert later.added == 4
    kept = rows_of(tmp_path / "forecasts")
    assert len(kept) == 8 and not kept.duplicated(KEY).any()

    # The very numbers the run gives when it is asked directly.
    run = SavedRun(Path(first.run.location))
    panel = make_panel(40)
    of_b = panel[panel["site"] == "b"].rename(columns={"site": SERIES})
    direct = run.forecast(of_b, np.array([40]))[0, :, 0]
    mine = kept[(kept["series"] == "b") & (kept["after"] == panel["when"].max())]
    assert mine.sort_values("step")["prediction"].tolist() == pytest.approx(direct.tolist())
    assert (mine["origin"] - mine["after"] == pd.Timedelta("1h")).all()


def test_skipped_series_are_told_with_the_reason(scoring):
    panel = make_panel(40, series=("whole", "short", "holed"))
    hours = panel.groupby("site").cumcount()
    gone = ((panel["site"] == "short") & (hours < 37)) | (
        (panel["site"] == "holed") & (hours == 37)
    )
    panel = panel[~gone]
    outcome = score(scoring(panel))
    assert outcome.forecasts == 2
    assert outcome.skipped["short"] == "3 rows, a window needs 6"
    assert outcome.skipped["holed"].startswith("a gap 2 rows before its end")
    assert outcome.message.startswith("Incomplete: 67% of the series skipped; Scored 1 series")
    assert "skipped 2 series, first" in outcome.message


def test_input_is_checked_by_the_rules_of_the_training(scoring, tmp_path):
    from flows.predict import predict

    broken = make_panel(40)
    broken.loc[7, "heat"] = np.inf
    with pytest.raises(DataError, match="finite · heat"):
        score(scoring(broken))
    state = predict(
        check_settings(scoring(broken.drop(columns="heat")), ScoringConfig), return_state=True
    )
    assert state.is_failed() and state.message.startswith("Data refused: ")
    assert "no column 'heat'" in state.message
    assert not (tmp_path / "forecasts").exists()


def test_named_run_and_no_run(scoring, served):
    given = scoring(make_panel(40))
    with pytest.raises(StoreError, match="no run '2020'; it has"):
        score({**given, "run": "2020"})
    with pytest.raises(StoreError, match="model 'other' has no run yet; run 'fastlstm retrain'"):
        score({**given, "model_name": "other"})


@pytest.fixture
def without_champion(scoring, tmp_path):
    """Settings of a scoring of a table by a model with two runs, neither of them promoted."""
    ignored = shutil.ignore_patterns("champion.json")
    shutil.copytree(STORED_RUNS, tmp_path / "not promoted" / "small", ignore=ignored)
    return lambda *given: {**scoring(*given), "store": str(tmp_path / "not promoted")}


def test_without_a_champion_the_best_baseline_forecasts_and_is_monitored(
    without_champion, tmp_path
):
    panel = recent_panel(60)
    hours = panel.groupby("site").cumcount()
    given = without_champion(panel[hours < 56])
    first = score(given)
    newest = max(folder.name for folder in STORED_RUNS.glob("2*"))
    assert (first.run.run_id, first.baseline) == (newest, "last_season")
    assert first.message == (
        "Scored 2 series with a baseline, as there is no champion (seasonal naive, MAE 1.248 on test "
        f"of run {newest}): 6 forecasts appended"
    )
    assert score(given).added == 0
    kept = rows_of(tmp_path / "forecasts")
    assert kept["run_id"].unique().tolist() == [f"{newest} last_season"]
    assert list(kept.columns) == [
        "series", "after", "origin", "step", "time", "target", "prediction", "run_id",
    ]  # fmt: skip
    a = panel[panel["site"] == "a"]["load"].to_numpy()
    assert kept.loc[kept["series"] == "a", "prediction"].tolist() == a[56 - 24 : 59 - 24].tolist()
    assert set(bounds_of(tmp_path / "forecasts")["level"]) == {0.8, 0.95}

    # Stored beside those of the network of the same run, once it is chosen by name.
    network = score({**given, "run": newest})
    assert network.added == 6 and network.baseline is None
    both = rows_of(tmp_path / "forecasts")
    usual = {"max_error_ratio": 5.0, "max_psi": 50.0, "max_coverage_shortfall": 0.7}
    found = look(monitoring(given, tmp_path, panel, **usual))
    assert found.forecasts == len(both) == 12 and not found.degraded
    assert found.live_error > 0 and set(found.psi) == {"load", "heat"}


def test_without_a_champion_a_baseline_serves_into_a_table_too(without_champion, tmp_path):
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    given = without_champion(make_panel(40), {"path": url, "table": "forecasts"})
    assert score(given).added == score({**given, "run": score(given).run.run_id}).added == 6
    with sqlite3.connect(tmp_path / "warehouse.db") as connection:
        kept = pd.read_sql_query("SELECT * FROM forecasts", connection)
    assert kept["run_id"].nunique() == 2 and len(kept) == 12


def test_without_a_champion_and_with_baselines_off_it_says_what_to_do(without_champion):
    with pytest.raises(
        StoreError, match=r"has no champion; promote a run .* 'serve_baseline: true'"
    ):
        score({**without_champion(make_panel(40)), "serve_baseline": False})


def bounds_of(folder: Path) -> pd.DataFrame:
    return pd.concat(pd.read_parquet(f) for f in folder.glob("small/intervals/*/*.parquet"))


def test_intervals_stand_beside_the_forecasts_once(scoring, tmp_path):
    given = scoring(make_panel(40))
    first = score(given)
    score(given)
    kept = bounds_of(tmp_path / "forecasts")
    key = ["run_id", "series", "after", "step", "target", "level"]
    assert len(kept) == 4 * 2 and not kept.duplicated(key).any()
    # Rows the run had trained on teach its intervals nothing: they are those of validation.
    assert (kept["learned_from"] == 0).all()
    run = SavedRun(Path(first.run.location))
    both = kept.merge(rows_of(tmp_path / "forecasts"), on=key[:-1])
    half_widths = run.half_widths[MEDIAN_PAIR]
    for row in both.itertuples():
        unit = half_widths.unit(np.array([row.series]), 1, run.scalers).item()
        radius = half_widths.at(row.level)[row.step - 1, 0] * unit
        assert row.upper - row.prediction == pytest.approx(radius)
        assert row.prediction - row.lower == pytest.approx(radius)


def test_a_scoring_gives_the_intervals_that_the_test_would_have(served, tmp_path):
    """The same adaptation in both, which therefore knows nothing of later rows."""
    from fastlstm.forecasting.forecast import forecast_latest

    run = SavedRun(next((served / "runs" / "small").glob("2*")))
    test = pd.read_parquet(run.path("predictions"))
    panel = make_panel()
    for back in (30, 3):
        path = tmp_path / f"{back}.csv"
        whole = panel["when"].drop_duplicates().iloc[:-back]
        panel[panel["when"].isin(whole)].to_csv(path, index=False)
        made = forecast_latest(run, str(path), interval_windows=1000).intervals
        origin = whole.max() + pd.Timedelta("1h")
        same = test[test["origin"] == origin].set_index(["series", "step"])
        assert len(same) == 4 and (made["learned_from"] > 0).all()
        for row in made.itertuples():
            at = same.loc[(row.series, row.step)]
            assert row.lower == pytest.approx(at[f"lower_{row.level:g}"], rel=1e-6)
            assert row.upper == pytest.approx(at[f"upper_{row.level:g}"], rel=1e-6)
        fewer = forecast_latest(run, str(path), interval_windows=2).intervals
        assert (fewer["learned_from"] == 2).all()


def test_from_a_query_into_a_table(scoring, tmp_path):
    file = tmp_path / "warehouse.db"
    with sqlite3.connect(file) as connection:
        make_panel(40).assign(when=lambda d: d["when"].astype("str")).to_sql(
            "readings", connection, index=False
        )
    url = f"sqlite:///{file}"
    given = scoring(make_panel(40), {"path": url, "table": "forecasts"})
    given["input"] = {"path": url, "query": "SELECT * FROM readings"}
    assert score(given).added == 4
    assert score(given).added == 0
    with sqlite3.connect(file) as connection:
        kept = pd.read_sql_query("SELECT * FROM forecasts", connection)
        inputs = pd.read_sql_query("SELECT * FROM forecasts_inputs", connection)
        bounds = pd.read_sql_query("SELECT * FROM forecasts_intervals", connection)
    assert len(kept) == 4 and not kept.duplicated(KEY).any()
    assert sorted(inputs["feature"]) == ["heat", "load"]
    assert len(bounds) == 8 and (bounds["lower"] < bounds["upper"]).all()
    # From files, the same.
    score_here(scoring(make_panel(40)))
    files = rows_of(tmp_path / "forecasts").sort_values(["series", "step"])
    assert kept.sort_values(["series", "step"])["prediction"].tolist() == pytest.approx(
        files["prediction"].tolist()
    )


def monitoring(given, tmp_path, actuals=None, **changes):
    made = {key: given[key] for key in ("model_name", "store", "work")}
    if actuals is not None:
        path = tmp_path / "actuals.csv"
        actuals.to_csv(path, index=False)
        made["actuals"] = {"path": str(path)}
    return {
        **made, "forecasts": given["output"], "minimum_forecasts": 4, "minimum_rows": 10, **changes
    }  # fmt: skip


def test_monitor_compares_with_what_the_test_promised(scoring, tmp_path):
    panel = recent_panel(60)
    hours = panel.groupby("site").cumcount()
    for end in (40, 48, 56):
        given = scoring(panel[hours < end])
        score_here(given)
    # 36 rows of a wave of 24 hours fill the bins unevenly, and 12 values tell little of intervals.
    usual = {"max_psi": 50.0, "max_coverage_shortfall": 0.7}
    fine = look(monitoring(given, tmp_path, panel, max_error_ratio=3.0, **usual))
    assert not fine.degraded and fine.message.startswith("Within limits: live MASE")
    assert fine.forecasts == 12 and fine.input_rows == 36

    # By hand: means over series of the scaled errors, and of those of the same steps on test.
    kept = rows_of(tmp_path / "forecasts")
    truth = panel.melt(["when", "site"], ["load"]).rename(
        columns={"when": "time", "site": "series"}
    )
    joined = kept.merge(truth, on=["time", "series"])
    assert len(joined) == 12
    (run_id,) = kept["run_id"].unique()
    test = SavedRun(Path(given["store"]) / "small" / run_id)
    predictions = pd.read_parquet(test.path("predictions"))
    scale = predictions.groupby("series")["scale"].first()
    live = (joined["prediction"] - joined["value"]).abs() / joined["series"].map(scale).astype(
        float
    )
    assert fine.live_error == pytest.approx(live.groupby(joined["series"]).mean().mean())
    on_test = (predictions["prediction"] - predictions["truth"]).abs() / predictions["scale"]
    by_step = on_test.groupby([predictions["series"], predictions["step"]]).mean()
    alike = by_step[pd.MultiIndex.from_frame(joined[["series", "step"]])].to_numpy()
    expected = pd.Series(alike).groupby(joined["series"].to_numpy()).mean()
    assert fine.promised_error == pytest.approx(expected.mean())

    bounds = rows_of(tmp_path / "forecasts", "intervals")
    which = ["series", "after", "step", "target"]
    known = bounds.merge(joined[[*which, "value"]], on=which)
    inside = (known["value"] >= known["lower"]) & (known["value"] <= known["upper"])
    by_level = inside.groupby(known["level"]).mean()
    assert fine.coverage == pytest.approx({f"{k:.4g}": v for k, v in by_level.items()}, abs=1e-6)
    assert set(fine.coverage) == {"0.8", "0.95"}

    broken = panel.assign(load=panel["load"] + 500)
    worse = look(monitoring(given, tmp_path, broken, **usual))
    assert worse.degraded and worse.message.startswith("Degraded: live MASE")
    assert "intervals of level 0.95 hold 0% of the actual values (limit 25%)" in worse.message
    early = look(monitoring(given, tmp_path, panel[hours < 41], **usual))
    assert early.forecasts == 2 and early.live_error is None


def test_monitor_sees_drifted_inputs_and_emits_the_event(scoring, tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.events.worker import EventsWorker

    panel = recent_panel(40)
    given = scoring(panel.assign(heat=panel["heat"] + 300))
    score_here(given)
    found = look(monitoring(given, tmp_path))
    assert found.degraded and max(found.psi, key=found.psi.get) == "heat"
    assert "inputs drifted, most 'heat'" in found.message
    EventsWorker.drain_all()
    name = "fastlstm.model.degraded"
    asked = {"filter": {"event": {"name": [name]}}}
    with get_client(sync_client=True) as client:
        for _ in range(40):  # the server writes events down by and by
            events = client.request("POST", "/events/filter", json=asked).json()["events"]
            if any("most 'heat'" in event["payload"]["reason"] for event in events):
                break
            time.sleep(0.25)
    assert events[0]["resource"]["prefect.resource.id"] == "fastlstm.model.small"
    assert any("most 'heat'" in event["payload"]["reason"] for event in events)


def test_monitor_without_forecasts_says_what_to_do(scoring, tmp_path):
    given = scoring(make_panel(40))
    score_here(given)  # of the year 2024
    with pytest.raises(StoreError, match="no forecast of 'small' from the last 7 days"):
        look(monitoring(given, tmp_path))
