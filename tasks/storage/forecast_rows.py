"""Rows of forecasts, intervals and summaries of inputs: their keys, and what all places share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd

from fastlstm.errors import StoreError

Kind = Literal["forecasts", "intervals", "inputs"]

# Columns that identify a row. ``after``, the time of the last input row, stands for the forecast
# origin: it is also known to a run without a declared frequency.
KEYS: dict[Kind, list[str]] = {
    "forecasts": ["run_id", "series", "after", "step", "target"],
    "intervals": ["run_id", "series", "after", "step", "target", "level"],
    "inputs": ["run_id", "through", "feature"],
}
# Column with the time of a row's last input row.
MOMENT: dict[Kind, str] = {"forecasts": "after", "intervals": "after", "inputs": "through"}
# How often an append is tried that others disturb.
APPEND_ATTEMPTS = 20


def merge(old: pd.DataFrame | None, new: pd.DataFrame, kind: Kind) -> tuple[pd.DataFrame, int]:
    """Old rows, then the new rows whose key is not among them; and the number of the latter."""
    if old is None:
        return new, len(new)
    stored = pd.MultiIndex.from_frame(old[KEYS[kind]])
    fresh = new[~pd.MultiIndex.from_frame(new[KEYS[kind]]).isin(stored)]
    if "label" in old and "label" in new and old["label"].dtype != new["label"].dtype:
        # Files of earlier versions hold the names of booleans.
        old, fresh = (rows.assign(label=rows["label"].astype("str")) for rows in (old, fresh))
    return (pd.concat([old, fresh], ignore_index=True) if len(fresh) else old), len(fresh)


def rows_by_file(rows: pd.DataFrame, kind: Kind) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows by the only file that may hold their keys: one for each run and day (UTC)."""
    days = rows[MOMENT[kind]].dt.strftime("%Y-%m-%d")
    for (run_id, day), part in rows.groupby([rows["run_id"], days], sort=True):
        yield f"{run_id}/{day}.parquet", part.reset_index(drop=True)


def rows_since(parts: list[pd.DataFrame], kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
    """The rows of all parts whose last input row is not before ``since``."""
    if not parts:
        return pd.DataFrame()
    whole = pd.concat(parts, ignore_index=True)
    return whole[whole[MOMENT[kind]] >= since].reset_index(drop=True)


def read_rows(file: Path | io.BytesIO, where: str = "") -> pd.DataFrame:
    """The rows of a Parquet file.

    Args:
        file: the file, or its content.
        where: its address for the error, where only the content is given.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0][:200]
        raise StoreError(
            f"{where or file}: is damaged ({first}); move it away and score again"
        ) from None
