"""What is known of the rows to forecast enters the decoder step by step, and nowhere else but for cycles
of the calendar, of which the LSTM of segments reads every row."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.known_future import shifted, shifted_columns, shifts
from fastlstm.errors import ConfigError
from fastlstm.network.architecture import resolve
from fastlstm.network.build import build_network, lstm_sizes
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import load_network
from fastlstm.network.temporal_decoder import future_covariates
from fastlstm.training.linear_component import _own_inputs

STEPS = 4
KINDS = {
    "classic": {"architecture": "classic", "model_relative_width": [2], "timesteps": 6},
    "classic, shorter than the horizon": {"architecture": "classic", "timesteps": 3},
    "segment": {"architecture": "segment", "timesteps": 24, "ensemble_size": 2},
    "segment, jointly, recursive": {
        "architecture": "segment", "channel_independent": False, "timesteps": 24,
        "decoding": "recursive",
    },
    "segment, direct, quantiles": {
        "architecture": "segment", "decoding": "direct", "timesteps": 24,
        "quantiles": [0.1, 0.5, 0.9],
    },
}  # fmt: skip


def settings(**changes):
    given = {
        "LSTM_type": "regressor", "steps_ahead": STEPS, "scale_targets": True,
        "naive_unless_better": False, "linear_component": False, **changes,
    }  # fmt: skip
    future = shifted(["promo", "holiday"], shifts(STEPS, given["timesteps"]))
    return Hyperparameters.model_validate({"future_features": future, **given})


def columns(hp):
    return ["load", "promo", *hp.future_features, "heat"]


@pytest.mark.parametrize("timesteps", [1, 2, 3, 4, 5, 9])
def test_a_window_holds_them_at_each_row_to_forecast(timesteps):
    rows = np.arange(40.0)
    hp = settings(architecture="classic", timesteps=timesteps)
    values = {"load": rows, "heat": rows, "promo": rows, "holiday": 100 + rows}
    found = shifted_columns(columns(hp), ("promo", "holiday"))
    assert len(found) == len(hp.future_features)
    last = 20  # the last row of the window
    window = np.stack(
        [
            values[found[name][0]][last + 1 - timesteps + found[name][1] :][:timesteps]
            if name in found
            else values[name][last + 1 - timesteps : last + 1]
            for name in columns(hp)
        ],
        axis=1,
    )[None]
    architecture = resolve(hp, columns(hp), ["load"])
    got = np.asarray(future_covariates(window.astype(np.float32), architecture))
    ahead = last + 1 + np.arange(STEPS)
    np.testing.assert_array_equal(got[0], np.stack([ahead, 100 + ahead], axis=1))


@pytest.mark.soak
@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("kind", KINDS)
def test_each_step_depends_on_its_own_row_alone_and_the_file_is_stock(kind, tmp_path):
    import keras

    hp = settings(**KINDS[kind])
    names, targets = columns(hp), ["load", "heat"]
    network = build_network(hp, names, targets)
    rng = np.random.default_rng(0)
    for weight in network.trainable_weights:  # the last layer begins as if there were no covariates
        weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))
    x = rng.normal(size=(3, hp.timesteps, len(names))).astype(np.float32)
    outputs = np.asarray(network(x)).reshape(3, STEPS, -1)
    covered = np.zeros((hp.timesteps, len(names)), bool)
    architecture, before = resolve(hp, names, targets), 0
    for rows, positions in architecture.future:
        for step in range(before, rows):
            row = hp.timesteps - rows + step
            covered[row, list(positions)] = True
            changed = x.copy()
            changed[:, row, positions[0]] += 1
            moved = (np.asarray(network(changed)).reshape(outputs.shape) != outputs).any(
                axis=(0, 2)
            )
            assert moved.tolist() == [k == step for k in range(STEPS)]
        before = rows
    assert before == STEPS
    # Rows of the shifted columns that hold the past are read by nothing.
    unused = ~covered & np.isin(np.arange(len(names)), architecture.unread)
    changed = np.where(unused, x + 1, x)
    np.testing.assert_array_equal(np.asarray(network(changed)).reshape(outputs.shape), outputs)
    network.save(tmp_path / "model.keras")
    load_network(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(np.asarray(opened(x)).reshape(outputs.shape), outputs)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("kind", ["classic", "segment"])
def test_the_network_begins_as_one_without_them(kind):
    hp = settings(**KINDS[kind])
    names = columns(hp)
    network = build_network(hp, names, ["load"])
    x = np.random.default_rng(0).normal(size=(3, hp.timesteps, len(names))).astype(np.float32)
    changed = x.copy()
    changed[:, :, list(resolve(hp, names, ["load"]).unread)] += 1
    np.testing.assert_array_equal(np.asarray(network(changed)), np.asarray(network(x)))
    # The LSTM is as wide as without the shifted columns.
    without = Hyperparameters.model_validate({**hp.model_dump(), "future_features": None})
    assert lstm_sizes(hp, names, ["load"]) == lstm_sizes(
        without, ["load", "promo", "heat"], ["load"]
    )


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("kind", "timesteps", "read"),
    [
        ("segment", 24, ["hour_sin+4", "hour_cos+4"]),
        ("segment", 3, ["hour_sin+1", "hour_cos+1"]),
        ("classic", 24, []),
    ],
)
def test_the_lstm_of_segments_reads_every_row_of_the_calendars_cycles(kind, timesteps, read):
    known = ["promo", "hour_sin", "hour_cos", "holiday"]
    hp = settings(
        **{**KINDS[kind], "timesteps": timesteps, "ensemble_size": 1},
        future_features=shifted(known, shifts(STEPS, timesteps)),
    )
    names, targets = columns(hp), ["load", "heat"]
    network = build_network(hp, names, targets)
    x = np.random.default_rng(0).normal(size=(3, timesteps, len(names))).astype(np.float32)
    outputs = np.asarray(network(x))
    moved = {}
    for name in hp.future_features:  # the decoder begins as if there were no covariates
        changed = x.copy()
        changed[:, 0, names.index(name)] += 1
        moved[name] = bool((np.asarray(network(changed)) != outputs).any())
    assert [name for name, does in moved.items() if does] == read
    # A cycle of the row itself is a feature as any other, and needs no second reading.
    own = resolve(hp, [*names, "hour_sin"], targets).calendar
    assert [names[position] for position in own] == read[1:]


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("kind", ["segment", "segment, jointly, recursive"])
def test_the_linear_forecaster_reads_those_of_all_steps(kind):
    import keras

    hp = settings(**{**KINDS[kind], "ensemble_size": 1, "linear_component": True})
    names, targets = columns(hp), ["load", "heat"]
    architecture = resolve(hp, names, targets)
    network = build_network(hp, names, targets)
    inputs = keras.Model(network.input, network.get_layer(LINEAR).input)
    x = np.random.default_rng(0).normal(size=(3, 24, len(names))).astype(np.float32)
    given = np.asarray(inputs(x))
    known = np.asarray(future_covariates(x, architecture)).reshape(3, STEPS * 2)
    each = 2 if architecture.channel_independent else 1
    np.testing.assert_array_equal(given[:, -STEPS * 2 :], np.repeat(known, each, axis=0))
    own = _own_inputs(given.shape[1], 24, architecture)
    assert own.sum() == 24 * (2 // each) and not own[-STEPS * 2 :].any()
    # So many would let it learn noise, and the LSTM alone reads them.
    many = settings(architecture="segment", timesteps=96, steps_ahead=300, future_features={
        "promo+300": 300, "promo+204": 204, "promo+108": 108, "promo+12": 12,
        "holiday+300": 300, "holiday+204": 204, "holiday+108": 108, "holiday+12": 12,
    })  # fmt: skip
    assert resolve(many, columns(many), ["load"]).linear_covariates == 0


@pytest.mark.usefixtures("untraced")
def test_a_classifiers_logits_are_those_of_its_last_layer():
    hp = Hyperparameters.model_validate(
        {"steps_ahead": 2, "timesteps": 3, "future_features": {"promo+2": 2}}
    )
    network = build_network(hp, ["load", "promo+2"], ["wet"])
    output = network.get_layer("output")
    assert output.units == 1  # shared by the steps, so calibrated alike
    x = np.random.default_rng(0).normal(size=(3, 3, 2)).astype(np.float32)
    probability = np.asarray(network(x), np.float64)
    kernel, bias = output.get_weights()
    output.set_weights([kernel * 2, bias * 2 + 1])
    logit = np.log(probability / (1 - probability))
    np.testing.assert_allclose(np.asarray(network(x)), 1 / (1 + np.exp(-2 * logit - 1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("future", "expected"),
    [
        ({"promo+3": 3}, "none of the features"),
        ({"promo+2": 2}, "do not hold each column at all of the 4 rows"),
        ({"promo+4": 4, "holiday+2": 2}, "do not hold each column"),
    ],
)
def test_refusals(future, expected):
    hp = settings(architecture="classic", timesteps=6, future_features=future)
    with pytest.raises(ConfigError, match=expected):
        resolve(hp, ["load", "promo+4", "promo+2", "holiday+2"], ["load"])
