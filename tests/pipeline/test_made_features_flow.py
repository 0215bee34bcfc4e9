"""Features that the source has not, from the config to the forecast of new rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.config import check_settings
from fastlstm.latest import forecast_latest
from fastlstm.runs import SavedRun
from tasks.settings import PipelineConfig
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")


def test_trained_with_and_forecast_with(settings, tmp_path):
    from flows.retrain import retrain

    given = settings(
        data={"calendar": ["hour", "weekday"], "time_zone": "America/New_York"},
        hyperparameters={"epochs": 1},
    )
    outcome = retrain(check_settings(given, PipelineConfig))
    run = SavedRun(Path(outcome.run.location))
    names = ["hour_sin", "hour_cos", "weekday_sin", "weekday_cos"]
    assert run.data.features == ["load", "heat", *names]
    assert run.network.input_shape[2] == 6
    assert set(run.inputs) == {"load", "heat"}  # the calendar's drift tells nothing
    stored = pd.read_csv(run.path("x_data"))
    local = pd.to_datetime(stored["when"], utc=True).dt.tz_convert("America/New_York")
    np.testing.assert_allclose(
        stored["hour_cos"], np.cos(2 * np.pi * local.dt.hour / 24), atol=1e-12
    )

    panel = make_panel(40)
    file = tmp_path / "new.csv"
    panel.to_csv(file, index=False)
    made = forecast_latest(run, str(file)).frame
    last = pd.to_datetime(panel["when"].max()).tz_convert("America/New_York")
    rows = panel[panel["site"] == "a"].copy()
    hours = pd.to_datetime(rows["when"]).dt.tz_convert("America/New_York")
    rows["hour_sin"] = np.sin(2 * np.pi * hours.dt.hour / 24)
    rows["hour_cos"] = np.cos(2 * np.pi * hours.dt.hour / 24)
    rows["weekday_sin"] = np.sin(2 * np.pi * hours.dt.day_of_week / 7)
    rows["weekday_cos"] = np.cos(2 * np.pi * hours.dt.day_of_week / 7)
    direct = run.forecast(rows, np.array([len(rows)]))[0, :, 0]
    mine = made[made["series"] == "a"].sort_values("step")
    assert mine["prediction"].tolist() == pytest.approx(direct.tolist())
    assert (mine["after"] == last).all()


def test_what_a_series_is_from_the_config_to_the_forecast_of_another(settings, tmp_path):
    from flows.retrain import retrain

    panel = make_panel(240)
    panel["height"] = panel["site"].map({"a": 3.0, "b": 11.0})
    source = tmp_path / "panel.csv"
    panel.to_csv(source, index=False)
    given = settings(
        data={"path": str(source), "static": ["height"], "embedded_series": ["a", "b"]},
        hyperparameters={"epochs": 1},
    )
    outcome = retrain(check_settings(given, PipelineConfig))
    run = SavedRun(Path(outcome.run.location))
    assert run.data.features == ["load", "heat", "height", "site=a", "site=b"]
    assert run.hyperparameters.static_features == ["height", "site=a", "site=b"]
    assert run.network.get_layer("static").kernel.shape[0] == 3
    assert set(run.inputs) == {"load", "heat"}  # which series are scored is no drift

    newest = make_panel(40, ("a", "new"))
    newest["height"] = newest["site"].map({"a": 3.0, "new": 7.0})
    file = tmp_path / "new.csv"
    newest.to_csv(file, index=False)
    made = forecast_latest(run, str(file)).frame
    assert set(made["series"]) == {"a", "new"} and made["prediction"].notna().all()
    rows = newest[newest["site"] == "new"].assign(**{"site=a": 0.0, "site=b": 0.0})
    direct = run.forecast(rows, np.array([len(rows)]))[0, :, 0]
    mine = made[made["series"] == "new"].sort_values("step")
    assert mine["prediction"].tolist() == pytest.approx(direct.tolist())
