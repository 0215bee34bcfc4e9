"""Forecasts in a folder: Parquet files ``<model>/<kind>/<run id>/<day>.parquet``."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import replacing
from fastlstm.data.tables import write_table
from tasks.storage.forecast_rows import Kind, merge, read_rows, rows_by_file, rows_since


class ForecastFiles:
    """Forecasts of a model in a folder; one process at a time appends, under a lock."""

    def __init__(self, root: Path, model_name: str) -> None:
        self._home = root / model_name

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        """Add rows that are not stored yet; return their number."""
        added = 0
        with writing_to(self._home), self._lock():
            for name, part in rows_by_file(rows, kind):
                file = self._home / kind / name
                merged, fresh = merge(read_rows(file) if file.exists() else None, part, kind)
                if fresh:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(file) as temporary:
                        write_table(merged, temporary)
                added += fresh
        return added

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        """Every row whose last input row is not before ``since``."""
        first = f"{since:%Y-%m-%d}"
        files = sorted((self._home / kind).glob("*/[0-9]*.parquet"))
        return rows_since([read_rows(f) for f in files if f.stem >= first], kind, since)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of the forecasts of a model."""
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
