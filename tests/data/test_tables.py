"""Tables on disk in blocks and columns, and rows grouped by series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.data import tables
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.series import rows_by_series
from fastlstm.data.tables import StoredColumns, read_blocks, read_table, write_table
from fastlstm.errors import StoreError
from fastlstm.evaluation.target_table import TargetTable


def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            SERIES: pd.Series(["a", "b"] * rows, dtype="str").iloc[:rows].sort_values().array,
            TIME: pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC", unit="us"),
            SEGMENT: np.arange(rows),
            "load": np.where(np.arange(rows) % 5 == 4, np.nan, np.arange(rows) / 3),
        }
    )


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 20])
def test_blocks_give_back_the_table(tmp_path, monkeypatch, rows):
    frame, file = table(rows), tmp_path / "t.parquet"
    whole = tmp_path / "whole.parquet"
    write_table(frame, whole)
    monkeypatch.setattr(tables, "_GROUP", 6)
    write_table(frame, file)
    for read in (read_table(file), read_table(whole)):
        pd.testing.assert_frame_equal(read, frame, check_index_type=False)
    blocks = list(read_blocks(file))
    assert all(len(block) <= 6 for block in blocks)
    if rows:
        pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), frame)
    pd.testing.assert_series_equal(
        StoredColumns(file)["load"], frame["load"], check_names=False, check_index_type=False
    )
    assert list(StoredColumns(file)) == list(frame) and len(StoredColumns(file, ["load"])) == 1


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30))
def test_rows_by_series_finds_each_row_once(labels):
    found = rows_by_series(np.array(labels, dtype=object))
    assert list(found) == list(dict.fromkeys(labels))
    for label, rows in found.items():
        assert rows.tolist() == [i for i, other in enumerate(labels) if other == label]


def test_rows_are_found_by_series_and_time():
    frame = table(20)
    targets = TargetTable.of(frame, frame[["load"]])
    chosen = np.array([17, 3, 11, 0, 19])
    origin = frame[TIME].dt.tz_convert(None).to_numpy()[chosen]
    rows = targets.rows_of(targets.series(chosen), origin)
    np.testing.assert_array_equal(rows, chosen)
    for series, moment in (
        ("a", "2026-01-01T19"), ("a", "2026-01-01T00:30"), ("z", "2026-01-01T00"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="not in the clean table"):
            targets.rows_of(np.array([series], dtype=object), np.array([moment], "datetime64[us]"))
