"""Rows that are sorted on disk make the file that sorting them in memory makes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.storage import sorted_rows
from tasks.storage.sorted_rows import write_sorted

ROWS = 3000


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    value = rng.normal(size=ROWS)
    value[::50] = np.nan
    return pa.table(
        {
            "site": rng.choice(["b", "a", "ä"], ROWS, p=[0.9, 0.05, 0.05]),
            "count": pa.array(rng.integers(0, 5, ROWS), mask=rng.random(ROWS) < 0.1),
            "value": value,
        }
    )


def blocks(rows: pa.Table, size: int) -> list[pa.Table]:
    """The first block knows no count, and the second counts whole numbers."""
    cut = [rows.slice(start, size) for start in range(0, len(rows), size)]
    return [
        cut[0].set_column(1, "count", pa.nulls(size)),
        cut[1],
        *(block.set_column(1, "count", block["count"].cast(pa.float64())) for block in cut[2:]),
    ]


def test_the_file_depends_on_the_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sorted_rows, "_GROUP", 700)
    rng, given = np.random.default_rng(1), blocks(table(), 100)
    shuffled = [given[0], *(given[number] for number in rng.permutation(np.arange(1, 30)))]
    files = []
    for number, (order, at_once) in enumerate(((given, 10**6), (given, 400), (shuffled, 250))):
        scratch = tmp_path / f"scratch {number}"
        scratch.mkdir()
        files.append(tmp_path / f"{number}.parquet")
        assert write_sorted(iter(order), files[-1], scratch, at_once) == ROWS
        assert not list(scratch.iterdir())
    assert len({file.read_bytes() for file in files}) == 1
    found = pq.read_table(files[0])
    assert found.schema.types == [pa.string(), pa.float64(), pa.float64()]
    assert pq.read_metadata(files[0]).num_row_groups == 5
    right = pa.concat_tables(given, promote_options="permissive")
    right = right.sort_by([(name, "ascending") for name in right.column_names])
    pd.testing.assert_frame_equal(found.to_pandas(), right.to_pandas())


def test_no_more_rows_than_allowed_are_sorted_at_once(tmp_path, monkeypatch):
    sizes, right = [], sorted_rows._sorted
    monkeypatch.setattr(sorted_rows, "_sorted", lambda t: sizes.append(len(t)) or right(t))
    given = [block.drop(["site"]) for block in blocks(table(), 100)]
    write_sorted(iter(given), tmp_path / "f.parquet", tmp_path, 400)
    # Ranges are of about the same size.
    assert len(sizes) > 7 and sum(sizes[1:]) == ROWS and max(sizes) < 800


def test_no_rows_and_types_that_have_no_common_one(tmp_path):
    empty = table().slice(0, 0)
    assert write_sorted([empty], tmp_path / "empty.parquet", tmp_path) == 0
    assert pq.read_table(tmp_path / "empty.parquet").column_names == empty.column_names
    with pytest.raises(pa.ArrowException):
        write_sorted([table(), pa.table({"count": ["x"]})], tmp_path / "f.parquet", tmp_path)
