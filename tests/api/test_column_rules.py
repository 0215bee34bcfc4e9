"""Forecasts in a notebook keep to the declared range of their target; rows beyond it are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm import LSTMRegressor, fastLSTM
from fastlstm.api.column_rules import column_rules, rules_of_run
from fastlstm.config.data import DataConfig
from fastlstm.errors import ConfigError, DataError
from fastlstm.runs.saved_run import SavedRun
from tests.api.examples import regressor, settings_file, wave_tables

SOLD = pd.DataFrame({"sold": (np.arange(300) % 7 == 0).astype(float)}, wave_tables()[0].index)
COUNTS = {"sold": {"dtype": "integer", "minimum": 0, "maximum": 1}, "b": {"unit": "mm"}}


def test_forecasts_intervals_and_later_trainings_keep_to_them(tmp_path, ready_network):
    x, _ = wave_tables()
    model = regressor(
        x,
        SOLD,
        tmp_path,
        columns=COUNTS,
        round_forecasts=True,
        frequency="1h",
        calendar=[],
        epochs=1,
    )
    model.network_training(1, verbose=0)
    kernel, bias = model.model.layers[-1].get_weights()
    model.model.layers[-1].set_weights([kernel * 0, bias * 0 + 9])
    far = fastLSTM().load_all(settings_file(model))
    for opened in (model, far):
        assert opened._config().data.columns == SavedRun(model.run_folder).data.columns
    far.model.layers[-1].set_weights([kernel * 0, bias * 0 - 9])
    assert (model.model_predict(x) == 1).all() and (far.model_predict(x) == 0).all()
    low, high = model.prediction_intervals(x)
    assert {*np.unique(low), *np.unique(high)} <= {0.0, 1.0}
    forecast, _ = model.network_predictions_evaluation(output_dict=True)
    assert (forecast == 1).all(axis=None)
    assert (model.model_predict(x, descale_result=False) > 1).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sold": {"maximum": 0.5}}, r"Y_data: column 'sold' has 43 values outside \[-inf, 0.5\]"),
        ({"b": {"dtype": "integer"}}, "X_data: column 'b' has 300 values that are no integer, first"),
        ({"a": {"dtype": "boolean"}}, "that are no boolean"),
    ],
)  # fmt: skip
def test_rows_that_break_them(tmp_path, columns, message):
    x, _ = wave_tables()
    with pytest.raises(DataError, match=message):
        regressor(x, SOLD, tmp_path, columns=columns)
    relaxed = {name: {**rules, "dtype": "float"} for name, rules in columns.items()}
    relaxed = {
        n: {**r, "out_of_range": "warning"} if "maximum" in r else r for n, r in relaxed.items()
    }
    model = regressor(x, SOLD, tmp_path, columns=relaxed)
    found = [finding.line() for finding in model._rows.table.findings]
    assert found == (["range · sold: 43 values outside [-inf, 0.5]"] if "sold" in columns else [])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sold": {"minimun": 0}}, "columns.sold.minimun: unknown key; did you mean 'minimum'"),
        ({"sold": {"missing": "drop"}}, "columns.sold.missing: 'drop' given, rows in memory are not"),
        ({"sold": {"maximum": 1, "out_of_range": "missing"}}, "columns.sold.out_of_range: 'missing'"),
        ({"sold": {"minimum": 2, "maximum": 1}}, "columns.sold.*minimum: 2.0 is above maximum 1"),
    ],
)  # fmt: skip
def test_rules_that_are_refused(columns, message):
    with pytest.raises(ConfigError, match=message):
        column_rules(columns)


def test_rules_of_a_column_that_is_none(tmp_path):
    x, _ = wave_tables()
    with pytest.raises(
        ConfigError, match="columns: 'solt' is neither feature, target nor source; did"
    ):
        regressor(x, SOLD, tmp_path, columns={"solt": {"minimum": 0}})
    with pytest.raises(
        ConfigError, match="round_forecasts: no target has dtype 'integer' in columns"
    ):
        regressor(x, SOLD, tmp_path, round_forecasts=True)


def test_numbers_of_dtype_category_are_names(tmp_path):
    x, _ = wave_tables()
    x["day"] = np.arange(300) % 3 + 1
    model = regressor(x, SOLD, tmp_path, columns={"day": {"dtype": "category"}})
    assert list(model.X_train) == ["a", "b", "day=1", "day=2", "day=3"]
    assert len(model._inputs.windows(x, scale=True).values) == 300 - 6 + 1


def test_columns_may_have_any_name(tmp_path):
    x, _ = wave_tables()
    x, y = x.rename(columns={"a": "self"}), pd.Series(np.arange(300) % 3 + 5, x.index, name="self")
    labels = {"LSTM_type": "classifier", "scale_target": False}
    assert regressor(x[["b"]], y, tmp_path, **labels)._targets == ["self: 5", "self: 6", "self: 7"]
    # A feature of the same name is the same column, as in a pipeline.
    both = regressor(x.assign(**{"b": 1.0}).drop(columns="self").join(y), y, tmp_path, **labels)
    assert list(both.X_train) == ["b", "self=5", "self=6", "self=7"]
    with pytest.raises(DataError, match="both have a column 'self', which holds numbers in X_data"):
        regressor(x, y, tmp_path, **labels)
    named = regressor(x, SOLD, tmp_path, known_ahead={"self": 1}, steps_ahead=2)
    assert list(named.X_train) == ["self", "b", "self+1"]


def test_rules_of_a_run_that_is_trained_again():
    derived = {"week": {"column": "sold", "operation": "sum", "horizon": 7}}
    rules = {"dtype": "integer", "minimum": 0, "missing": "drop", "out_of_range": "missing"}
    data = DataConfig.model_validate({
        "path": "x", "time": "when", "features": ["sold"], "targets": ["week"],
        "derived_targets": derived, "columns": {"sold": rules}, "round_forecasts": True,
    })  # fmt: skip
    found = {
        name: rules.model_dump(exclude_unset=True) for name, rules in rules_of_run(data).items()
    }
    assert found["sold"] == {"dtype": "integer", "minimum": 0.0}
    assert found["week"] == {"dtype": "integer", "minimum": 0.0, "maximum": None}


def test_the_estimator_keeps_to_the_range_of_its_targets():
    model = LSTMRegressor(minimum=[0, -np.inf], maximum=5, round_forecasts=True, timesteps=2)
    low, high = model._range(2)
    assert low.tolist() == [0, -np.inf] and high.tolist() == [5, 5]
    model._require_range(np.array([[0.0, -9.0]]))
    with pytest.raises(DataError, match=r"y: 1 values outside \[0.0, 5.0\], first in row 1: -1.0"):
        model._require_range(np.array([[0.0, 0.0], [-1.0, 0.0]]))
    with pytest.raises(ConfigError, match=r"minimum: \[0, -inf\] given for 3 targets"):
        model._range(3)
    with pytest.raises(ConfigError, match="minimum: 6 is above maximum 5"):
        LSTMRegressor(minimum=6, maximum=5)._range(1)


def test_its_forecasts_are_rounded_within_the_range(monkeypatch):
    model = LSTMRegressor(minimum=0, maximum=2, round_forecasts=True)
    monkeypatch.setattr(model, "_outputs", lambda X: X)
    model.hyperparameters_ = type("Settings", (), {"steps_ahead": 1})()
    model.scalers_ = type("Scalers", (), {"unscale_targets": lambda self, y: y})()
    model._flat = True
    found = model.predict(np.array([[-3.0], [0.6], [1.4], [7.0]]))
    assert found.tolist() == [0, 1, 1, 2]
