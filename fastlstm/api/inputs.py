"""From what a user holds to the scaled windows a network takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fastlstm.api.containers import arrow_column, as_pandas, levels_of
from fastlstm.api.known_columns import known_columns_of
from fastlstm.api.row_categories import with_indicators
from fastlstm.config.data import DataConfig
from fastlstm.data.labels import as_labels, mistaken_labels
from fastlstm.data.scaling import ScaledArray, Scalers
from fastlstm.data.tables import with_columns
from fastlstm.errors import ConfigError, DataError
from fastlstm.windows.origins import input_windows


@dataclass(frozen=True)
class InputWindows:
    """Windows as a network takes them.

    Attributes:
        values: float32 ``(n, timesteps, n_features)``.
        scalers: those of the network, with scales of series that are new to it.
        series: label of each window's series, ``(n,)``; None where series have no scales of their own,
            or the series of windows that were scaled before is not known.
    """

    values: np.ndarray
    scalers: Scalers | None
    series: np.ndarray | None = None


@dataclass(frozen=True)
class NetworkInputs:
    """The inputs of one network, and how to make them from frames, series and arrays.

    Attributes:
        features: names of the inputs, in the network's order.
        timesteps: rows of a window.
        data: what is known of later rows.
        scalers: fitted on the network's train rows; None before there are any.
        series_column: name of the series column of the rows it was trained on; None without one.
        static: features with one value per series.
    """

    features: list[str]
    timesteps: int
    data: DataConfig
    scalers: Scalers | None
    series_column: str | None = None
    static: Collection[str] = ()

    def sample(self, data: Any, last_row: int, *, scale: bool, series: Any = None) -> np.ndarray:
        """The window that ends with a row of a table.

        Args:
            data: a DataFrame, a Series or an array ``(n, n_features)``.
            last_row: number of the last input row.
            scale: whether to scale it.
            series: its series; see ``windows``.

        Returns:
            ``(1, timesteps, n_features)``; a ``ScaledArray`` where it is scaled.

        Raises:
            DataError: too few rows before it, or a column is absent.
        """
        data = as_pandas(data, "X")
        rows = self._rows(data)
        if not self.timesteps - 1 <= last_row < len(rows):
            raise DataError(
                f"current_datetime_idx: {last_row} given, {len(rows)} rows and timesteps "
                f"{self.timesteps} allow {self.timesteps - 1} to {len(rows) - 1}"
            )
        window = rows[last_row - self.timesteps + 1 : last_row + 1][None]
        if not scale:
            return window
        return self._scaled(window, self._labels(data, series, 1)).values.view(ScaledArray)

    def windows(self, data: Any, *, scale: bool, series: Any = None) -> InputWindows:
        """Scaled windows of a table, of one window or of several.

        Args:
            data: a DataFrame or Series, one series in order of time; one window
                ``(timesteps, n_features)``; or windows ``(n, timesteps, n_features)``.
            scale: whether to scale them. A ``ScaledArray`` is not scaled again.
            series: label of their series, or of each window's, ``(n,)``, for a network of a panel
                whose series have scales. None: that of the table's series column; without one, each
                window is a series of its own. A new series is scaled by the given rows.

        Returns:
            The windows; of a table one for each row from the ``timesteps``-th on, the last row of the
            window.

        Raises:
            ConfigError: no scaler yet, or as many labels as windows are needed.
            DataError: a column is absent, the shape does not fit, or a value is missing.
        """
        if not isinstance(data, ScaledArray):
            data = as_pandas(data, "data")
        rows = self._rows(data)
        if isinstance(data, pd.DataFrame | pd.Series):
            windows = self._windows_of_table(rows)
        else:
            windows = self._windows_of_array(rows)
        self._require_known(windows)
        labels = self._labels(data, series, len(windows))
        if scale and not isinstance(data, ScaledArray):
            return self._scaled(windows, labels)
        known = labels if series is not None else None
        return InputWindows(windows.astype(np.float32), self.scalers, known)

    def _labels(self, data: Any, series: Any, count: int) -> np.ndarray | None:
        """The series of each of ``count`` windows; None where series have no scales of their own."""
        if self.scalers is None or self.scalers.series is None:
            return None
        if series is None and isinstance(data, pd.DataFrame | pd.Series):
            series = self._series_of(data)
        if series is None:
            # No label of a stored series holds this character.
            return np.array([f"\0{number}" for number in range(count)])
        one = isinstance(series, str | int | np.integer)
        column = arrow_column([series] if one else series, "series")
        labels = as_labels(column, "series", first_row=0).to_numpy(str)
        if pa.types.is_integer(column.type):
            self._require_no_mistaken(labels)
        if len(labels) not in (1, count):
            raise ConfigError(
                f"series: {len(labels)} labels for {count} windows; give one for each"
            )
        return np.resize(labels, count)

    def _require_no_mistaken(self, labels: np.ndarray) -> None:
        """Refuse numbers for labels that were text with zeros in front."""
        scales = self.scalers.series if self.scalers is not None else None
        mistaken = {} if scales is None else mistaken_labels(labels, scales.labels)
        if mistaken:
            label, known = next(iter(mistaken.items()))
            raise DataError(
                f"series: {label} is a number, the network knows {known!r}; give labels as text, e.g. "
                "pandas.read_csv(file, dtype={'<series column>': str})"
            )

    def _series_of(self, table: pd.DataFrame | pd.Series) -> Any:
        """The series of a table, by its column or the level of its index; None where it has neither."""
        if isinstance(table, pd.DataFrame) and self.series_column in table:
            return _only_series(table[self.series_column])
        of_index = levels_of(table.index, "data").series
        return None if of_index is None else _only_series(of_index)

    def _rows(self, data: Any) -> np.ndarray:
        """Unscaled values in the network's column order; windows of an array stay windows."""
        names = self.features
        if isinstance(data, pd.Series):
            data = data.to_frame(names[0] if data.name is None else str(data.name))
        if isinstance(data, pd.DataFrame):
            if isinstance(data.index, pd.MultiIndex):
                self._series_of(data)  # refuses several series, whose rows no window may mix
            table = self._with_covariates(data.rename(columns=str))
            absent = [name for name in names if name not in table]
            if absent:
                raise DataError(f"column {absent[0]!r} is absent; the network needs {names}")
            of_features: np.ndarray = table[names].to_numpy(np.float64)
            return of_features
        rows = np.asarray(data, dtype=np.float64)
        return rows[:, None] if rows.ndim == 1 and len(names) == 1 else rows

    def _with_covariates(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Add indicators and the features of what is known ahead; drop the last rows that hold nothing
        else."""
        end = len(rows)
        known = {*self.data.known_columns}
        if (known | self._indicators_of(known)) & {*rows}:
            complete = np.flatnonzero(rows[self._observed_in(rows)].notna().any(axis=1))
            end = int(complete[-1]) + 1 if len(complete) else end
        named = with_indicators(rows, self.data)
        return with_columns(named, known_columns_of(named, self.data)).iloc[:end]

    def _indicators_of(self, columns: Collection[str]) -> set[str]:
        """Features that indicate a category of one of these columns."""
        found = self.data.indicator_columns
        return {name for name, (column, _) in found.items() if column in columns}

    def _observed_in(self, rows: pd.DataFrame) -> list[str]:
        """The columns of a table that tell whether a row has happened.

        Raises:
            DataError: all features are known ahead, and the table has no target.
        """
        data = self.data
        made = {*data.ahead_columns, *data.calendar_columns, *data.series_columns}
        known = {*data.known_columns, *self.static, *made}
        known |= self._indicators_of(known)
        names = [name for name in (*data.read_features, *self.features) if name not in known]
        if not names:
            names = [name for name in (*data.target_columns, *data.targets) if name in rows]
        if not names:
            raise DataError(
                f"all features are known ahead, so the targets tell which rows have happened; give "
                f"{data.target_columns[0]!r} too, empty in rows to forecast"
            )
        return [name for name in names if name in rows]

    def _windows_of_table(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) < self.timesteps:
            raise DataError(f"{len(rows)} rows given, one window needs {self.timesteps}")
        ends = np.arange(self.timesteps, len(rows) + 1)
        return input_windows(rows, ends, self.timesteps)

    def _windows_of_array(self, rows: np.ndarray) -> np.ndarray:
        windows = rows[None] if rows.ndim == 2 else rows
        shape = (self.timesteps, len(self.features))
        if windows.shape[1:] != shape:
            raise DataError(
                f"windows of shape {windows.shape[1:]} given, the network needs {shape}: timesteps by "
                f"{self.features}"
            )
        return windows

    def _require_known(self, windows: np.ndarray) -> None:
        """Refuse missing values, with the remedy for those of a known future covariate."""
        empty = np.isnan(windows).any(axis=(0, 1))
        missing = [name for name, bad in zip(self.features, empty, strict=True) if bad]
        if not missing:
            return
        rows_ahead = self.data.ahead_columns
        if all(name in rows_ahead for name in missing):
            rows = rows_ahead[missing[0]]
            source = self.data.read_ahead(missing[0])
            raise DataError(
                f"{source!r} is not known for all of the {rows} rows after the last; append rows that "
                "hold it, with the other columns empty"
            )
        raise DataError(f"column {missing[0]!r} holds missing values; fill or drop them first")

    def _scaled(self, windows: np.ndarray, labels: np.ndarray | None) -> InputWindows:
        if self.scalers is None:
            raise ConfigError("no scaler yet; give X_data and Y_data, or open a run with load_all")
        flat = pd.DataFrame(windows.reshape(-1, windows.shape[-1]), columns=self.features)
        if labels is None:
            return InputWindows(self.scalers.features(flat).reshape(windows.shape), self.scalers)
        order = np.argsort(labels, kind="stable")
        of_rows = np.repeat(labels[order], windows.shape[1])
        sorted_rows = windows[order].reshape(-1, windows.shape[-1])
        scalers = self.scalers.extended(pd.DataFrame(sorted_rows, columns=self.features), of_rows)
        scaled = scalers.features(flat, np.repeat(labels, windows.shape[1]))
        return InputWindows(scaled.reshape(windows.shape), scalers, labels)


def _only_series(labels: pd.Series) -> Any:
    """The series of a table that holds one, as it stands there.

    Raises:
        DataError: it holds several.
    """
    found = as_labels(arrow_column(labels, "series"), "series", first_row=0).unique()
    if len(found) != 1:
        raise DataError(
            f"{labels.name!r} holds {len(found)} series, first {list(found[:2])}; give the rows of one "
            "series at a time"
        )
    return labels.iloc[0]
