"""Forecasts in S3: the Parquet files of ``forecast_files`` as objects, replaced by compare-and-swap."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from fastlstm.errors import StoreError
from tasks.settings import S3Settings
from tasks.storage.forecast_rows import (
    APPEND_ATTEMPTS,
    Kind,
    merge,
    read_rows,
    rows_by_file,
    rows_since,
)
from tasks.storage.s3_client import Location, LostRace
from tasks.storage.s3_objects import S3Objects


class ForecastObjects:
    """Forecasts of a model below ``s3://bucket/prefix``."""

    def __init__(self, url: str, model_name: str, s3: S3Settings) -> None:
        self._location, self._model = Location.of(url), model_name
        self._objects = S3Objects(self._location, s3)

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        """Add rows that are not stored yet; return their number."""
        self._objects.require_conditional_writes()
        return sum(
            self._append(self._location.key(self._model, kind, name), part, kind)
            for name, part in rows_by_file(rows, kind)
        )

    def _append(self, key: str, part: pd.DataFrame, kind: Kind) -> int:
        """Add rows to one object by compare-and-swap; return the number added."""
        for _ in range(APPEND_ATTEMPTS):
            old, etag = self._read(key)
            merged, added = merge(old, part, kind)
            if not added:
                return 0
            body = io.BytesIO()
            merged.to_parquet(body, compression="zstd", index=False)
            try:
                self._objects.put(key, body.getvalue(), etag=etag)
            except LostRace:
                continue
            return added
        raise StoreError(
            f"{self._objects.url(key)}: others changed it {APPEND_ATTEMPTS} times meanwhile; try again"
        )

    def _read(self, key: str) -> tuple[pd.DataFrame | None, str | None]:
        """The rows of an object and its ETag, or None twice where there is none."""
        found = self._objects.read(key)
        if found is None:
            return None, None
        return read_rows(io.BytesIO(found[0]), self._objects.url(key)), found[1]

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        """Every row whose last input row is not before ``since``."""
        home, first, parts = self._location.key(self._model, kind) + "/", f"{since:%Y-%m-%d}", []
        for key in sorted(item["Key"] for item in self._objects.find(home)):
            if key.endswith(".parquet") and Path(key).stem >= first:
                frame, _ = self._read(key)
                if frame is not None:
                    parts.append(frame)
        return rows_since(parts, kind, since)
