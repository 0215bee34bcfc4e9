"""Tables of other libraries keep their columns, levels and times, or are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fastlstm import LSTMRegressor
from fastlstm.api.containers import as_pandas, rows_of_one_series
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.errors import DataError
from tests.api.examples import regressor

ROWS = 60
TABLE = pd.DataFrame({"load": np.arange(ROWS) * 1.0, "temp": np.cos(np.arange(ROWS))})
DAYS = pd.date_range("2024-01-01", periods=ROWS // 2)
LEVELS = pd.MultiIndex.from_product([["b", "007"], DAYS], names=["item", "when"])


class Stream:
    """A table or column that offers nothing but the Arrow interface, as Polars and others do."""

    def __init__(self, data, columns=True):
        self._data = data
        if columns:
            self.columns = list(TABLE)
        else:
            self.name = "load"

    def __arrow_c_stream__(self, requested_schema=None):
        return self._data.__arrow_c_stream__(requested_schema)


class Lazy:
    """A table whose values must be computed first."""

    columns = ("load", "temp")


CONTAINERS = {
    "arrow table": pa.Table.from_pandas(TABLE),
    "record batch": pa.RecordBatch.from_pandas(TABLE),
    "arrow stream": Stream(pa.Table.from_pandas(TABLE)),
    "structured array": TABLE.to_records(index=False),
    "integers of numpy": TABLE.astype({"load": "Int64"}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_columns_are_read_by_name(tmp_path, name):
    model = regressor(CONTAINERS[name], CONTAINERS[name], tmp_path)
    assert list(model.X_train) == list(model.Y_train) == ["load", "temp"]
    np.testing.assert_array_equal(model.X_train, TABLE.iloc[: len(model.X_train)])
    inputs = model._inputs
    windows = inputs.windows(CONTAINERS[name], scale=True).values
    turned = inputs.windows(as_pandas(CONTAINERS[name], "data")[["temp", "load"]], scale=True)
    np.testing.assert_array_equal(windows, turned.values)


@pytest.mark.parametrize(
    "values",
    [
        Stream(pa.chunked_array([pa.array(TABLE["load"])]), columns=False),
        pa.array(TABLE["load"]),
        TABLE["load"].tolist(),
    ],
)
def test_one_column_is_a_target(tmp_path, values):
    model = regressor(TABLE, values, tmp_path)
    np.testing.assert_array_equal(model.Y_train.iloc[:, 0], TABLE["load"][: len(model.Y_train)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            Lazy(),
            "X_data: is a test_containers.Lazy, whose names would be lost; give a pandas DataFrame",
        ),
        ({"load": [1.0, 2.0]}, r"is a dict, whose names .* pandas\.DataFrame\(data\)"),
        (
            TABLE.set_axis(pd.MultiIndex.from_product([["a"], TABLE]), axis=1),
            "columns have 2 levels",
        ),
        (np.zeros(ROWS, [("load", float, 2)]), "structured array"),
        (
            TABLE.set_axis(pd.MultiIndex.from_product([["a", "b"], range(ROWS // 2)])),
            "of which 0 hold times",
        ),
        (TABLE.rename(columns={"load": "__load"}), "begins with '__'"),
        (TABLE * 1j, "column 'load' holds complex128; convert it"),
    ],
)
def test_what_would_lose_its_names_is_refused(tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        regressor(data, TABLE["load"].tolist(), tmp_path)


@pytest.mark.parametrize("order", [["item", "when"], ["when", "item"]])
def test_an_index_of_item_and_time_names_series_and_times(tmp_path, order):
    table = TABLE.set_axis(LEVELS).reorder_levels(order)
    model = regressor(table, table[["load"]], tmp_path, frequency="1D", calendar=["weekday"])
    rows = model._rows
    assert rows.table.series_name == "item" and rows.table.time_name == "when"
    assert rows.frame[SERIES].unique().tolist() == ["007", "b"]
    assert (pd.DatetimeIndex(rows.frame[TIME][: len(DAYS)]) == DAYS.tz_localize("UTC")).all()
    one = table.xs("b", level="item", drop_level=False)
    assert len(model._inputs.windows(one, scale=True).series) == len(one) - 5
    with pytest.raises(DataError, match="holds 2 series"):
        model._inputs.windows(table, scale=True)


def test_a_period_is_its_first_moment(tmp_path):
    months = pd.period_range("2015-01", periods=ROWS, freq="M")
    model = regressor(TABLE.set_axis(months), TABLE.to_numpy(), tmp_path, frequency="MS")
    assert model._rows.frame[TIME].iloc[1] == pd.Timestamp("2015-02-01", tz="UTC")


@pytest.mark.parametrize("name", ["series", "time", "sample_weight"])
def test_an_argument_in_another_order_than_the_rows_is_refused(tmp_path, name):
    values = pd.Series(1.0, index=TABLE.index[::-1])
    with pytest.raises(DataError, match=rf"{name}: .* {name}\.reindex\(X_data\.index\)"):
        regressor(TABLE, TABLE, tmp_path, **{name: values})


@pytest.mark.parametrize(
    ("index", "message"),
    [(LEVELS, "has the levels"), (DAYS.append(DAYS), "do not rise")],
)
def test_estimators_refuse_rows_of_several_series(index, message):
    table = TABLE.set_axis(index)
    with pytest.raises(DataError, match=message):
        LSTMRegressor().fit(table, table["load"])


def test_estimators_know_the_columns_of_other_tables():
    found = rows_of_one_series(CONTAINERS["arrow stream"], "X")
    pd.testing.assert_frame_equal(found, TABLE)
    values = TABLE.to_numpy()
    assert rows_of_one_series(values, "X") is values


def test_series_and_times_that_are_given_need_no_index(tmp_path):
    levels = pd.MultiIndex.from_product([["a"], ["b"], range(ROWS)])
    model = regressor(
        TABLE.set_axis(levels), TABLE.to_numpy(), tmp_path, series=["NA"] * ROWS,
        time=pd.date_range("2024-01-01", periods=ROWS),
    )  # fmt: skip
    assert model._rows.frame[SERIES].unique().tolist() == ["NA"]
