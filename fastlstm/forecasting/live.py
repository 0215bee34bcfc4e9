"""Forecast rows in memory with a stored run: a table at once, or row after row as they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.reading import load_frame
from fastlstm.errors import ConfigError, DataError, StoreError
from fastlstm.forecasting.forecast import LatestForecast, forecast_rows
from fastlstm.forecasting.latest_windows import needed_columns
from fastlstm.registry.opening import open_store
from fastlstm.registry.store import Store
from fastlstm.runs.saved_run import SavedRun


def load_forecaster(
    store: str | Path | Store, model_name: str, run_id: str | None = None
) -> LiveForecaster:
    """The forecaster of a model: its champion, or a named run.

    Args:
        store: a folder, the URL of one such as ``s3://bucket/prefix``, or an opened store.
        model_name: the model; ``<model>/<group>`` where each group has its own.
        run_id: a run to forecast with whatever the champion is.

    Raises:
        ConfigError: no installed package provides a store for such a URL.
        StoreError: the model has no champion, or the run is missing or damaged.
    """
    opened = open_store(store) if isinstance(store, str | Path) else store
    run_id = run_id or opened.champion(model_name).champion
    if run_id is None:
        stored = ", ".join(entry.run_id for entry in opened.runs(model_name)[-5:])
        raise StoreError(
            f"{opened}: model {model_name!r} has no champion; "
            + (f"name one of its runs: {stored}" if stored else "it has no run yet either")
        )
    return LiveForecaster(SavedRun(opened.run_folder(model_name, run_id)))


class LiveForecaster:
    """A stored run that forecasts rows in memory, checked and completed as its train rows were.

    It keeps the last rows of each series: the look-back, and as many rows as features are known ahead.
    ``forecast`` gives what a table of these rows would give.

    Args:
        run: the run.
        history: rows of each series that are kept; more let intervals adapt to the errors of past
            forecasts, as those of a table do. None: as above.

    Raises:
        ValueError: the history is shorter than a look-back, or has to be given.
    """

    def __init__(self, run: SavedRun, history: int | None = None) -> None:
        self.run = run
        timesteps, ahead = run.hyperparameters.timesteps, run.data.ahead_columns.values()
        if history is not None and history < timesteps:
            raise ValueError(f"history: {history} rows are fewer than a look-back of {timesteps}")
        if history is None and run.data.resample is not None:
            raise ValueError(
                "history: rows of the run are made of several rows of its source; give the number of "
                f"source rows that make {timesteps}"
            )
        self._rows = timesteps + max(ahead, default=0) if history is None else history
        self._values = run.data.own_columns(needed_columns(run))
        self._kept: dict[str, dict[pd.Timestamp, tuple[Any, ...]]] = {}
        self._dtypes: Any = None

    @property
    def series(self) -> list[str]:
        """Labels of the series of which rows are kept."""
        return sorted(self._kept)

    def update(self, rows: Mapping[str, Any] | pd.DataFrame) -> None:
        """Take new rows; one at a time that is kept already takes its place.

        Args:
            rows: one row by column name, or a table. A row to forecast that holds what is known ahead
                alone has None for the rest.

        Raises:
            ConfigError: the run's times are told apart by the order of the rows of a table.
            DataError: a column is absent, or a cell cannot be read as declared.
        """
        if self.run.data.clock_changes == "in_order":
            raise ConfigError(
                "data.clock_changes: 'in_order' tells the hours of a clock change apart by the order of "
                "a table's rows, which rows that come one by one do not have; give tables to 'forecast'"
            )
        frame = self._loaded(rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([rows]))
        self._dtypes = frame.dtypes
        columns = [frame[name] for name in self._values]
        for label, moment, *values in zip(frame[SERIES], frame[TIME], *columns, strict=True):
            self._kept.setdefault(str(label), {})[moment] = tuple(values)
        for label in frame[SERIES].unique():
            in_order = sorted(self._kept[str(label)].items(), key=lambda row: row[0])
            self._kept[str(label)] = dict(in_order[-self._rows :])

    def forecast(
        self, rows: pd.DataFrame | None = None, *, series: str | None = None,
        interval_windows: int = 500,
    ) -> LatestForecast:  # fmt: skip
        """Forecast the rows after the last one of each series.

        Args:
            rows: a table of the newest rows; the rows that are kept stay as they are. None: the rows
                that are kept.
            series: forecast this one of the kept series alone.
            interval_windows: most past forecasts of a series that its intervals adapt to.

        Raises:
            DataError: no row is kept, a check failed, or no series can be forecast.
        """
        frame = self._kept_rows(series) if rows is None else self._loaded(rows)
        return forecast_rows(self.run, frame, interval_windows)

    def _loaded(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Given rows with the library's names and types."""
        return load_frame(rows, self.run.data, self._values)

    def _kept_rows(self, series: str | None) -> pd.DataFrame:
        """The kept rows of one series, or of all, as a table."""
        if series is not None and series not in self._kept:
            raise DataError(f"series {series!r}: no row of it is kept; give its rows to 'update'")
        if not self._kept:
            raise DataError("no row is kept; give rows to 'update' first")
        labels = self.series if series is None else [series]
        rows = [
            (label, moment, *values)
            for label in labels
            for moment, values in self._kept[label].items()
        ]
        by_column = zip([SERIES, TIME, *self._values], zip(*rows, strict=True), strict=True)
        return pd.DataFrame(
            {name: pd.Series(values, dtype=self._dtypes[name]) for name, values in by_column}
        )
