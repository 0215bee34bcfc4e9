"""Times, series and targets of the class by the names of columns, rows in any order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fastlstm import fastLSTM
from fastlstm.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=60)
ROWS = pd.DataFrame({
    "day": [f"{day:%d/%m/%Y}" for day in DAYS for _ in range(2)],
    "store": ["007", "NA"] * 60,
    "item": ["milk"] * 120,
    "sold": np.arange(120.0) % 7,
    "price": np.arange(120.0) % 5,
})  # fmt: skip
SETTINGS = {
    "time_format": "%d/%m/%Y", "frequency": "1D", "timesteps": 3, "LSTM_type": "regressor",
}  # fmt: skip


def polars(frame):
    return pytest.importorskip("polars").DataFrame(frame.to_dict("list"))


@pytest.mark.parametrize("library", [pd.DataFrame, pa.Table.from_pandas, polars])
def test_a_table_in_any_order_is_that_of_sorted_rows(library):
    mixed = ROWS.drop(columns="item").sample(frac=1, random_state=3).reset_index(drop=True)
    named = fastLSTM(library(mixed), "sold", series="store", time="day", **SETTINGS)
    rows = ROWS.sort_values(["store", "day"], key=lambda c: c if c.name == "store" else
                            pd.to_datetime(c, format="%d/%m/%Y"))  # fmt: skip
    given = fastLSTM(
        rows[["sold", "price"]], rows[["sold"]], series=rows["store"], time=rows["day"], **SETTINGS
    )
    np.testing.assert_array_equal(named.X_train_s, given.X_train_s)
    np.testing.assert_array_equal(named.Y_test_s, given.Y_test_s)


def test_several_columns_name_series_together():
    model = fastLSTM(ROWS, ["sold"], series=["store", "item"], time="day", **SETTINGS)
    assert list(model.X_data) == ["sold", "price"]
    assert sorted(set(model._row_settings.series)) == ["007/milk", "NA/milk"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"series": "shop"}, "series: X_data has no column 'shop'; columns: day, store"),
     ({"time": "hour"}, "time: X_data has no column 'hour'")],
)  # fmt: skip
def test_a_name_that_no_column_has_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        fastLSTM(ROWS, "sold", **{"series": "store", "time": "day", **changes}, **SETTINGS)
