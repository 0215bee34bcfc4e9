"""A scaler without scikit-learn gives scikit-learn's numbers to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.config.scalers import SCALERS, new_scaler
from fastlstm.data.scaler_files import read_scaler, write_pickle, write_scaler
from fastlstm.data.scaling import Scalers


@pytest.mark.parametrize("name", SCALERS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_it_scales_there_and_back_as_scikit_learn(name, kind, tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(50, 20, (30, 2)).astype(kind), columns=["a", "b"])
    fitted = new_scaler(name).fit(rows)
    write_scaler(fitted, tmp_path / "x.json")
    write_pickle(fitted, tmp_path / "x.pkl")
    for file in (tmp_path / "x.json", tmp_path / "x.pkl"):
        plain = read_scaler(file, plain=True)
        assert plain.name == name
        scaled = fitted.transform(rows)
        np.testing.assert_array_equal(plain.transform(rows), scaled)
        np.testing.assert_array_equal(
            plain.inverse_transform(scaled), fitted.inverse_transform(scaled)
        )
        np.testing.assert_array_equal(
            Scalers(plain, plain).features(rows), Scalers(fitted, fitted).features(rows)
        )
