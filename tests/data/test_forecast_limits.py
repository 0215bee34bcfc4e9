"""Forecasts keep to the declared limits of their targets, and to nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from fastlstm.config.columns import ColumnRules, DerivedTarget
from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.forecast_limits import limited

HP = Hyperparameters(LSTM_type="regressor")


def settings(**changes) -> DataConfig:
    given = {
        "path": "x.csv",
        "time": "when",
        "features": ["load"],
        "targets": ["sold", "load"],
        "columns": {"sold": {"minimum": 0, "maximum": 9}},
    }
    return DataConfig.model_validate({**given, **changes})


def test_each_target_has_its_own_limits_and_nan_stays():
    forecasts = np.array([[[-2.0, -2.0], [12.0, 12.0]], [[np.nan, 3.0], [4.0, np.nan]]])
    clipped = limited(forecasts, settings(), HP)
    expected = [[[0.0, -2.0], [9.0, 12.0]], [[np.nan, 3.0], [4.0, np.nan]]]
    np.testing.assert_array_equal(clipped, expected)
    assert forecasts[0, 0, 0] == -2.0  # the given array is as it was


def test_quantiles_have_the_targets_on_another_axis():
    quantiles = np.array([[[[-3.0, -1.0, 2.0], [-3.0, -1.0, 2.0]]]])  # (1, 1, targets, quantiles)
    clipped = limited(quantiles, settings(), HP, axis=-2)
    np.testing.assert_array_equal(clipped[0, 0], [[0.0, 0.0, 2.0], [-3.0, -1.0, 2.0]])


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        ({}, {"sold": [0, 9]}),
        ({"clip_forecasts": False}, {}),
        ({"columns": {}}, {}),
        ({"columns": {"sold": {"minimum": 0}}}, {"sold": [0, None]}),
        ({"columns": {"sold": {"maximum": 5, "out_of_range": "missing"}}}, {"sold": [None, 5]}),
        # Rows may lie beyond limits that only warn, and so may forecasts.
        ({"columns": {"sold": {"minimum": 0, "out_of_range": "warning"}}}, {}),
    ],
)
def test_limits_are_those_that_no_checked_row_lies_beyond(changes, limits):
    data = settings(**changes)
    assert data.forecast_limits == limits
    forecasts = np.full((1, 1, 2), -5.0)
    if not limits:
        assert limited(forecasts, data, HP) is forecasts


@pytest.mark.parametrize(
    ("operation", "limits"),
    [("mean", [0, 9]), ("max", [0, 9]), ("sum", [0, 27]), ("any_above", None)],
)
def test_a_derived_target_has_the_limits_of_what_it_derives_from(operation, limits):
    threshold = 1.0 if operation == "any_above" else None
    target = DerivedTarget(column="sold", operation=operation, threshold=threshold, horizon=3)
    data = settings(targets=["later"], derived_targets={"later": target.model_dump()})
    assert data.forecast_limits == ({} if limits is None else {"later": limits})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [[0.0, 0.0], [9.0, 12.0]]),
        ({"columns": {"load": {"minimum": -5, "maximum": 3}}}, [[0.0, 0.0], [12.0, 3.0]]),
        ({"clip_forecasts": False}, [[-2.0, -2.0], [12.0, 12.0]]),
    ],
)
@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
def test_counts_and_their_bounds_are_never_below_zero(changes, expected, loss):
    counts = Hyperparameters(LSTM_type="regressor", loss=loss)
    values = np.array([[-2.0, -2.0], [12.0, 12.0]])
    for kind in ("forecast", "lower", "upper"):
        found = limited(values, settings(**changes), counts, kind=kind)
        np.testing.assert_array_equal(found, expected)


def test_integers_are_rounded_on_request_and_bounds_outwards():
    rules = {"sold": {"dtype": "integer", "minimum": 0}}
    data = settings(columns=rules, round_forecasts=True)
    values = np.array([[1.4, 1.4], [1.6, 1.6], [-0.7, -0.7], [np.nan, 2.5]])
    for kind, sold in (
        ("forecast", [1, 2, 0]), ("lower", [1, 1, 0]), ("upper", [2, 2, 0]),
    ):  # fmt: skip
        found = limited(values, data, HP, kind=kind)
        np.testing.assert_array_equal(found[:, 0], [*sold, np.nan])
        np.testing.assert_array_equal(found[:, 1], values[:, 1])
    raw = limited(values, settings(columns=rules), HP)
    assert raw[0, 0] == 1.4
    derived = DerivedTarget(column="sold", operation="sum", horizon=3).model_dump()
    with_sum = settings(
        columns=rules,
        round_forecasts=True,
        targets=["week", "load"],
        derived_targets={"week": derived},
    )
    assert with_sum.rounded_targets == ["week"]
    with pytest.raises(ValidationError, match="round_forecasts: no target has dtype 'integer'"):
        settings(round_forecasts=True)


def test_a_column_without_rules_has_no_limits():
    assert ColumnRules().limits == (None, None)
