"""The flow ``backtest``: its folds as tasks, reused where nothing changed, reported in the UI."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from fastlstm.artifacts.file_names import BACKTEST_SUMMARY_FILE, BACKTEST_TABLE_FILE
from fastlstm.config.reading import check_settings
from fastlstm.errors import ConfigError, DataError
from fastlstm.experiments.backtest import run_backtest
from fastlstm.steps import backtest as library
from fastlstm.steps.fold_shards import clean_rows
from tasks.settings import PipelineConfig

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")


@pytest.fixture
def backtest(settings):
    from flows.backtest import backtest as flow

    def run(**changes):
        # One fold at a time: in this process they would share Keras' random generator.
        chosen = {"folds": 2, "test_size_rate": 0.4, "parallel": 1, **changes}
        given = settings(backtest=chosen, hyperparameters={"epochs": 1})
        return flow(check_settings(given, PipelineConfig), return_state=True)

    return run


@pytest.fixture
def trainings(monkeypatch):
    """Numbers of the groups that were really trained."""
    found = []
    right = library.evaluate_folds_into

    def counted(**arguments):
        found.append(arguments["part"])
        return right(**arguments)

    monkeypatch.setattr(library, "evaluate_folds_into", counted)
    return found


@pytest.mark.soak
def test_folds_are_trained_once_and_told(backtest, trainings, settings, tmp_path):
    state = backtest()
    outcome = state.result()
    assert state.is_completed() and state.message == outcome.message, state
    assert trainings == [0, 1] and outcome.folds == 2
    folder = Path(outcome.path)
    table = pd.read_csv(folder / BACKTEST_TABLE_FILE)
    assert table["fold"].tolist() == ["1", "2", "all"]
    assert table["windows"].iloc[-1] == outcome.windows

    # What the flow found is what the library finds.
    config = check_settings(
        settings(
            backtest={"folds": 2, "test_size_rate": 0.4}, hyperparameters={"epochs": 1}
        ),
        PipelineConfig,
    )  # fmt: skip
    (clean,) = (tmp_path / "work" / "validate").iterdir()
    alone = run_backtest(clean_rows(clean, config), config)
    assert table["model"].tolist() == pytest.approx(alone.table["model"].tolist(), rel=1e-6)

    # Again: nothing is trained; a third fold more, or another window: what is new.
    assert backtest().result().content_sha256 == outcome.content_sha256
    assert trainings == [0, 1]
    backtest(window="sliding")
    assert trainings == [0, 1, 0, 1]
    assert json.loads((folder / BACKTEST_SUMMARY_FILE).read_text())["folds"][-1]["fold"] == "all"


def test_warm_folds_wait_for_each_other(backtest, trainings, ready_network):
    state = backtest(warm_start=True)
    assert state.is_completed() and trainings == [0, 1]


@pytest.mark.soak
def test_a_fold_that_was_damaged_is_made_again(backtest, trainings, ready_network, tmp_path):
    backtest()
    victim = next((tmp_path / "work" / "folds").glob("*/0001.parquet"))
    victim.write_bytes(b"")
    assert backtest().is_completed()
    assert trainings == [0, 1, 0]


def test_what_cannot_be_done_is_told(backtest, monkeypatch):
    too_many = backtest(folds=500)
    assert too_many.is_failed() and "backtest.folds" in too_many.message
    with pytest.raises(DataError):
        too_many.result()
    monkeypatch.setitem(sys.modules, "ray", None)
    absent = backtest(task_runner="ray")
    assert absent.is_failed() and "pip install prefect-ray" in absent.message
    with pytest.raises(ConfigError):
        absent.result()
