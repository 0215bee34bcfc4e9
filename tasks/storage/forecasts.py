"""Where forecasts, intervals and summaries of inputs are appended: files, S3 or a database.

Appending is idempotent: a row whose key is stored already is not written again, so a scoring that is
repeated after a kill, or by two processes at once, leaves each row once.

Another place for forecasts is one new file with a class like those of ``forecast_files``,
``forecast_objects`` and ``forecast_tables``, and its line in ``open_forecasts``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pandas as pd

from fastlstm.config.locations import is_database
from tasks.settings import ForecastPlace, S3Settings
from tasks.storage.forecast_rows import Kind


class Forecasts(Protocol):
    """Where forecasts of one model are kept."""

    def append(self, kind: Kind, rows: pd.DataFrame) -> int:
        """Add rows that are not stored yet; return their number."""

    def read(self, kind: Kind, since: pd.Timestamp) -> pd.DataFrame:
        """Every row whose last input row is not before ``since``."""


def open_forecasts(place: ForecastPlace, model_name: str, s3: S3Settings) -> Forecasts:
    """The forecasts of a model at a place.

    Args:
        place: a folder, ``s3://bucket/prefix``, or a database and its table.
        model_name: the model.
        s3: how S3 is reached.
    """
    if is_database(place.path):
        from tasks.storage.forecast_tables import ForecastTables

        assert place.table is not None  # noqa: S101 (the settings demand it)
        return ForecastTables(place.path, place.table, model_name)
    if place.path.startswith("s3://"):
        from tasks.storage.forecast_objects import ForecastObjects

        return ForecastObjects(place.path, model_name, s3)
    from tasks.storage.forecast_files import ForecastFiles

    return ForecastFiles(Path(place.path), model_name)
