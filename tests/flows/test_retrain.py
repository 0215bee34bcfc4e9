"""The flow on a real Prefect: what is redone, what is not, what is refused, what is promoted."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.folders import verify
from fastlstm.config.reading import check_settings
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.registry.folder_store import FolderStore
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.compare import compare
from tasks.settings import PipelineConfig
from tests.conftest import build_settings, make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")
ALL = {"load": 1, "validate": 1, "scale": 1, "windows": 1, "train": 1, "evaluate": 1, "save": 1}


def retrain(given):
    from flows.retrain import retrain as flow

    return flow(check_settings(given, PipelineConfig), return_state=True)


def test_whole_run_then_what_each_change_redoes(settings, executions, ready_network, tmp_path):
    """One long story, because each chapter needs the one before."""
    state = retrain(settings())
    outcome = state.result()
    assert state.is_completed() and state.message == outcome.message
    assert executions == ALL
    first = Path(outcome.run.location)
    verify(first)

    # Nothing new: nothing runs.
    executions.clear()
    state = retrain(settings())
    assert "No new data since" in state.message and state.result().unchanged
    assert state.result().run.run_id == outcome.run.run_id
    assert not executions

    # Another learning rate: the data's steps stay.
    executions.clear()
    faster = settings(hyperparameters={"learning_rate": 0.02})
    assert retrain(faster).is_completed()
    assert executions == {"train": 1, "evaluate": 1, "save": 1}

    # A rule on a column: validation anew; its table is the same, so neither windows nor network.
    executions.clear()
    stricter = settings(data={"columns": {"heat": {"minimum": -500}}})
    assert retrain(stricter).is_completed()
    assert executions == {"validate": 1, "scale": 1, "evaluate": 1, "save": 1}

    # One value in the data: all anew.
    executions.clear()
    frame = make_panel()
    frame.loc[17, "heat"] += 0.5
    state = retrain(settings(frame))
    assert {k: executions[k] for k in ALL} == ALL
    runs = FolderStore(tmp_path / "runs").runs("small")
    assert len(runs) == 4 and len({r.run_id for r in runs}) == 4

    # Cached files that are deleted or damaged are redone, and nothing before them.
    work = tmp_path / "work"
    for damage, redone in (
        (lambda: shutil.rmtree(work / "windows"), {"windows"}),
        (
            lambda: [f.write_bytes(b"x") for f in (work / "scale").glob("*/scaled.parquet")],
            {"scale"},
        ),
        (lambda: [f.unlink() for f in (work / "validate").glob("*/clean.parquet")], {"validate"}),
        (lambda: [f.unlink() for f in (work / "train").glob("*/model.keras")], {"train"}),
    ):
        for run in FolderStore(tmp_path / "runs").runs("small"):
            shutil.rmtree(tmp_path / "runs" / "small" / run.run_id)
        (tmp_path / "runs" / "small" / "champion.json").unlink()
        damage()
        executions.clear()
        assert retrain(settings(frame)).is_completed()
        assert redone <= set(executions), (redone, executions)
        assert set(executions) - redone == {"save"}, executions

    # The work folder gone: everything is made again, with the same numbers.
    metrics = SavedRun(FolderStore(tmp_path / "runs").run_folder(
        "small", FolderStore(tmp_path / "runs").runs("small")[-1].run_id
    )).metrics  # fmt: skip
    hashes = json.loads(next((work / "windows").glob("*/manifest.json")).read_text())["files"]
    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(work)
    executions.clear()
    again = retrain(settings(frame)).result()
    assert executions == ALL
    assert SavedRun(Path(again.run.location)).metrics == metrics
    remade = json.loads(next((work / "windows").glob("*/manifest.json")).read_text())["files"]
    assert remade == hashes


def test_a_run_holds_every_file(finished):
    folder = Path(finished.run.location)
    stamp = finished.run.run_id
    names = {f.name.removeprefix(f"{stamp} - ") for f in folder.iterdir()}
    assert names == {
        "LSTM MODEL - small.keras", "SCALER FOR LSTM MODEL - small.pkl",
        "SCALER FOR LSTM MODEL - small.json", "Y SCALER FOR LSTM MODEL - small.json",
        "Y SCALER FOR LSTM MODEL - small.pkl", "X_data FOR LSTM MODEL - small.csv",
        "Y_data FOR LSTM MODEL - small.csv", "TRAINING HISTORY OF LSTM MODEL - small.csv",
        "TRAINING LOSS CURVE - small.png", "TRAINING MAE CURVE - small.png",
        "HYPERPARAMETERS OF LSTM MODEL - small.json", "METRICS OF LSTM MODEL - small.json",
        "TEST PREDICTIONS OF LSTM MODEL - small.parquet", "REPORT OF LSTM MODEL - small.md",
        "REPORT OF LSTM MODEL - small.html", "ONNX MODEL - small.onnx",
        "TRAIN INPUTS OF LSTM MODEL - small.json", "COVERAGE OF INTERVALS - small.png",
        "IMPORTANCE OF INPUTS - small.png",
        "PREDICTION INTERVALS OF LSTM MODEL - small.parquet",
        "DATA CHECKS OF LSTM MODEL - small.json", "ERROR BY STEP - small.png",
        "FORECAST AGAINST TRUTH - small.png", "manifest.json",
        "SERIES SCALES OF LSTM MODEL - small.parquet",
        "SERIES SPREADS OF LSTM MODEL - small.parquet",
    }  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"keras", "tensorflow", "numpy", "pandas", "fastlstm", "python"} <= set(
        manifest["versions"]
    )
    page = (folder / f"{stamp} - REPORT OF LSTM MODEL - small.html").read_text()
    assert page.count("data:image/png;base64,") == 6 and len(page) < 3e6
    assert len(manifest["data_fingerprint"]) == 64 and "git_commit" in manifest
    saved = SavedRun(folder)
    assert saved.settings["model_file_name"] == f"{stamp} - LSTM MODEL - small.keras"
    predictions = pd.read_parquet(saved.path("predictions"))
    by_hand = (predictions["prediction"] - predictions["truth"]).abs().mean()
    assert saved.metrics["test"]["model"]["mae"] == pytest.approx(by_hand)
    x = pd.read_csv(saved.path("x_data"))
    assert list(x.columns) == ["when", "site", "load", "heat"] and len(x) == 480
    report = saved.path("report").read_text()
    assert "seasonal naive" in report and "Data checks" in report
    importance = saved.metrics["importance"]
    assert {line["feature"] for line in importance} == {"load", "heat"}
    assert max(importance, key=lambda line: line["permutation"])["feature"] == "load"
    assert "## Feature importance" in report and "| load | " in report
    for level in (0.8, 0.95):
        inside = predictions["truth"].between(
            predictions[f"lower_{level}"], predictions[f"upper_{level}"]
        )
        (told,) = [
            row for row in saved.metrics["intervals"]["overall"]
            if (row["level"], row["forecast"], row["method"]) == (level, "model", "adaptive")
        ]  # fmt: skip
        assert told["coverage"] == pytest.approx(inside.mean())
        assert f"| {level} | load | network | adaptive | {inside.mean():.1%} |" in report


@pytest.mark.soak
@pytest.mark.figures
def test_classifier_without_saved_data(settings, rain_sections):
    rain_sections["hyperparameters"]["save_X_Y_data"] = False
    outcome = retrain(settings(make_panel(rows=400), **rain_sections)).result()
    saved = SavedRun(Path(outcome.run.location))
    names = " ".join(saved.manifest["files"])
    assert "CONFUSION MATRIX" in names and "PRECISION AND RECALL" in names
    assert "X_data" not in names and "Y SCALER" not in names
    wet = saved.metrics["outputs"]["wet"]
    assert wet["threshold_chosen_on"] == "validation"
    assert sum(map(sum, wet["confusion_matrix"])) == saved.metrics["windows"]
    assert saved.metrics["test"]["prior"]["average_precision"] == pytest.approx(
        wet["positives"] / wet["windows"]
    )


@pytest.mark.soak
def test_a_network_that_learned_from_all_windows_serves_and_the_scored_one_is_compared(
    settings, in_process, tmp_path
):
    config = settings(hyperparameters={"refit": "all", "epochs": 1})
    outcome = retrain(config).result()
    saved = SavedRun(Path(outcome.run.location))
    assert saved.path("evaluated_model").exists() and saved.manifest["training"]["refit"] == "all"
    report = saved.path("report").read_text()
    assert "retrained for 1 epoch on all windows" in report
    assert "ONNX model: its outputs are those of Keras on" in report
    assert saved.path("onnx").exists() and saved.path("evaluated_onnx").exists()
    rows = make_panel().rename(columns={"site": SERIES, "when": TIME})
    stored = pd.read_parquet(saved.path("predictions")).query("series == 'b'")
    start = np.searchsorted(
        rows.loc[rows[SERIES] == "b", TIME].to_numpy(), stored["origin"].unique().to_numpy()
    )
    scored, served = (run.forecast(rows, 240 + start).ravel() for run in (saved.evaluated, saved))
    np.testing.assert_allclose(scored, stored["prediction"], rtol=1e-4)
    assert np.abs(served - scored).max() > 1e-3
    # Nothing new: the same challenger is compared by what was scored, so it cannot beat itself.
    again = compare(outcome.run.location, outcome.run.location, str(step_folder(tmp_path)), print)
    assert again["challenger"] == pytest.approx(again["champion"], rel=1e-4)


def step_folder(tmp_path):
    """Folder of the clean table."""
    (found,) = (tmp_path / "work" / "validate").iterdir()
    return found


def test_refused_data_writes_the_report_and_nothing_else(settings, tmp_path):
    frame = make_panel()
    frame.loc[[3, 7], "load"] = np.nan
    frame.loc[9, "heat"] = np.inf
    state = retrain(settings(frame))
    assert state.is_failed()
    with pytest.raises(DataError, match=r"2 of \d+ checks failed, first"):
        state.result()
    assert not (tmp_path / "runs").exists()
    assert {p.name for p in (tmp_path / "work").iterdir()} == {"load", "refused", "validate"}
    assert list((tmp_path / "work" / "validate").iterdir()) == []
    (report,) = (tmp_path / "work" / "refused").iterdir()
    assert [e["check"] for e in json.loads(report.read_text())["errors"]] == ["missing", "finite"]


def test_timesteps_longer_than_a_series_are_refused_before_any_work(settings, tmp_path):
    state = retrain(settings(hyperparameters={"timesteps": 500}))
    with pytest.raises(
        ConfigError, match=r"timesteps: series 'a' has 240 rows, one window spans 502"
    ):
        state.result()
    assert not (tmp_path / "runs").exists()


@pytest.mark.soak
def test_a_worse_challenger_is_kept_and_a_better_one_promoted(settings, tmp_path):
    # Noise about a level: the mean, soon learned, beats both baselines by far.
    frame = make_panel()
    frame["load"] = 50 + np.random.default_rng(0).normal(size=len(frame))
    won = retrain(settings(frame, hyperparameters={"epochs": 4})).result()
    assert won.promoted and "first champion" in won.message, won.message
    wild = {"epochs": 1, "learning_rate": 5.0, "learning_rate_schedule": "constant"}
    poor = retrain(settings(frame, hyperparameters=wild)).result()
    assert not poor.promoted and poor.message.startswith("Kept champion:")
    record = FolderStore(tmp_path / "runs").champion("small")
    assert record.champion == won.run.run_id
    assert [d.action for d in record.history] == ["promoted", "kept"]

    # A champion that is gone is named; nobody takes its place without a word.
    shutil.rmtree(won.run.location)
    state = retrain(settings(frame, hyperparameters=wild, evaluation={"season_length": 12}))
    with pytest.raises(StoreError, match=r"the champion .* cannot be opened .*fastlstm promote"):
        state.result()
    assert FolderStore(tmp_path / "runs").champion("small") == record


def test_killed_between_save_and_promote_goes_on_with_the_same_run(
    settings, executions, ready_network, monkeypatch, tmp_path
):
    import tasks.promote

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tasks.promote, "decide_promotion", die)
        with pytest.raises(KeyboardInterrupt):
            retrain(settings())
    store = FolderStore(tmp_path / "runs")
    assert len(store.runs("small")) == 1 and store.champion("small").history == []
    executions.clear()
    outcome = retrain(settings()).result()
    assert not executions and not outcome.unchanged
    assert len(store.runs("small")) == 1
    assert store.champion("small").decision_on(outcome.run.run_id)


@pytest.fixture(scope="module")
def on_this_server(prefect_server, tmp_path_factory):
    """A whole run on this worker's server and its tasks: one of the tests before, or one made now."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    def whole(client):
        for run in client.read_flow_runs():
            only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
            found = client.read_task_runs(flow_run_filter=only)
            # A task's own name reaches the server after its default one, 'report-3f0'.
            named = not any(re.search(r"-[0-9a-f]{3}$", task.name) for task in found)
            if len(found) == 10 and named and run.state.is_completed():
                return run, found
        return None

    with get_client(sync_client=True) as client:
        found = whole(client)
        if found is None:
            retrain(build_settings(tmp_path_factory.mktemp("here")))
            end = time.monotonic() + 280
            while (found := whole(client)) is None and time.monotonic() < end:
                time.sleep(0.5)
    assert found is not None
    return found


def test_names_and_tags_on_the_server(on_this_server):
    flow_run, task_runs = on_this_server
    assert re.fullmatch(
        r"retrain · [a-z-]+ · 20\d\d-\d\d-\d\d \d\d:\d\d · [A-Z][a-z ]+", flow_run.name
    )
    assert flow_run.state.message.startswith(("Promoted: ", "Kept champion: ", "Not promoted: "))
    names = {t.name.split(" · ")[0] for t in task_runs}
    assert names == {
        "check source", "load", "validate", "scale", "windows", "train", "evaluate", "save", "promote",
        "report",
    }  # fmt: skip
    assert all("fastlstm" in t.tags for t in task_runs)


def test_cached_results_are_small_references(on_this_server):
    from prefect.settings import get_current_settings

    stored = list(Path(get_current_settings().results.local_storage_path).rglob("*"))
    files = [f for f in stored if f.is_file()]
    assert files and max(f.stat().st_size for f in files) < 5_000


def test_record_of_a_cached_result_read_while_another_run_writes_it(settings, monkeypatch):
    """Prefect reads a record twice, to see whether there is one and for its content."""
    from prefect.filesystems import LocalFileSystem

    import tasks.load

    frame = make_panel(seed=7)
    frame.loc[3, "load"] = np.nan  # refused after the load, so that the test ends soon
    config = settings(frame)
    assert retrain(config).is_failed()
    right, reads = LocalFileSystem.read_path, []

    def read(self, path, **options):
        content = right(self, path, **options)
        if not path.startswith("load-"):
            return content
        reads.append(path)
        return b"" if len(reads) == 2 else content

    monkeypatch.setattr(LocalFileSystem, "read_path", read)
    monkeypatch.setattr(tasks.load.load, "retry_delay_seconds", [0, 0, 0])
    with pytest.raises(DataError, match="checks failed"):
        retrain(config).result()
    assert len(reads) == 4


def test_retries_only_where_they_can_heal(settings, monkeypatch):
    import tasks.load
    from tasks.retries import may_heal

    right, calls = tasks.load.prepare.load_into, []

    def flaky(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError("gone")
        return right(*args, **kwargs)

    monkeypatch.setattr(tasks.load.prepare, "load_into", flaky)
    monkeypatch.setattr(tasks.load.load, "retry_delay_seconds", [0, 0, 0])
    frame = make_panel(seed=5)
    frame.loc[3, "load"] = np.nan  # refused after the load, so that the test ends soon
    with pytest.raises(DataError, match="checks failed"):
        retrain(settings(frame)).result()
    assert len(calls) == 2

    calls.clear()

    def wrong(*args, **kwargs):
        calls.append(1)
        raise DataError("bad for ever")

    monkeypatch.setattr(tasks.load.prepare, "load_into", wrong)
    assert retrain(settings(make_panel(seed=6))).is_failed()
    assert len(calls) == 1
    # A partial or callable object would silently mean no retry at all.
    assert type(may_heal).__name__ == "function"
