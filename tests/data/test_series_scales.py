"""Scales of each series: their own rows decide, and nothing else does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.scaling import (
    SeriesOfRows,
    fit_scalers,
    read_scalers,
    series_lost_in_scale,
    write_scalers,
)
from fastlstm.data.series_scales import read_series_scales
from fastlstm.data.split import Cuts
from fastlstm.errors import StoreError
from fastlstm.reporting.coverage import coverage_lines

TRAIN = 30


def panel(rows: int = 40, **columns: object) -> pd.DataFrame:
    """Three series of different size and an indicator, rows next to each other."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({
            "series": name, "time": np.arange(rows), "load": size * (5 + rng.normal(0, 1, rows)),
            "open": rng.integers(0, 2, rows).astype(float), "height": size, **columns,
        })
        for name, size in (("a", 1.0), ("b", 1e6), ("c", 1e-3))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def fitted(frame: pd.DataFrame, scaler: str = "StandardScaler", timesteps: int = 5, **more: object):
    hp = Hyperparameters(
        LSTM_type="regressor", timesteps=timesteps, scale_targets=True, scaler_type=scaler, **more
    )
    times = frame["time"].to_numpy(np.int64)
    return fit_scalers(
        frame[["load", "open", "height"]], frame[["load"]], times, times, Cuts(TRAIN, 35), hp,
        series=SeriesOfRows(frame["series"].to_numpy(), ["height"]),
    )  # fmt: skip


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler, RobustScaler])
def test_each_series_is_scaled_as_scikit_learn_does_by_its_train_rows(scaler):
    frame = panel()
    scalers = fitted(frame, scaler.__name__)
    found = scalers.features(frame, frame["series"].to_numpy())
    for name, rows in frame.groupby("series").indices.items():
        own = frame["load"].to_numpy()[rows, None]
        expected = scaler().fit(own[:TRAIN]).transform(own)
        np.testing.assert_allclose(found[rows, 0], expected[:, 0], rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(scalers.series.columns, ["load"])
    whole = scaler().fit(frame.loc[frame["time"] < TRAIN, ["load", "open", "height"]])
    alike = whole.transform(frame[["load", "open", "height"]])[:, 1:]
    np.testing.assert_allclose(found[:, 1:], alike, rtol=1e-5)


@pytest.mark.parametrize("scaler", ["StandardScaler", "MinMaxScaler", "RobustScaler"])
@pytest.mark.parametrize(("scope", "lost"), [("series", []), ("table", ["a", "c"])])
def test_series_that_one_scale_of_the_table_loses_are_named(scaler, scope, lost):
    frame = panel()
    series = frame["series"].to_numpy()
    scalers = fitted(frame, scaler, scaler_scope=scope)
    train = (frame["time"] < TRAIN).to_numpy()
    found = series_lost_in_scale(scalers, frame[["load"]], train, series)
    assert found == ({"count": 2, "names": lost, "of": 3} if lost else {})
    alone = series_lost_in_scale(scalers, frame[["load"]][:40], train[:40], series[:40])
    assert (alone == {}) is (scope == "series")
    (line,) = coverage_lines({"lost_in_scale": found}, "at_time") or [""]
    assert ("2 of 3 series (a, c) have values that vary by less" in line) is bool(lost)


def test_a_series_times_a_million_changes_its_own_scale_and_no_other():
    frame = panel()
    larger = frame.copy()
    larger.loc[larger["series"] == "b", "load"] *= 1e6
    one, two = fitted(frame).series, fitted(larger).series
    np.testing.assert_array_equal(one.labels, ["a", "b", "c"])
    np.testing.assert_allclose(two.center / one.center, [[1], [1e6], [1]])
    np.testing.assert_allclose(two.scale / one.scale, [[1], [1e6], [1]])


def test_the_order_of_series_changes_nothing():
    frame = panel()
    turned = pd.concat([frame[frame["series"] == name] for name in "cab"], ignore_index=True)
    one, two = fitted(frame), fitted(turned)
    np.testing.assert_array_equal(one.series.center, two.series.center)
    np.testing.assert_array_equal(
        one.features(frame, frame["series"].to_numpy()),
        two.features(turned, turned["series"].to_numpy())[
            np.concatenate([np.arange(40, 80), np.arange(80, 120), np.arange(40)])
        ],
    )


@pytest.mark.parametrize(("value", "scale"), [(0.0, 1.0), (7.0, 7.0), (-3e9, 3e9)])
def test_a_constant_series_has_a_scale(value, scale):
    frame = panel()
    frame.loc[frame["series"] == "b", "load"] = value
    scales = fitted(frame).series
    assert (scales.center[1, 0], scales.scale[1, 0]) == (value, scale)


def test_a_series_without_train_rows_is_scaled_by_its_first_look_back():
    frame = panel()
    late = frame[(frame["series"] != "b") | (frame["time"] >= TRAIN)].reset_index(drop=True)
    changed = late.copy()
    own = (changed["series"] == "b").to_numpy()
    changed.loc[np.flatnonzero(own)[5:], "load"] *= 50
    one, two = fitted(late).series, fitted(changed).series
    np.testing.assert_array_equal(one.scale, two.scale)
    values = late.loc[own, "load"].to_numpy()[:5]
    np.testing.assert_allclose(one.center[1, 0], values.mean())
    np.testing.assert_allclose(one.scale[1, 0], values.std())


def test_a_new_series_is_scaled_by_its_known_rows_and_unscaled_alike():
    frame = panel()
    scalers = fitted(frame[frame["series"] != "b"].reset_index(drop=True))
    series = frame["series"].to_numpy()
    known = (frame["time"] < 20).to_numpy()
    extended = scalers.extended(frame, series, known)
    own = frame.loc[frame["series"] == "b", "load"].to_numpy()
    np.testing.assert_allclose(extended.series.center[1, 0], own[:20].mean())
    scaled = extended.features(frame, series)[:, None, :1]
    np.testing.assert_allclose(
        extended.unscale_targets(scaled, series)[:, 0, 0], frame["load"], rtol=1e-4
    )
    np.testing.assert_array_equal(extended.series.scale[[0, 2]], scalers.series.scale)
    with pytest.raises(StoreError, match="series 'b' has no scale"):
        scalers.unscale_targets(scaled, series)


def test_one_series_is_scaled_as_a_table_without_a_series_column():
    frame = panel()[lambda rows: rows["series"] == "a"]
    of_panel = fitted(frame)
    of_table = fitted(frame, scaler_scope="table")
    assert of_table.series is None
    np.testing.assert_allclose(
        of_panel.features(frame, frame["series"].to_numpy()), of_table.features(frame), rtol=1e-6
    )


def test_scales_are_stored_as_a_table(tmp_path):
    scalers = fitted(panel())
    files = [tmp_path / name for name in ("x.json", "y.json", "series.parquet")]
    write_scalers(scalers, *files)
    stored = pd.read_parquet(files[2])
    assert stored.columns.tolist() == ["series", "column", "center", "scale"]
    assert stored["series"].tolist() == ["a", "b", "c"]
    again = read_scalers(*files).series
    for name in ("labels", "center", "scale"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scalers.series, name))
    stored.assign(scale=0.0).to_parquet(files[2])
    with pytest.raises(StoreError, match="a scale that is not above 0"):
        read_series_scales(files[2])
    stored.drop(columns="center").to_parquet(files[2])
    with pytest.raises(StoreError, match="lacks the column"):
        read_series_scales(files[2])
