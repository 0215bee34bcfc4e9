"""Features that the source has not, from the config to the forecast of new rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.reading import check_settings
from fastlstm.data.column_names import SERIES
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.runs.saved_run import SavedRun
from tasks.settings import PipelineConfig
from tests.conftest import make_panel

pytestmark = pytest.mark.usefixtures("prefect_server", "in_process")


def test_trained_with_and_forecast_with(settings, ready_network, tmp_path):
    """The calendar is that of the rows to forecast; 'auto' takes what the rows can teach."""
    from flows.retrain import retrain

    given = settings(
        data={"calendar": "auto", "time_zone": "America/New_York"},
        hyperparameters={"epochs": 1},
    )
    outcome = retrain(check_settings(given, PipelineConfig))
    run = SavedRun(Path(outcome.run.location))
    assert run.data.calendar == ["hour"]  # a week of train rows shows no course of the week
    assert run.data.features == ["load", "heat", "hour_sin+2", "hour_cos+2"]
    assert run.hyperparameters.future_features == {"hour_sin+2": 2, "hour_cos+2": 2}
    assert run.network.input_shape[2] == 4
    assert set(run.inputs) == {"load", "heat"}  # the calendar's drift tells nothing
    assert "hour" in run.path("report").read_text()
    stored = pd.read_csv(run.path("x_data"))
    local = pd.to_datetime(stored["when"], utc=True).dt.tz_convert("America/New_York")
    later = np.cos(2 * np.pi * (local.dt.hour + 2) / 24)
    np.testing.assert_allclose(stored["hour_cos+2"], later, atol=1e-12)

    panel = make_panel(40)
    file = tmp_path / "new.csv"
    panel.to_csv(file, index=False)
    made = forecast_latest(run, str(file)).frame  # without rows of the future: all is known by rule
    last = pd.to_datetime(panel["when"].max()).tz_convert("America/New_York")
    rows = panel[panel["site"] == "a"].copy()
    hours = pd.to_datetime(rows["when"]).dt.tz_convert("America/New_York").dt.hour + 2
    rows["hour_sin+2"] = np.sin(2 * np.pi * hours / 24)
    rows["hour_cos+2"] = np.cos(2 * np.pi * hours / 24)
    rows[SERIES] = "a"
    direct = run.forecast(rows, np.array([len(rows)]))[0, :, 0]
    mine = made[made["series"] == "a"].sort_values("step")
    assert mine["prediction"].tolist() == pytest.approx(direct.tolist())
    assert (mine["after"] == last).all()


def test_what_a_series_is_from_the_config_to_the_forecast_of_another(
    settings, ready_network, tmp_path
):
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
    latest = forecast_latest(run, str(file))
    assert not any("is not trained" in line for line in latest.warnings)
    made = latest.frame
    assert set(made["series"]) == {"a", "new"} and made["prediction"].notna().all()
    rows = newest[newest["site"] == "new"].assign(**{"site=a": 0.0, "site=b": 0.0})
    direct = run.forecast(rows, np.array([len(rows)]))[0, :, 0]
    mine = made[made["series"] == "new"].sort_values("step")
    assert mine["prediction"].tolist() == pytest.approx(direct.tolist())


@pytest.mark.traced
@pytest.mark.soak
def test_what_is_known_ahead_from_the_config_to_the_forecast(settings, tmp_path):
    """The next values are what the plan tells of them, and nothing else tells."""
    from fastlstm import fastLSTM
    from flows.retrain import retrain

    rng = np.random.default_rng(0)
    panel = make_panel(240)
    panel["plan"] = rng.normal(size=len(panel))
    panel["load"] = 3 * panel["plan"] + 10
    source = tmp_path / "panel.csv"
    panel.to_csv(source, index=False)
    given = settings(
        data={
            "path": str(source), "features": ["load", "plan"], "targets": ["load"],
            "known_ahead": {"plan": 2},
        },
        hyperparameters={
            "epochs": 12, "steps_ahead": 2, "timesteps": 3, "learning_rate": 0.03,
            "architecture": "classic", "model_relative_width": [8], "batch_size": 16,
        },
    )  # fmt: skip
    run = SavedRun(Path(retrain(check_settings(given, PipelineConfig)).run.location))
    error, without = (run.metrics["test"][name]["mae"] for name in ("model", "last_value"))
    assert error < 0.2 * without
    assert run.data.features == ["load", "plan", "plan+2"]

    newest = make_panel(20).assign(plan=rng.normal(size=40))
    newest["load"] = 3 * newest["plan"] + 10
    last = newest["when"].max()
    ahead = newest["when"] > last - pd.Timedelta("2h")
    newest.loc[ahead, ["load", "heat", "rain"]] = np.nan
    plan = newest[(newest["site"] == "a") & ahead]["plan"]
    newest = newest[~((newest["site"] == "b") & (newest["when"] == last))]
    file = tmp_path / "new.csv"
    newest.to_csv(file, index=False)
    made = forecast_latest(run, str(file))
    assert set(made.frame["series"]) == {"a"} and set(made.skipped) == {"b"}
    assert "'plan' is not known for all of the 2 rows after" in made.skipped["b"]
    assert (made.frame["after"] == last - pd.Timedelta("2h")).all()
    np.testing.assert_allclose(made.frame["prediction"], 3 * plan + 10, atol=8 * error)

    loaded = fastLSTM().load_all(run.path("hyperparameters"))
    assert loaded.X_data["plan+2"].isna().any() and len(loaded.X_test)
