"""A scaler pickle builds a scaler or nothing."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from fastlstm.data.scaler_files import read_scaler, write_scaler
from fastlstm.errors import StoreError

FRAME = pd.DataFrame({"a": [1.0, 2, 4], "ö": [3.0, 5, 9]})


@pytest.mark.parametrize("kind", [StandardScaler, MinMaxScaler, RobustScaler])
def test_scalers_come_back(tmp_path, kind):
    scaler = kind().fit(FRAME)
    write_scaler(scaler, tmp_path / "s.pkl")
    opened = read_scaler(tmp_path / "s.pkl")
    assert list(opened.feature_names_in_) == ["a", "ö"]
    np.testing.assert_array_equal(opened.transform(FRAME), scaler.transform(FRAME))


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
        (pickle.dumps({"X_scaler": 1}), "holds dict"),
        (b"", "is no pickle"),
        (b"\x80\x05garbage", "is no pickle"),
    ],
)
def test_other_content(tmp_path, content, expected):
    (tmp_path / "s.pkl").write_bytes(content)
    with pytest.raises(StoreError, match=expected):
        read_scaler(tmp_path / "s.pkl")


def test_missing_file(tmp_path):
    with pytest.raises(StoreError, match="cannot be read"):
        read_scaler(tmp_path / "none.pkl")
