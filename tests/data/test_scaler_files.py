"""A stored scaler comes back exactly; a pickle of anything else is refused, and nothing in it runs."""

from __future__ import annotations

import json
import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from fastlstm.data.scaler_files import read_scaler, write_pickle, write_scaler
from fastlstm.errors import StoreError

FRAME = pd.DataFrame({"a": [1.0, 2, 4], "ö": [3.0, 5, 9]})


@pytest.mark.parametrize("kind", [StandardScaler, MinMaxScaler, RobustScaler])
def test_scalers_come_back(tmp_path, kind):
    scaler = kind().fit(FRAME)
    write_scaler(scaler, tmp_path / "s.json")
    for protocol in (2, 4, 5):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(scaler, protocol=protocol))
    for file in sorted(tmp_path.iterdir()):
        opened = read_scaler(file)
        assert type(opened) is kind and vars(opened).keys() == vars(scaler).keys()
        np.testing.assert_array_equal(opened.transform(FRAME), scaler.transform(FRAME))


def test_the_pickle_of_a_run_is_for_users(tmp_path):
    scaler = RobustScaler().fit(FRAME)
    write_pickle(scaler, tmp_path / "s.pkl")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "s.pkl").transform(FRAME), scaler.transform(FRAME)
    )


def test_columns_without_a_value_come_back(tmp_path):
    scaler = StandardScaler().fit(FRAME.assign(a=[1.0, np.nan, np.nan]))
    scaler.mean_[1] = np.nan
    write_scaler(scaler, tmp_path / "s.json")
    np.testing.assert_array_equal(read_scaler(tmp_path / "s.json").mean_, scaler.mean_)


class Pointer:
    """Pickles as an array whose declared type is that of objects at an address of the file's choice."""

    def __reduce__(self):
        return np.dtype, ("f8", False, True), (3, "|", None, None, None, 8, 1, 63)


def test_a_state_set_on_a_type_of_numpy_is_refused(tmp_path):
    scaler = StandardScaler().fit(FRAME)
    scaler.mean_ = Pointer()
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(scaler))
    with pytest.raises(StoreError, match="an attribute that is dtype"):
        read_scaler(tmp_path / "s.pkl")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("mean_", [1.0]), ("mean_", "1"), ("mean_", [[1.0], [2.0]]), ("mean_", [1.0, "x"]),
     ("n_features_in_", 10**9), ("n_features_in_", True), ("feature_names_in_", [1, 2]),
     ("with_mean", 1), ("transform", [1.0, 2.0]), ("__class__", 3), ("scale_", None)],
)  # fmt: skip
def test_attributes_that_no_scaler_has(tmp_path, attribute, value):
    write_scaler(StandardScaler().fit(FRAME), tmp_path / "s.json")
    stored = json.loads((tmp_path / "s.json").read_text())
    stored["attributes"][attribute] = value
    if value is None:
        del stored["attributes"][attribute]
    (tmp_path / "s.json").write_text(json.dumps(stored))
    with pytest.raises(StoreError, match=r"s\.json: holds a damaged scaler"):
        read_scaler(tmp_path / "s.json")


class Shell:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


class Evil:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return eval, (f"open({str(self.canary)!r}, 'w')",)


@pytest.mark.parametrize("kind", [Shell, Evil])
def test_code_in_a_pickle_does_not_run(tmp_path, kind):
    canary = tmp_path / "canary"
    for shape in (kind(canary), [kind(canary)], np.array([kind(canary)], dtype=object)):
        (tmp_path / "s.pkl").write_bytes(pickle.dumps(shape))
        with pytest.raises(StoreError, match=r"s\.pkl.*it names (posix\.system|builtins\.eval)"):
            read_scaler(tmp_path / "s.pkl")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pickle.dumps(LinearRegression()), "it names sklearn.linear_model"),
        (pickle.dumps({"X_scaler": 1}), "is no pickle of a scaler"),
        (b"", "is no pickle"),
        (b"\x80\x05garbage", "is no pickle"),
    ],
)
def test_other_content(tmp_path, content, expected):
    (tmp_path / "s.pkl").write_bytes(content)
    with pytest.raises(StoreError, match=expected):
        read_scaler(tmp_path / "s.pkl")


def test_missing_file(tmp_path):
    with pytest.raises(StoreError, match="is missing"):
        read_scaler(tmp_path / "none.pkl")
