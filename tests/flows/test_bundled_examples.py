"""The two bundled examples on their real data, as a newcomer runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastlstm import SavedRun
from fastlstm.config.reading import read_settings

pytestmark = [pytest.mark.soak, pytest.mark.figures, pytest.mark.usefixtures("prefect_server")]


def retrained(name, tmp_path, **changes):
    """The example with changed hyperparameters."""
    from flows.retrain import retrain
    from tasks.settings import PipelineConfig

    config = read_settings(Path("deployments") / f"{name}.yaml", PipelineConfig)
    places = {
        "store": str(tmp_path / "runs"),
        "work": str(tmp_path / "work"),
        "hyperparameters": config.hyperparameters.model_copy(update=changes),
    }
    outcome = retrain(config.model_copy(update=places))
    return outcome, SavedRun(Path(outcome.run.location))


def test_temperature_beats_what_costs_nothing(tmp_path):
    outcome, run = retrained("weather_temperature", tmp_path, epochs=3, ensemble_size=2)
    assert outcome.promoted, outcome.message
    test = run.metrics["test"]
    assert test["model"]["mae"] < 0.88 * test["last_value"]["mae"]
    assert test["last_value"]["windows"] == test["last_season"]["windows"] == run.metrics["windows"]
    assert set(run.metrics["by_series"]) == {"EWR", "JFK", "LGA"}
    # Facts of the data, known from its description.
    checks = run.path("data_checks").read_text()
    assert '"rows_in": 26115' in checks and '"wind_speed": 1' in checks


def test_rain_beats_prior_and_last_class(tmp_path):
    outcome, run = retrained("weather_rain", tmp_path)
    assert outcome.promoted, outcome.message
    test = run.metrics["test"]
    assert test["model"]["average_precision"] > 1.2 * test["last_class"]["average_precision"]
    rain = run.metrics["outputs"]["rain_within_6h"]
    assert 0 < rain["calibration_error"] < 0.15
    assert sum(found["windows"] for found in rain["reliability"]) == rain["windows"]
    assert rain["positives"] < 0.25 * rain["windows"]
