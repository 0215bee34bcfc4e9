"""Rows in memory are forecast as the same rows in a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm import load_forecaster
from fastlstm.errors import DataError, StoreError
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.forecasting.live import LiveForecaster

STORED = Path(__file__).parents[1] / "stored_runs"
pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(STORED / "table.csv")


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    store = shutil.copytree(STORED, tmp_path_factory.mktemp("stored") / "runs")
    return load_forecaster(store, "small")


def assert_same(found, expected):
    for part in ("frame", "intervals"):
        pd.testing.assert_frame_equal(getattr(found, part), getattr(expected, part))


def test_a_table_in_memory_gives_what_its_file_gives(forecaster, table):
    expected = forecast_latest(forecaster.run, str(STORED / "table.csv"))
    assert_same(forecaster.forecast(table), expected)
    assert expected.intervals["learned_from"].max() > 0
    with pytest.raises(DataError, match="have no column 'when', only a"):
        forecaster.forecast(pd.DataFrame({"a": [1]}))


def test_row_after_row_gives_what_a_table_of_the_last_rows_gives(forecaster, table, tmp_path):
    run = forecaster.run
    steps, data = run.hyperparameters.timesteps, run.data
    live = LiveForecaster(run)
    with pytest.raises(DataError, match="no row is kept"):
        live.forecast()
    newest = table.groupby(data.series).tail(steps + 2)
    live.update(newest.sort_values(data.time, ascending=False).iloc[2 * len(live.series) :])
    with pytest.raises(DataError, match="no row of it is kept"):
        live.forecast(series="none")
    for _ in range(2):  # a row that comes twice counts once
        for row in newest.groupby(data.series).tail(2).to_dict("records"):
            live.update(row)
    table.groupby(data.series).tail(steps).to_csv(tmp_path / "last.csv", index=False)
    expected = forecast_latest(run, str(tmp_path / "last.csv"))
    assert_same(live.forecast(), expected)
    label = live.series[0]
    alone = live.forecast(series=label).frame["prediction"]
    np.testing.assert_allclose(
        alone, expected.frame.query("series == @label")["prediction"], rtol=1e-5
    )


def test_a_history_lets_intervals_learn(forecaster, table):
    live = LiveForecaster(forecaster.run, history=10_000)
    live.update(table)
    assert_same(live.forecast(), forecaster.forecast(table))
    with pytest.raises(ValueError, match="fewer than a look-back"):
        LiveForecaster(forecaster.run, history=1)


def test_a_model_without_a_champion_names_its_runs(tmp_path):
    store = shutil.copytree(STORED, tmp_path / "runs")
    (store / "small" / "champion.json").unlink()
    with pytest.raises(StoreError, match="has no champion; name one of its runs: 2026"):
        load_forecaster(store, "small")
    run_id = next(f.name for f in sorted((store / "small").iterdir()) if f.is_dir())
    assert load_forecaster(store, "small", run_id).run.run_id == run_id
    with pytest.raises(StoreError, match="has no run yet"):
        load_forecaster(tmp_path / "none", "small")
