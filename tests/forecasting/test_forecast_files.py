"""Files of forecasts are written in blocks of rows, and are those of the whole table."""

from __future__ import annotations

import pandas as pd
import pytest

from fastlstm.data import tables
from fastlstm.data.tables import write_table
from fastlstm.forecasting.forecast_files import export_forecasts


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_blocks_make_the_file_of_the_whole_table(tmp_path, monkeypatch, ending, zone):
    times = pd.date_range("2024-03-30 20:00", periods=10, freq="1h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"series": "007", "time": times, "prediction": range(10)})
    frame.loc[4, "time"] = pd.NaT
    write_table(frame, tmp_path / "made.parquet")
    files = []
    for size in (1 << 20, 3):
        monkeypatch.setattr(tables, "_GROUP", size)
        files.append(tmp_path / f"{size}.{ending}")
        export_forecasts(tmp_path / "made.parquet", files[-1], zone)
    if ending == "csv":
        assert files[0].read_bytes() == files[1].read_bytes()
        lines = files[0].read_text().splitlines()
        assert lines[0] == "series,time,prediction" if zone == "UTC" else "local_time" in lines[0]
        assert len(lines) == 11
        return
    whole, blocks = map(pd.read_parquet, files)
    pd.testing.assert_frame_equal(whole, blocks)
    assert ("local_time" in whole) == (zone != "UTC")
