"""Forecasts as files that people open: CSV or Parquet by the ending, with times of their own zone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.data.tables import read_blocks, write_blocks

ENDINGS = (".parquet", ".csv")


def export_forecasts(made: Path, output: Path, time_zone: str) -> None:
    """Write a table of forecasts, or of their intervals, by the ending of the file.

    Where ``time_zone`` is not UTC, a column ``local_time`` after ``time`` has the same times in it.
    In CSV both are ISO 8601 with an offset, and numbers have as many digits as they need. A million rows
    are in memory at a time.

    Args:
        made: Parquet file of the table.
        output: file that ends with '.parquet' or '.csv'; it appears whole.
        time_zone: IANA zone of the rows.
    """
    blocks = (_with_local_time(block, time_zone) for block in read_blocks(made))
    with writing_to(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as temporary:
        if output.suffix == ".parquet":
            write_blocks(blocks, temporary)
            return
        with temporary.open("w", encoding="utf-8", newline="") as text:
            for number, block in enumerate(blocks):
                for name in block.select_dtypes("datetimetz"):
                    block[name] = block[name].map(lambda time: time.isoformat(), na_action="ignore")
                block.to_csv(text, index=False, header=number == 0, lineterminator="\n")


def _with_local_time(table: pd.DataFrame, time_zone: str) -> pd.DataFrame:
    """Rows with a column of the times in a zone other than UTC."""
    if time_zone != "UTC" and "time" in table:
        times = pd.DatetimeIndex(table["time"])
        local = (times if times.tz is not None else times.tz_localize("UTC")).tz_convert(time_zone)
        table.insert(list(table).index("time") + 1, "local_time", local)
    return table
