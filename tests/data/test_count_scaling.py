"""Counts are divided by the mean of their series' train rows, and nothing is subtracted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.scaling import Scalers, SeriesOfRows, fit_scalers, read_scalers, write_scalers
from fastlstm.data.split import Cuts
from fastlstm.errors import DataError

TRAIN, SCALERS = 30, ["StandardScaler", "MinMaxScaler", "RobustScaler"]
SIZES = {"a": 2.0, "b": 2000.0, "c": 0.3}


def panel() -> pd.DataFrame:
    """Counts of three sizes, and their promotion and temperature."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({
            "series": name, "time": np.arange(40), "sold": rng.poisson(size, 40).astype(float),
            "warm": rng.normal(20, 5, 40),
        })
        for name, size in SIZES.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def fitted(frame: pd.DataFrame, scaler: str, *, by_series: bool, loss: str = "poisson") -> Scalers:
    hp = Hyperparameters(
        LSTM_type="regressor", timesteps=5, scale_targets=True, scaler_type=scaler, loss=loss
    )
    times = frame["time"].to_numpy(np.int64)
    series = SeriesOfRows(frame["series"].to_numpy()) if by_series else None
    return fit_scalers(
        frame[["warm", "sold"]], frame[["sold"]], times, times, Cuts(TRAIN, 35), hp, series=series
    )


@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
@pytest.mark.parametrize("scaler", SCALERS)
def test_each_series_is_divided_by_its_own_train_mean(scaler, loss, tmp_path):
    frame = panel()
    labels = frame["series"].to_numpy()
    scalers = fitted(frame, scaler, by_series=True, loss=loss)
    files = [tmp_path / name for name in ("x.json", "y.json", "series")]
    write_scalers(scalers, *files)
    for found in (scalers, read_scalers(*files)):
        x, y = found.features(frame, labels), found.targets(frame, ["sold"], labels)
        means = frame[frame["time"] < TRAIN].groupby("series")["sold"].mean()
        expected = frame["sold"] / frame["series"].map(means)
        np.testing.assert_allclose(y[:, 0], expected, rtol=1e-6)
        np.testing.assert_array_equal(x[:, 1], y[:, 0])  # the feature as the target
        np.testing.assert_allclose(
            found.unscale_targets(y[:, None, :], labels)[:, 0, 0], frame["sold"], rtol=1e-6
        )
    plain = fitted(frame, scaler, by_series=True, loss="mae")
    np.testing.assert_array_equal(x[:, 0], plain.features(frame, labels)[:, 0])


@pytest.mark.parametrize("scaler", SCALERS)
def test_one_scale_of_the_table_is_the_mean_too(scaler, tmp_path):
    frame = panel()
    scalers = fitted(frame, scaler, by_series=False)
    files = [tmp_path / name for name in ("x.json", "y.json", "series")]
    write_scalers(scalers, *files)
    found = read_scalers(*files)
    expected = frame["sold"] / frame.loc[frame["time"] < TRAIN, "sold"].mean()
    y = found.targets(frame, ["sold"])
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(found.features(frame)[:, 1], expected, rtol=1e-6)
    np.testing.assert_allclose(
        found.unscale_targets(y[:, None, :])[:, 0, 0], frame["sold"], rtol=1e-6
    )
    plain = fitted(frame, scaler, by_series=False, loss="mae")
    np.testing.assert_array_equal(found.features(frame)[:, 0], plain.features(frame)[:, 0])


def test_a_new_series_is_divided_by_the_mean_of_its_rows():
    scalers = fitted(panel(), "StandardScaler", by_series=True)
    new = panel().query("series == 'b'").assign(series="new")
    x = scalers.features(new, new["series"].to_numpy())
    np.testing.assert_allclose(x[:, 1], new["sold"] / new["sold"].mean(), rtol=1e-5)


def test_later_rows_change_no_mean_and_a_series_of_zeros_is_left_as_it_is():
    frame = panel()
    frame.loc[frame["series"] == "c", "sold"] = 0.0
    later = frame.assign(sold=frame["sold"].where(frame["time"] < TRAIN, 99.0))
    found, other = (fitted(f, "StandardScaler", by_series=True) for f in (frame, later))
    np.testing.assert_array_equal(found.series.scale, other.series.scale)
    (number,) = np.flatnonzero(found.series.labels == "c")
    assert found.series.scale[number, found.series.columns.index("sold")] == 1


def test_negative_train_values_are_refused_by_name():
    frame = panel()
    frame.loc[3, "sold"] = -2
    with pytest.raises(
        DataError, match=r"target 'sold' has 1 negative train values, the least -2;"
    ):
        fitted(frame, "StandardScaler", by_series=True)
    fitted(frame, "StandardScaler", by_series=True, loss="mae")
