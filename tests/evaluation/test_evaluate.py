"""An evaluation as a whole: what it refuses, its two networks, and a baseline that is added."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

from fastlstm.config.columns import ColumnRules
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import Scalers, fit_scalers
from fastlstm.data.split import Cuts, cut_times
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import ConfigError
from fastlstm.evaluation.baselines import REGRESSION_BASELINES
from fastlstm.evaluation.evaluate import evaluate
from fastlstm.evaluation.long_format import long_format
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.predictions import season_length
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.reporting.text import NAMES, score_table
from fastlstm.runs.writing import _on_same_windows
from fastlstm.windows.in_memory import RowWindows

pytestmark = pytest.mark.usefixtures("untraced")


def build_config(**hyperparameters) -> RetrainConfig:
    return RetrainConfig.model_validate(
        {
            "data": {
                "path": "memory", "time": "when", "series": "site", "frequency": "1h",
                "features": ["load", "heat"], "targets": ["load"],
            },
            "hyperparameters": {
                "LSTM_type": "regressor", "timesteps": 6, "steps_ahead": 3, "scale_targets": True,
                **hyperparameters,
            },
            "evaluation": {"explain_windows": 8},
        }
    )  # fmt: skip


class Evaluated:
    """Windows, scalers and targets of the small panel."""

    def __init__(self, panel: pd.DataFrame, config: RetrainConfig) -> None:
        panel = panel.sort_values(["site", "when"]).reset_index(drop=True)
        frame = pd.DataFrame(
            {SERIES: panel["site"], TIME: panel["when"], SEGMENT: pd.factorize(panel["site"])[0]}
        )
        x, y = panel[config.data.features], panel[config.data.targets]
        times, hp = microseconds(frame[TIME]), config.hyperparameters
        cuts: Cuts = cut_times(times, 0.7, 0.15)
        self.scalers: Scalers = fit_scalers(x, y, times, times, cuts, hp)
        self.table = TargetTable.of(frame, y)
        self.windows = RowWindows(
            frame, self.scalers.features(x), self.scalers.targets(y, config.data.targets),
            features=config.data.features, targets=config.data.targets, timesteps=hp.timesteps,
            steps_ahead=hp.steps_ahead, cuts=cuts,
        )  # fmt: skip

    def by(self, served: keras.Model, chosen: keras.Model, config: RetrainConfig):
        networks = EvaluatedNetworks(served, chosen)
        return evaluate(networks, self.windows, self.scalers, self.table, config)


def constant(value: float, config: RetrainConfig) -> keras.Model:
    """A network that forecasts the same scaled value always."""
    hp = config.hyperparameters
    inputs = keras.Input((hp.timesteps, len(config.data.features)))
    outputs = keras.layers.Dense(
        hp.steps_ahead, kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(value),
    )(keras.layers.Flatten()(inputs))  # fmt: skip
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timesteps": 7}, "timesteps: the hyperparameters have 7, the windows were cut with 6"),
        (
            {"steps_ahead": 2},
            "steps_ahead: the hyperparameters have 2, the windows were cut with 3",
        ),
    ],
)
def test_windows_of_other_settings_are_refused(panel, changes, message):
    config = build_config()
    evaluated = Evaluated(panel, config)
    network = constant(0.0, config)
    with pytest.raises(ConfigError, match=message):
        evaluated.by(network, network, build_config(**changes))


def test_test_metrics_are_the_served_networks_and_intervals_the_chosen_ones(panel):
    config = build_config()
    evaluated = Evaluated(panel, config)
    low, high = constant(-1.0, config), constant(1.0, config)
    both, only_low = evaluated.by(low, high, config), evaluated.by(low, low, config)
    only_high = evaluated.by(high, high, config)
    assert both.metrics["test"] == only_low.metrics["test"] != only_high.metrics["test"]
    for pair, half_widths in both.half_widths.items():
        np.testing.assert_array_equal(half_widths.values, only_high.half_widths[pair].values)
        assert (half_widths.values != only_low.half_widths[pair].values).any()


def test_a_new_baseline_is_an_entry_and_a_name(panel, monkeypatch):
    def zero(given):
        return np.zeros((len(given.target_start), given.steps_ahead, given.targets.shape[1]))

    monkeypatch.setitem(REGRESSION_BASELINES, "zero", zero)
    monkeypatch.setitem(NAMES, "zero", "zero forecast")
    config = build_config()
    network = constant(0.0, config)
    found = Evaluated(panel, config).by(network, network, config)
    assert list(found.metrics["test"]) == ["model", "last_value", "last_season", "drift", "zero"]
    truth = found.predictions["truth"]
    assert found.metrics["test"]["zero"]["mae"] == pytest.approx(truth.abs().mean())
    assert (found.predictions["zero"] == 0).all()
    assert "zero" in {row["forecast"] for row in found.metrics["intervals"]["overall"]}
    _, rows = score_table(found.metrics["test"])
    assert [row[0] for row in rows][-1] == "zero forecast"


def test_forecasts_and_bounds_on_test_keep_to_the_limits_of_their_target(panel):
    limits = {"minimum": 40.0, "maximum": 52.0}
    panel["load"] = panel["load"].clip(40.0, 52.0)
    free = build_config()
    free.data.columns["load"] = ColumnRules(**limits)
    bound = free.model_copy(deep=True)
    free.data.clip_forecasts = False
    evaluated, far = Evaluated(panel, free), constant(1.5, free)
    found, unlimited = (evaluated.by(far, far, config) for config in (bound, free))
    names = [
        "prediction",
        "last_value",
        "drift",
        "lower_0.8",
        "upper_0.8",
        "lower_0.95",
        "upper_0.95",
    ]
    for name in names:
        before = unlimited.predictions[name]
        np.testing.assert_array_equal(found.predictions[name], before.clip(40.0, 52.0))
        assert (before > 52).any() or name in ("last_value", "lower_0.8", "lower_0.95")
    assert found.metrics["test"]["model"]["mae"] < unlimited.metrics["test"]["model"]["mae"]
    assert found.metrics["test"]["last_value"] == unlimited.metrics["test"]["last_value"]
    # Metrics of intervals are those of the bounds in the table.
    width = found.predictions["upper_0.8"] - found.predictions["lower_0.8"]
    stored = [
        row["width"] for row in found.metrics["intervals"]["overall"]
        if (row["forecast"], row["method"], row["level"]) == ("model", "adaptive", 0.8)
    ]  # fmt: skip
    assert stored == [pytest.approx(width.mean())]


def test_long_format_has_a_row_for_each_window_step_and_target():
    values = np.arange(12.0).reshape(2, 3, 2)
    hours = np.datetime64("2024-01-01", "us") + np.arange(6) * np.timedelta64(1, "h")
    columns = {"series": ["a", "b"], "time": hours.reshape(2, 3), "value": values}
    frame = long_format(columns, 3, ["x", "y"])
    assert frame["series"].tolist() == ["a"] * 6 + ["b"] * 6
    assert frame["step"].tolist() == [1, 1, 2, 2, 3, 3] * 2
    assert frame["target"].tolist() == ["x", "y"] * 6
    assert frame["value"].tolist() == list(range(12))
    assert frame["time"].dtype == "datetime64[us, UTC]"
    assert frame["time"].dt.hour.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("given", "manifest", "season"),
    [
        (12, {"season": 24, "assumed_season": None}, 12),
        (1, {"season": None, "assumed_season": None}, 1),
        (None, {"season": 168, "assumed_season": None}, 168),
        (None, {"season": None, "assumed_season": 24}, 24),
        (None, {"season": None, "assumed_season": None}, None),
        (None, {}, 24),  # windows of earlier versions
    ],
)
def test_the_season_is_the_one_set_or_found_or_usual(given, manifest, season):
    config = build_config()
    config.evaluation.season_length = given
    assert season_length(config, manifest) == season


def test_each_season_that_train_rows_show_has_its_naive_forecast(panel):
    config = build_config()
    network, evaluated = constant(0.0, config), Evaluated(panel, config)
    manifest = evaluated.windows.manifest
    manifest |= {"season": 24, "seasons": [12, 24]}
    found = evaluated.by(network, network, config)
    names = ["model", "last_value", "last_season", "last_season_12", "drift"]
    assert list(found.metrics["test"]) == names
    rows = found.predictions
    whole = rows[["series", "time", "truth"]].drop_duplicates(["series", "time"])
    before = whole.assign(time=whole["time"] + pd.Timedelta(hours=12))
    both = rows.merge(before, on=["series", "time"], suffixes=("", "_before"))
    first = both[both["step"] <= 12]
    assert len(first) > 100
    np.testing.assert_allclose(first["last_season_12"], first["truth_before"])
    text = score_table(found.metrics["test"])[1]
    assert [row[0] for row in text][3] == "seasonal naive (12 rows)"
    # One that the user sets stands alone.
    config.evaluation.season_length = 24
    alone = evaluated.by(network, network, config).metrics["test"]
    assert list(alone) == [name for name in names if name != "last_season_12"]


def test_a_challenger_must_beat_the_naive_forecast_of_each_season():
    test = {name: {"mae": 1.0} for name in ("model", "last_season", "last_season_168")}
    metrics = {"primary": {"name": "mae"}, "test": test}
    assert set(_on_same_windows(metrics)) == {"last_season", "last_season_168"}


def test_a_challenger_need_not_beat_the_drift():
    metrics = {
        "primary": {"name": "mae"},
        "test": {name: {"mae": 1.0} for name in ("model", *REGRESSION_BASELINES)},
    }
    assert set(_on_same_windows(metrics)) == {"last_value", "last_season"}
