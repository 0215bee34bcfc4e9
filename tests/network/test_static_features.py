"""What a series is: declared, checked, read once a window, and learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import fastLSTM
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.reading import parse_config
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.validation import validate
from fastlstm.errors import ConfigError
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network, lstm_sizes
from tests.conftest import build_settings

FEATURES = ["load", "height", "heat", "site=a"]
KINDS = {
    "classic": {"architecture": "classic", "model_relative_width": [2], "timesteps": 6},
    "classic, normalised": {
        "architecture": "classic", "instance_normalization": "last", "timesteps": 6,
    },
    "segment": {"architecture": "segment", "timesteps": 24},
    "segment, jointly": {
        "architecture": "segment", "channel_independent": False, "timesteps": 24,
    },
    "segment, direct": {"architecture": "segment", "decoding": "direct", "timesteps": 24},
}  # fmt: skip


def settings(**changes):
    given = {
        "LSTM_type": "regressor", "steps_ahead": 3, "scale_targets": True,
        "naive_unless_better": False, "static_features": ["height", "site=a"], **changes,
    }  # fmt: skip
    return Hyperparameters.model_validate(given)


@pytest.mark.soak
@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("targets", [["load"], ["load", "heat"]], ids=["one", "two"])
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_read_from_the_last_row_alone(kind, targets, tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    hp = settings(**KINDS[kind])
    network = build_network(hp, FEATURES, targets)
    x = np.random.default_rng(0).normal(size=(5, hp.timesteps, 4)).astype(np.float32)
    outputs = network.predict(x, verbose=0)
    assert outputs.shape == (5, 3 * len(targets))
    earlier, last = x.copy(), x.copy()
    earlier[:, :-1, [1, 3]] += 1
    last[0, -1, [1, 3]] += 1
    np.testing.assert_array_equal(network.predict(earlier, verbose=0), outputs)
    moved = network.predict(last, verbose=0)
    # Each window has what its own series says, also where the targets are taken one by one.
    assert (moved[0] != outputs[0]).all()
    np.testing.assert_array_equal(moved[1:], outputs[1:])
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(x, verbose=0), outputs)


def test_widths_go_by_the_features_that_change():
    hp = settings(**KINDS["classic"])
    assert lstm_sizes(hp, FEATURES, ["load"]) == ([4], 6)
    network = build_network(hp, FEATURES, ["load"])
    assert network.get_layer("lstm_1").units == 4
    assert resolve(hp, FEATURES, ["load"]).static == (1, 3)


@pytest.mark.parametrize(
    ("static", "message"),
    [
        (["depth"], "static_features: 'depth' is none of the features"),
        (["load"], "static_features: 'load' is a target"),
    ],
)
def test_what_is_no_static_feature_is_refused(static, message):
    with pytest.raises(ConfigError, match=message):
        build_network(settings(static_features=static, timesteps=6), FEATURES, ["load"])
    alone = settings(static_features=["height"], timesteps=6)
    with pytest.raises(ConfigError, match="no feature is left that changes"):
        build_network(alone, ["height"], ["load"])


def data(**changes):
    given = {
        "path": "x.csv", "time": "when", "series": "site", "features": ["load"],
        "targets": ["load"], "static": ["height"], "embedded_series": ["a", "b"], **changes,
    }  # fmt: skip
    return DataConfig.model_validate(given)


def table(heights=(5.0, 5.0, 9.0, 9.0)):
    times = pd.to_datetime(["2024-01-01", "2024-01-02"] * 2, utc=True)
    return pd.DataFrame(
        {SERIES: ["a", "a", "c", "c"], TIME: times, "load": [1.0, 2, 3, 4], "height": heights}
    )


def test_declared_columns_are_features_and_indicators_are_added():
    columns = data()
    assert columns.features == ["load", "height", "site=a", "site=b"]
    assert columns.value_columns == columns.read_features == ["load", "height"]
    assert columns.static_features == ["height", "site=a", "site=b"]
    assert DataConfig.model_validate(columns.model_dump()) == columns
    clean, report = validate(table(), columns, labels=False)
    assert report.passed, report.errors
    assert clean["site=a"].tolist() == [1, 1, 0, 0] and clean["site=b"].tolist() == [0] * 4
    warned = [f.line() for f in report.warnings if f.check == "embedded series"]
    assert len(warned) == 1 and "no row is of series 'b'" in warned[0]


def test_a_static_column_that_changes_is_refused():
    _, report = validate(table((5.0, 6.0, 9.0, 9.0)), data(), labels=False)
    (error,) = report.errors
    assert (
        error.column == "height" and error.rows == 1 and "changes within its series" in error.line()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series": None, "embedded_series": ["a"]}, "embedded_series: needs series"),
        ({"embedded_series": ["a", "a"]}, "embedded_series: 'a' is listed twice"),
        ({"static": ["load"]}, "targets: 'load' is static"),
        ({"static": ["rain", "rain"]}, "static: 'rain' is listed twice"),
    ],
)
def test_refusals_of_the_config(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(build_settings(tmp_path, data=changes), tmp_path)


def test_the_network_gets_those_of_the_data(tmp_path):
    own = {"data": {"static": ["rain"], "embedded_series": ["a"]}}
    config = parse_config(build_settings(tmp_path, **own), tmp_path)
    assert config.hyperparameters.static_features == ["rain", "site=a"]
    again = config.model_dump()
    assert type(config).model_validate(again).hyperparameters == config.hyperparameters
    with pytest.raises(ConfigError, match=r"static_features: lacks 'rain' of data"):
        parse_config(
            build_settings(tmp_path, **own, hyperparameters={"static_features": ["heat"]}), tmp_path
        )


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["classic", "segment"])
def test_a_network_learns_what_each_series_does_with_its_inputs(kind, tmp_path):
    """The next value is the input of one series, its opposite of the other: together, nothing."""
    rng = np.random.default_rng(0)
    count = 300
    x = np.tanh(rng.normal(size=2 * count))
    sign = np.repeat([1.0, -1.0], count)
    y = np.concatenate([[0.0], (sign * x)[:-1]])
    series = np.repeat(["a", "b"], count)
    without, within = [], ["site=a"]
    losses = {}
    for static in (without, within) if kind == "classic" else (within,):
        rows = pd.DataFrame({"x": x, "site=a": (sign > 0).astype(float)})
        model = fastLSTM(
            rows if static else rows[["x"]], y, series=series,
            LSTM_type="regressor", architecture=kind, timesteps=2, steps_ahead=1, scale_targets=True,
            model_relative_width=[8], segment_length=1, segment_units=16, segment_dropout=0.0,
            learning_rate=0.05, learning_rate_schedule="constant", epochs=12, batch_size=32, loss="mse",
            seed=0, static_features=static, data_storage_path=tmp_path,
        )  # fmt: skip
        model.network_structure_set_compile()
        model.network_training(12)
        losses[len(static)] = model.loss_df["val_loss"].min()
    assert losses.get(0, 1.0) > 0.5 and losses[1] < 0.1
