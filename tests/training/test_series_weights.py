"""The scaled loss weighs the series of a panel alike, by the train windows alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.folders import publish
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.errors import ConfigError, DataError
from fastlstm.network.inference import predict
from fastlstm.training.fit import fit
from fastlstm.training.input_pipeline import Epoch, tf_dataset
from fastlstm.training.series_weights import naive_errors, weight_of_series
from fastlstm.training.setup import TrainingSetup
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.parquet import WindowDataset, write_windows
from fastlstm.windows.source import Windows

_ROWS, _TRAIN, _TEST = 120, 80, 100


def panel(size=10.0, later=0.0, names=("a", "b")):
    """Two series of noise, the second ``size`` times the first; ``later`` is added after train."""
    rng = np.random.default_rng(0)
    parts = []
    for number, name in enumerate(names):
        values = rng.normal(size=_ROWS) * (size if number else 1.0)
        values[_TRAIN:] += later * np.arange(_ROWS - _TRAIN)
        times = pd.date_range("2024-01-01", periods=_ROWS, freq="1h", tz="UTC")
        parts.append(
            pd.DataFrame({SERIES: name, TIME: times, SEGMENT: number, "x.v": values, "y.v": values})
        )
    stamps = pd.DatetimeIndex(parts[0][TIME]).tz_convert(None).as_unit("us").asi8
    return pd.concat(parts, ignore_index=True), Cuts(int(stamps[_TRAIN]), int(stamps[_TEST]))


def in_memory(frame, cuts, targets=1):
    x = frame[["x.v"]].to_numpy(np.float32)
    y = np.repeat(frame[["y.v"]].to_numpy(np.float32), targets, axis=1)
    return RowWindows(
        frame, x, y, features=["v"], targets=[f"t{n}" for n in range(targets)], timesteps=4,
        steps_ahead=2, cuts=cuts,
    )  # fmt: skip


def on_disk(folder, frame, cuts, **options):
    publish(
        folder,
        lambda f: write_windows(
            f,
            frame,
            features=["v"],
            targets=["v"],
            timesteps=4,
            steps_ahead=2,
            lookahead=0,
            cuts=cuts,
        ),
    )
    return WindowDataset(folder, **options)


def hyperparameters(**changes):
    given = {
        "LSTM_type": "regressor", "timesteps": 4, "steps_ahead": 2, "epochs": 2, "loss": "mae",
        "batch_size": 16, "model_relative_width": [3], "learning_rate": 0.01, "loss_scaling": "mase",
    }  # fmt: skip
    return Hyperparameters.model_validate({**given, **changes})


def weights_of(windows, split):
    return TrainingSetup(windows, hyperparameters(), lambda _: None).weights(split)


def test_weights_are_one_over_each_series_naive_error(tmp_path):
    frame, cuts = panel()
    source = in_memory(frame, cuts)
    windows, weights = source.read("train"), weights_of(source, "train")
    expected = np.zeros(len(weights))
    for name in ("a", "b"):
        # The first targets of train windows: rows 4 to 78, whose last target row is still train's.
        rows = frame.loc[frame[SERIES] == name, "y.v"].to_numpy(np.float32)[4 : _TRAIN - 1]
        expected[windows.series == name] = 1 / np.abs(np.diff(rows.astype(float))).mean()
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-5)
    # Those on disk get the same.
    stored = on_disk(tmp_path / "w", frame, cuts)
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(weights_of(stored, split), weights_of(source, split))
    # And each window has its own in every order of the batches.
    for epoch in (None, Epoch()):
        batches = tf_dataset(stored, "train", hyperparameters(), weights=weights, epoch=epoch)
        y, weight = (np.concatenate(parts) for parts in list(zip(*batches, strict=True))[1:])
        large = np.isin(y[:, 0], windows.y[windows.series == "b", 0, 0])
        np.testing.assert_array_equal(weight < 0.5, large)


def test_weights_of_rows_multiply_them():
    frame, cuts = panel()
    x = frame[["x.v"]].to_numpy(np.float32)
    options = {"features": ["v"], "targets": ["t"], "timesteps": 4, "steps_ahead": 2, "cuts": cuts}
    of_rows = np.linspace(0.1, 3, len(frame))
    weighted = RowWindows(frame, x, x, sample_weight=of_rows, **options)
    expected = weights_of(RowWindows(frame, x, x, **options), "train") * weighted.weights("train")
    np.testing.assert_allclose(weights_of(weighted, "train"), expected, rtol=1e-6)


def test_nothing_after_train_is_seen():
    quiet, loud = (in_memory(*panel(later=later)) for later in (0.0, 1000.0))
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(weights_of(quiet, split), weights_of(loud, split))


def test_windows_across_a_hole_are_not_compared():
    hours = np.array([0, 1, 2, 10, 11])
    windows = Windows(
        np.array(["a"] * 5, object), np.datetime64("2024-01-01", "us") + hours * np.timedelta64(1, "h"),
        np.zeros((0, 0, 0), np.float32), np.array([0, 1, 2, 900, 903], np.float32).reshape(5, 1, 1),
    )  # fmt: skip
    assert naive_errors(lambda: [windows]).errors == {"a": pytest.approx((1 + 1 + 3) / 3)}


@pytest.mark.parametrize("season", [1, 3])
def test_windows_in_parts_have_the_errors_of_all(season):
    whole = in_memory(*panel()).read("train", columns=("y",))
    cuts = [0, 1, 2, 40, 41, len(whole.series)]
    parts = [
        Windows(whole.series[a:b], whole.origin[a:b], whole.x, whole.y[a:b])
        for a, b in pairwise(cuts)
    ]
    found, right = (naive_errors(lambda p=given: p, season) for given in (parts, [whole]))
    assert found.errors == pytest.approx(right.errors) and len(right.errors) == 2
    assert found.number == right.number and found.windows == right.windows


def test_windows_drawn_from_disk_weigh_by_their_series(tmp_path):
    frame, cuts = panel()
    stored = on_disk(tmp_path / "w", frame, cuts, pool_bytes=10)
    setup, in_one = (
        TrainingSetup(source, hyperparameters(loss_scaling="auto"), lambda _: None)
        for source in (DrawnWindows(stored), in_memory(frame, cuts))
    )
    assert setup.weighs_series and setup.dataset.is_drawn("train")
    series = stored.read("train").series
    np.testing.assert_allclose(setup.weigh(series), in_one.weights("train"), rtol=1e-6)
    large = stored.read("train").y[series == "b", 0, 0]
    for wanted in (20, None):
        hp = hyperparameters(windows_per_epoch=wanted)
        batches = tf_dataset(setup.dataset, "train", hp, weigh=setup.weigh, epoch=Epoch())
        y, weight = (np.concatenate(of) for of in list(zip(*batches, strict=True))[1:])
        assert len(y) == (wanted or len(series))
        np.testing.assert_array_equal(weight < 0.5, np.isin(y[:, 0], large))


def test_a_series_without_a_scale_weighs_like_the_average():
    frame, cuts = panel()
    constant = frame[SERIES] == "a"
    frame.loc[constant & (frame.index < _TRAIN), ["x.v", "y.v"]] = 5.0
    assert set(weights_of(in_memory(frame, cuts), "validation")[:3]) == {1.0}


@pytest.mark.soak
@pytest.mark.traced
def test_the_training_uses_them_from_memory_and_from_disk_alike(untraced, tmp_path):
    frame, cuts = panel(size=100.0)
    x = frame[["x.v"]].to_numpy(np.float32)[:4][None]
    forecasts = {
        name: predict(fit(source, hyperparameters(loss_scaling=scaling)).model, x)
        for name, source, scaling in (
            ("memory", in_memory(frame, cuts), "mase"),
            ("disk", on_disk(tmp_path / "w", frame, cuts), "mase"),
            ("plain", in_memory(frame, cuts), "none"),
        )
    }
    np.testing.assert_allclose(forecasts["memory"], forecasts["disk"], atol=1e-6)
    assert np.abs(forecasts["memory"] - forecasts["plain"]).max() > 1e-4


def test_what_it_cannot_scale_is_refused(tmp_path):
    frame, cuts = panel()
    with pytest.raises(ConfigError, match="loss_scaling: 'mase' is for one target, found 2"):
        weight_of_series(in_memory(frame, cuts, targets=2))
    with pytest.raises(ConfigError, match="loss_scaling: 'mase' needs the train windows in memory"):
        fit(on_disk(tmp_path / "w", frame, cuts, pool_bytes=10), hyperparameters())
    with pytest.raises(DataError, match="finds no series whose target changes"):
        weight_of_series(in_memory(frame.assign(**{"y.v": 1.0}), cuts))
    with pytest.raises(ValueError, match="loss_scaling: 'mase' is for a regressor"):
        hyperparameters(LSTM_type="classifier", loss="binary_crossentropy")
