"""What is known of the rows to forecast: it is of the right row, leaks nothing, and is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.reading import parse_config
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network
from fastlstm.network.compiling import compile_network
from fastlstm.network.temporal_decoder import future_covariates
from tests.conftest import build_settings, make_panel
from tests.steps.test_time_rules import steps

STEPS = 3


def config_of(folder, **changes):
    data = {
        "features": ["load", "heat"], "targets": ["load"], "known_future": ["heat"],
        "calendar": ["hour", "weekday"], **changes.pop("data", {}),
    }  # fmt: skip
    hyperparameters = {
        "steps_ahead": STEPS,
        "timesteps": 6,
        "scaler_type": "MinMaxScaler",
        **changes,
    }
    return parse_config(build_settings(folder, data=data, hyperparameters=hyperparameters), folder)


def test_they_are_added_to_the_features_and_told_to_the_network(tmp_path):
    config = config_of(tmp_path)
    later = [f"{name}+3" for name in (
        "heat", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos",
    )]  # fmt: skip
    assert config.data.features == ["load", "heat", *later]
    assert config.data.read_features == ["load", "heat"]
    assert config.hyperparameters.future_features == dict.fromkeys(later, 3)
    again = type(config).model_validate(config.model_dump())
    assert again == config
    # A column known for all steps is one of known_future; one known for fewer is not the decoder's.
    ahead = {"known_future": [], "known_ahead": {"heat": 3}, "calendar": []}
    assert config_of(tmp_path, data=ahead).hyperparameters.future_features == {"heat+3": 3}
    ahead["known_ahead"] = {"heat": 2}
    assert config_of(tmp_path, data=ahead).hyperparameters.future_features is None


def test_windows_shorter_than_the_horizon_hold_them_too(tmp_path):
    config = config_of(tmp_path, timesteps=2, data={"calendar": []})
    assert config.hyperparameters.future_features == {"heat+1": 1, "heat+3": 3}
    searched = config_of(tmp_path, data={"calendar": []}).model_dump()
    searched["tune"]["ranges"] = {"timesteps": {"low": 2, "high": 8}}
    found = type(config).model_validate(searched)  # for the shortest windows of the search
    assert found.data.features == config.data.features


@pytest.mark.parametrize("timesteps", [2, 6])
def test_a_window_holds_the_values_of_its_very_target_rows(tmp_path, timesteps):
    config = config_of(tmp_path, timesteps=timesteps)
    panel = make_panel()
    windows = steps(tmp_path / "made", panel, config).read("test")
    data, hp = config.data, config.hyperparameters
    architecture = resolve(hp, data.features, data.targets)
    got = np.asarray(future_covariates(windows.x, architecture))
    train = panel["when"] < panel["when"].iloc[int(240 * 0.7)]
    for number in range(0, len(got), 7):
        start = windows.origin[number].astype("datetime64[us]")
        of_series = panel[panel["site"] == windows.series[number]]
        first = int(np.flatnonzero(of_series["when"].dt.tz_convert(None) == start)[0])
        rows = of_series.iloc[first : first + STEPS]
        learned = of_series.loc[train, "heat"]
        heat = (rows["heat"] - learned.min()) / (learned.max() - learned.min())
        np.testing.assert_allclose(got[number, :, 0], heat, atol=0.02)
        hour = np.sin(2 * np.pi * rows["when"].dt.hour / 24) / 2 + 0.5
        np.testing.assert_allclose(got[number, :, 1], hour, atol=1e-5)


def test_no_input_depends_on_a_later_row_or_on_the_targets_rows(tmp_path):
    config = config_of(tmp_path)
    panel = make_panel(series=("a",))
    cut = 220
    changed = panel.copy()
    changed.loc[cut:, "load"] += 1_000
    changed.loc[cut + STEPS :, "heat"] += 1_000
    one, two = (
        steps(tmp_path / name, frame, config).read("test")
        for name, frame in (("one", panel), ("two", changed))
    )
    last = panel["when"].dt.tz_convert(None).to_numpy()[cut]
    until = one.origin.astype("datetime64[us]") <= last
    assert until.sum() > 10
    np.testing.assert_array_equal(one.x[until], two.x[until])
    assert (one.x[~until] != two.x[~until]).any()


def error_of(config, panel, folder):
    """Root mean squared error on test of a network that a few hundred gradient steps train."""
    import keras

    keras.utils.set_random_seed(0)
    dataset = steps(folder, panel, config)
    data, hp = config.data, config.hyperparameters
    network = build_network(hp, data.features, data.targets)
    compile_network(network, hp, 10)
    train, test = dataset.read("train"), dataset.read("test")
    network.fit(train.x, train.y.reshape(len(train.y), -1), batch_size=32, epochs=20, verbose=0)
    outputs = network.predict(test.x, verbose=0)
    return np.sqrt(np.mean((outputs - test.y.reshape(outputs.shape)) ** 2))


@pytest.mark.soak
@pytest.mark.traced
@pytest.mark.parametrize("architecture", ["classic", "segment"])
def test_an_effect_of_the_day_to_forecast_is_learned(tmp_path, architecture):
    """Sales are a base, doubled where there is a promotion and gone on Mondays, whatever came before."""
    rng = np.random.default_rng(0)
    when = pd.date_range("2022-01-01", periods=400, freq="1D", tz="UTC")
    promo = (rng.random(400) < 0.3).astype(float)
    sales = (100 + 100 * promo) * (when.day_of_week != 0) + rng.normal(size=400)
    panel = pd.DataFrame({"when": when, "site": "a", "load": sales, "promo": promo})
    common = {"timesteps": 24, "architecture": architecture, "model_relative_width": [8]}
    if architecture == "segment":
        common.pop("model_relative_width")
    of_rows = {"frequency": "1D", "features": ["load", "promo"]}
    without = config_of(tmp_path, data={**of_rows, "known_future": [], "calendar": []}, **common)
    known = config_of(
        tmp_path, data={**of_rows, "known_future": ["promo"], "calendar": ["weekday"]}, **common
    )
    errors = [
        error_of(config, panel, tmp_path / name)
        for name, config in (("without", without), ("known", known))
    ]
    assert errors[1] < 0.7 * errors[0], errors
