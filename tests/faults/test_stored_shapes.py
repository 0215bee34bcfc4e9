"""Files of a run whose hashes are right, and whose content is not what a run holds, are refused.

Whoever writes a file into a store can write its manifest too.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastlstm import FolderStore, SavedRun
from fastlstm.api.opening import open_run
from fastlstm.artifacts.folders import write_manifest
from fastlstm.errors import StoreError
from fastlstm.forecasting.forecaster import best_baseline
from fastlstm.reporting.charts import probability_charts
from fastlstm.runs.page import stored_page
from fastlstm.runs.page_rows import StoredPredictions
from tests.faults.test_bounded import LAUGHS

STORED = Path(__file__).parents[1] / "stored_runs" / "small" / "2026-11-28 05-09-24"
HEADER = "when,site,load,heat,hour_sin,hour_cos\n"
READER = Path(__file__).with_name("hostile_run.py")


@pytest.fixture
def folder(tmp_path):
    return copied(tmp_path / "runs")


def copied(store):
    """A copy of a stored run without its pictures and networks, which nobody reads here."""
    ignored = shutil.ignore_patterns("*.png", "*.keras")
    folder = Path(shutil.copytree(STORED, store / "small" / STORED.name, ignore=ignored))
    seal(folder)
    return folder


def seal(folder, **changes):
    """Write the manifest anew."""
    stored = json.loads((folder / "manifest.json").read_text())
    about = {k: v for k, v in stored.items() if k not in ("files", "content_sha256")}
    write_manifest(folder, {**about, **changes})


def file_of(folder, kind):
    (file,) = folder.glob(f"* - {kind} *")
    return file


def placed(document, place, value):
    """A JSON document with another value at a place such as 'primary.name'."""
    *before, last = place.split(".")
    part = document
    for key in before:
        part = part[key]
    part[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("primary", []), ("primary.name", "height"), ("primary.value", "1"), ("primary.better", "up"),
        ("primary.value", 10**400), ("baselines.last_season", 3), ("training.best_epoch", 1.5),
        ("cuts.first_test_origin", "2024-99-99Z"), ("cuts.first_test_origin", 7), ("run_id", None),
        ("cuts.validation", "x" * 230), ("training", "\0"),
        ("cuts.first_test_origin", "2024-W01-1Z"), ("cuts.first_test_origin", "20240108T02Z"),
        ("cuts.first_test_origin", "2024-01-08T02:00:00+01:00Z"),
    ],
)  # fmt: skip
def test_a_manifest_with_another_type(folder, place, value):
    changed = placed(json.loads((folder / "manifest.json").read_text()), place, value)
    seal(folder, **{place.split(".")[0]: changed[place.split(".")[0]]})
    store = FolderStore(folder.parents[1])
    assert store.runs("small") == []
    for read in (lambda: SavedRun(folder), lambda: store.read_all("small", folder.name)):
        with pytest.raises(
            StoreError, match=rf"{place.split('.')[0]}.* is .* the file is damaged"
        ) as told:
            read()
        assert "\n" not in str(told.value) and len(str(told.value)) < 700


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [
        ("METRICS", "test.model", None), ("METRICS", "test.model.mae", "low"),
        ("METRICS", "test.last_value", {}), ("METRICS", "by_series", [1]),
        ("METRICS", "windows", -1), ("METRICS", "season_length", 10**18),
        ("METRICS", "importance", [{"feature": 1}]), ("METRICS", "primary.value", True),
        ("METRICS", "windows", 10**30), ("METRICS", "test.last_value.mae", {"a": 1.0}),
        ("METRICS", "test.last_value.windows", {"a": 1.0}),
        ("METRICS", "outputs", {"wet": {"confusion_matrix": [[1, 2], [3]]}}),
        ("METRICS", "labels", {"sky": {"classes": ["a"], "confusion_matrix": [[1], [2]]}}),
        ("TRAIN INPUTS", "load.counts", [1]), ("TRAIN INPUTS", "load.edges", [[1]]),
        ("TRAIN INPUTS", "load", None),
    ],
)  # fmt: skip
def test_json_with_another_type(folder, kind, place, value):
    file = file_of(folder, kind)
    file.write_text(json.dumps(placed(json.loads(file.read_text()), place, value)))
    seal(folder)
    run = SavedRun(folder)
    with pytest.raises(StoreError, match=rf"{kind}.*: {place.split('.')[0]}.* is "):
        run.metrics if kind == "METRICS" else run.inputs  # noqa: B018


def column(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop_columns(["truth"]), "lacks the column 'truth'"),
        (lambda t: column(t, "truth", pa.array(["x"] * len(t))), "in place of numbers"),
        (lambda t: column(t, "origin", pa.array(range(len(t)))), "in place of times"),
        (lambda t: column(t, "series", pa.array([None] * len(t), pa.string())), "lacks values in"),
        (lambda t: column(t, "step", pa.array([None] * len(t), pa.int32())), "lacks values in"),
        (lambda t: t.slice(1), "are no windows of 3 outputs"),
        (lambda t: t.slice(0, 0), "are no windows of 3 outputs"),
        (lambda t: column(t, "last_value", pa.array([[1.0]] * len(t))), "in place of numbers"),
        (lambda t: column(t, "step", pa.array([0] * len(t), pa.int32())), "beyond 1 to 3 in"),
        (lambda t: column(t, "step", pa.array([1 << 62] * len(t))), "beyond 1 to 3 in"),
        (lambda t: column(t, "step", pa.array([None] * len(t), pa.float64())), "beyond 1 to 3 in"),
        (lambda t: column(t, "truth", pa.array(np.full(len(t), np.inf))), "an infinite number in"),
        (lambda t: column(t, "last_value", pa.array(np.full(len(t), -np.inf))), "an infinite number"),
    ],
)  # fmt: skip
def test_predictions_of_other_columns(folder, change, told):
    file = file_of(folder, "TEST PREDICTIONS")
    pq.write_table(change(pq.read_table(file)), file)
    seal(folder)
    with pytest.raises(StoreError, match=rf"PREDICTIONS.*{told}"):
        for _ in SavedRun(folder).predictions.blocks():
            pass


@pytest.mark.figures
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: column(t, "target", pa.array(["x"] * len(t))), "no predictions of 'load'"),
        (lambda t: t.append_column("lower_x", t["truth"]).append_column("upper_x", t["truth"]),
         "'lower_x', which is no bound"),
        (lambda t: t.append_column("lower_0.5", t["truth"]), "'lower_0.5', which is no bound"),
        (lambda t: column(t, "step", pa.array([1 << 31] * len(t))), "beyond 1 to 3 in"),
        (lambda t: column(t, "truth", pa.array(np.full(len(t), np.inf))), "an infinite number in"),
        (lambda t: column(t, "series", pa.array(["z"] * len(t))), "no predictions of 'load'"),
    ],
)  # fmt: skip
def test_a_page_of_predictions_of_other_columns(folder, change, told):
    file = file_of(folder, "TEST PREDICTIONS")
    pq.write_table(change(pq.read_table(file)), file)
    seal(folder)
    with pytest.raises(StoreError, match=rf"PREDICTIONS.*{told}"):
        stored_page(SavedRun(folder))


@pytest.mark.figures
def test_a_page_of_metrics_without_series_and_of_damaged_predictions(folder):
    metrics, predictions = file_of(folder, "METRICS"), file_of(folder, "TEST PREDICTIONS")
    whole, stored = metrics.read_text(), bytearray(predictions.read_bytes())
    metrics.write_text(json.dumps({**json.loads(whole), "by_series": {}}))
    seal(folder)
    with pytest.raises(StoreError, match="no scores of any series"):
        stored_page(SavedRun(folder))
    metrics.write_text(whole)
    stored[4:2000] = bytes(1996)
    predictions.write_bytes(stored)
    seal(folder)
    with pytest.raises(StoreError, match=r"PREDICTIONS.* cannot be read as Parquet"):
        stored_page(SavedRun(folder))


def test_metrics_without_a_baseline(folder):
    with pytest.raises(StoreError, match="hold no baseline"):
        best_baseline({**SavedRun(folder).metrics, "test": {"model": {}}})


def test_calibration_without_an_error_is_drawn():
    bins = [{"probability": 0.5, "positives": 0.5}]
    (chart,) = probability_charts(
        {"labels": {"sky": {"reliability": bins, "calibration_error": None}}}
    )
    assert chart.heading == "Calibration of sky"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.slice(1), lambda t: pa.concat_tables([t] * 2), lambda t: t.slice(0, 0),
        lambda t: column(t, "lower_quantile", pa.array(np.full(len(t), 0.4))),
        lambda t: column(t, "radius", pa.array(np.full(len(t), np.nan))),
    ],
)  # fmt: skip
def test_intervals_of_another_shape(folder, change):
    file = file_of(folder, "PREDICTION INTERVALS")
    pq.write_table(change(pq.read_table(file)), file)
    seal(folder)
    with pytest.raises(StoreError, match=r"INTERVALS.* copy the run again"):
        _ = SavedRun(folder).half_widths


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("TRAINING HISTORY", "", "is no training history"),
        ("TRAINING HISTORY", "epoch,loss\n1,x\n", "text in the column 'loss'"),
        ("TRAINING HISTORY", "epoch,loss\n1,2\n1,2,3,4\n", "is no training history"),
        ("TRAINING HISTORY", "epoch,loss\n1,2,3\n4,5,6\n", "is no training history"),
        ("TRAINING HISTORY", "loss\n1\n", "has no epochs"),
        ("X_data", "when,site\n", "has 2 columns"),
        ("X_data", HEADER + "2024-99-99,a,1,2,3,4\n", "has no times"),
        ("X_data", HEADER + "2024-01-01,a,1,x,3,4\n", "text in 'heat'"),
        ("X_data", HEADER + '2024-01-01,a,1,2,3,4\n"', "is no table of rows"),
        ("X_data", HEADER + "2024-01-01,a,1,2,3,4\n", "rows, the features have 1;"),
    ],
)  # fmt: skip
def test_csv_that_is_none(folder, kind, text, told):
    file_of(folder, kind).write_text(text)
    seal(folder)
    run = SavedRun(folder)
    with pytest.raises(StoreError, match=told):
        run.history if "HISTORY" in kind else open_run(run.path("hyperparameters"))


def test_a_report_in_no_encoding_and_with_terminal_sequences(folder):
    file_of(folder, "REPORT").write_bytes(b"# Title \xff\xfe\x1b[31m red <script>\n")
    seal(folder)
    run = SavedRun(folder)
    assert "�" in run.report and "<script>" not in stored_page(run).partition("<h1>")[2][:99]


def test_scalers_of_other_columns(folder):
    for kind in ("SCALER FOR LSTM MODEL", "Y SCALER FOR LSTM MODEL"):
        for ending in (".pkl",):
            other = "Y SCALER" if kind.startswith("SCALER") else "- SCALER"
            (file,) = folder.glob(f"* - {kind} - small{ending}")
            (source,) = folder.glob(f"*{other} FOR LSTM MODEL - small{ending}")
    shutil.copyfile(source, file)
    seal(folder)
    with pytest.raises(StoreError, match="its scaler is of the columns"):
        _ = SavedRun(folder).scalers


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_lock_that_is_none(folder, tmp_path, kind):
    store, other = FolderStore(folder.parents[1]), tmp_path / "other"
    other.write_text("of somebody")
    lock = folder.parent / ".champion.lock"
    lock.symlink_to(other) if kind == "link" else os.mkfifo(lock)
    promote = lambda: store.update_champion("small", lambda r: r.promoted(folder.name, "good"))  # noqa: E731
    if kind == "link":
        with pytest.raises(StoreError, match="lock: is a link"):
            promote()
    else:
        assert promote().champion == folder.name
    assert other.read_text() == "of somebody"


def hostile(tmp_path):
    """Files made to fill memory or time, by what their refusal says."""

    def run(name, change):
        folder = copied(tmp_path / name)
        change(folder)
        seal(folder)
        return folder

    def long_labels(folder):
        file = file_of(folder, "TEST PREDICTIONS")
        table = pq.read_table(file).take(np.zeros(1_998, np.int64))
        label = pa.DictionaryArray.from_arrays(np.zeros(1_998, np.int32), ["x" * 100_000])
        pq.write_table(column(table, "series", label), file, store_schema=False)

    def text(kind, content):
        return lambda folder: file_of(folder, kind).write_text(content)

    def large(kind):
        return lambda folder: os.truncate(file_of(folder, kind), (64 << 20) + 1)

    def records(folder):
        (folder.parent / "champion.json").write_text('{"history": ' + "[" * 100_000)

    tables = {"rows.csv.gz": gzip.compress(b"t,x\n") + gzip.compress(b"\n" * (1 << 20)) * 120,
              "laughs.yaml": LAUGHS.encode(), "long.yaml": b"seed: " + b"9" * 1_000_000}  # fmt: skip
    for name, content in tables.items():
        (tmp_path / name).write_bytes(content)
    pq.write_table(
        pa.table({"t": ["a"], "x": ["x" * 70_000_000]}), tmp_path / "rows.parquet",
        compression="zstd", write_statistics=False,
    )  # fmt: skip
    os.mkfifo(tmp_path / "pipe.yaml")
    return {
        run("labels", long_labels): "labels without end",
        run("deep", text("METRICS", '{"a":' * 200_000)): "no JSON",
        run("digits", text("METRICS", '{"windows": ' + "9" * 100_000 + "}")): "no JSON",
        run("large", large("METRICS")): "has over 67,108,864 bytes",
        run("history", large("TRAINING HISTORY")): "has over 67,108,864 bytes",
        run("record", records): "champion.json: is damaged",
        tmp_path / "rows.csv.gz": "unfolds to over",
        tmp_path / "rows.parquet": "unfolds to over",
        tmp_path / "laughs.yaml": "holds over 100,000 values",
        tmp_path / "long.yaml": "has 1,000,000 digits",
        tmp_path / "pipe.yaml": "is no plain file",
    }


@pytest.mark.soak
def test_within_a_second_and_500_megabytes(tmp_path):
    """In a process of its own, whose memory includes that of all libraries."""
    # The first is read for the libraries that it imports.
    expected = {copied(tmp_path / "whole"): "read", **hostile(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(READER), *map(str, expected)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(READER.parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    for (path, text), (said, seconds) in zip(expected.items(), told["found"], strict=True):
        assert text in said and "\n" not in said and len(said) < 1000, (path.name, said[:300])
        assert seconds < 1 or text == "read", (path, seconds)
    assert told["megabytes"] < 500


@pytest.mark.parametrize("labels", [["sun", "rain"], [3, 4], [True, False]])
def test_predicted_labels_are_text_whole_numbers_or_booleans(folder, labels):
    file = file_of(folder, "TEST PREDICTIONS")
    table = pq.read_table(file)
    each = pa.array([labels[row % 2] for row in range(len(table))])
    for name in ("true_label", "label"):
        table = table.append_column(name, each)
    pq.write_table(table, file)
    seal(folder)
    found = next(SavedRun(folder).predictions.blocks())
    assert found["label"].tolist() == each.to_pylist()
    assert StoredPredictions(file, 3).rows == len(table)
    pq.write_table(column(table, "label", pa.array([[1]] * len(table))), file)
    seal(folder)
    with pytest.raises(StoreError, match="'label' in place of labels of classes"):
        _ = SavedRun(folder).predictions
