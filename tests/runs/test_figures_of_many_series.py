"""Figures of a large panel read no more of the test predictions than they show."""

from __future__ import annotations

import pandas as pd

from fastlstm.data.tables import write_blocks
from fastlstm.runs.figures import first_series


def test_row_groups_after_the_series_shown_are_not_read(tmp_path):
    series = [f"s{number}" for number in range(8)]
    blocks = [pd.DataFrame({"series": [name, name], "prediction": [1.0, 2.0]}) for name in series]
    write_blocks(blocks, tmp_path / "many.parquet")
    found = first_series(tmp_path / "many.parquet")
    assert found["series"].tolist() == [name for name in series[:4] for _ in range(2)]
    # A series that goes on in the next row group is complete.
    write_blocks([*blocks[:2], blocks[1], *blocks[2:]], tmp_path / "split.parquet")
    assert (first_series(tmp_path / "split.parquet")["series"] == "s1").sum() == 4
    write_blocks(blocks[:1] * 3, tmp_path / "one.parquet")
    assert len(first_series(tmp_path / "one.parquet")) == 6
