"""Runs stored by an earlier version still open, forecast, compete, are promoted and rolled back.

``tests/stored_runs`` holds two runs of one model with their champion record, the table they were trained
on, and what the version that stored them forecast and compared; see CONTRIBUTING.md.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fastlstm import FolderStore, SavedRun, fastLSTM
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.data.column_names import SERIES
from fastlstm.data.reading import load
from fastlstm.data.tables import read_table, write_table
from fastlstm.data.validation import validate
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.registry.promotion import decide_promotion
from fastlstm.reporting.text import score_table
from fastlstm.steps.compare import compare

STORED = Path(__file__).parents[1] / "stored_runs"
EXPECTED = json.loads((STORED / "expected.json").read_text())
FIRST, SECOND = sorted(run for run in EXPECTED if run != "comparison")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A writable copy of the stored runs."""
    return shutil.copytree(STORED, tmp_path_factory.mktemp("stored") / "runs")


@pytest.fixture(scope="module")
def clean(stored):
    """The folder with the clean table, prepared with the run's settings."""
    data = SavedRun(stored / "small" / FIRST).data.model_copy(
        update={"path": str(stored / "table.csv")}
    )
    folder = stored.parent / "clean"
    folder.mkdir()
    rows, report = validate(load(data, 27).frame, data, labels=False)
    assert report.passed
    write_table(rows, folder / CLEAN_FILE)
    return folder


@pytest.mark.parametrize("run_id", [FIRST, SECOND])
def test_it_gives_the_same_forecasts_and_intervals(stored, run_id):
    run, expected = SavedRun(stored / "small" / run_id), EXPECTED[run_id]
    found = forecast_latest(run, str(stored / "table.csv"))
    assert found.frame[["series", "step"]].to_dict("list") == {
        name: expected[name] for name in ("series", "step")
    }
    np.testing.assert_allclose(found.frame["prediction"], expected["prediction"], rtol=1e-5)
    assert found.intervals["level"].tolist() == expected["level"]
    for bound in ("lower", "upper"):
        np.testing.assert_allclose(found.intervals[bound], expected[bound], rtol=1e-5)
    assert not found.skipped and not found.warnings


def test_the_class_opens_it_and_gives_the_same_forecasts(stored, clean):
    file = SavedRun(stored / "small" / FIRST).path("hyperparameters")
    model = fastLSTM().load_all(file)
    rows = read_table(clean / CLEAN_FILE)
    expected = np.reshape(EXPECTED[FIRST]["prediction"], (2, 3))
    for series, forecasts in zip(("a", "b"), expected, strict=True):
        found = model.model_predict(rows[rows[SERIES] == series])
        np.testing.assert_allclose(found[-1], forecasts, rtol=1e-5)
    assert len(model.X_train) == 280 and len(model.loss_df) == 2
    assert f"run: {file.parent}" in repr(model)


def test_it_is_compared_as_before(stored, clean):
    challenger, champion = stored / "small" / FIRST, stored / "small" / SECOND
    found = compare(str(challenger), str(champion), str(clean), lambda event: None)
    expected = EXPECTED["comparison"]
    for name in ("challenger", "champion"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
        for series, scores in expected["by_series"].items():
            assert found["by_series"][series][name] == pytest.approx(scores[name], rel=1e-5)
    for name in ("comparable", "windows", "trained_on_test"):
        assert found[name] == expected[name]
    assert decide_promotion(SavedRun(challenger).manifest, found).promote


def test_it_is_promoted_and_rolled_back(stored):
    store = FolderStore(stored)
    assert store.champion("small").champion == SECOND
    store.check("small", FIRST)
    store.update_champion("small", lambda record: record.promoted(FIRST, "better again"))
    store.update_champion("small", lambda record: record.rolled_back("worse after all"))
    record = store.champion("small")
    assert record.champion == SECOND and record.previous == [FIRST]
    actions = [(decision.action, decision.run, decision.replaced) for decision in record.history]
    assert actions == [
        ("promoted", FIRST, None),
        ("kept", SECOND, None),
        ("promoted by hand", SECOND, FIRST),
        ("promoted", FIRST, SECOND),
        ("rolled back", SECOND, FIRST),
    ]


def test_it_is_listed_and_shown(stored):
    store = FolderStore(stored)
    entries = store.runs("small")
    assert [entry.run_id for entry in entries] == [FIRST, SECOND]
    primary = entries[0].manifest["primary"]
    assert primary["name"] == "mae" and primary["value"] == pytest.approx(0.915878, rel=1e-5)
    for entry in entries:
        store.read_all("small", entry.run_id)
        run = SavedRun(store.run_folder("small", entry.run_id))
        report = run.path("report").read_text(encoding="utf-8")
        assert report.startswith("# ") and entry.run_id in report
        _, (network, *baselines) = score_table(run.metrics["test"])
        assert network[0] == "network" and len(baselines) == 2
