"""Scalers fitted on train rows only, and the scaled table the windows are cut from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts import write_json
from fastlstm.config import DataConfig, RetrainConfig
from fastlstm.drift import INPUTS_FILE, reference
from fastlstm.errors import DataError
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.loading import SERIES, TIME, Columns, StoredColumns, read_blocks, write_blocks
from fastlstm.scaler_files import read_scaler, write_scaler
from fastlstm.split import Cuts, cut_times
from fastlstm.validation import SEGMENT

SCALED_FILE = "scaled.parquet"
X_SCALER_FILE, Y_SCALER_FILE = "x_scaler.pkl", "y_scaler.pkl"


@dataclass(frozen=True)
class Scalers:
    """The fitted scaler of the features and, with ``scale_targets``, that of the targets."""

    x: Any
    y: Any | None

    def features(self, frame: pd.DataFrame) -> np.ndarray:
        """Scaled features, float32 ``(n, n_features)``, columns taken by name.

        Raises:
            DataError: a column the scaler was fitted on is absent.
        """
        return _by_name(self.x, frame)

    def targets(self, frame: pd.DataFrame, names: list[str]) -> np.ndarray:
        """Targets as the network learns them, float32 ``(n, n_targets)``."""
        if self.y is None:
            return frame[names].to_numpy(np.float32)
        return _by_name(self.y, frame)

    def unscale_targets(self, y: np.ndarray) -> np.ndarray:
        """Outputs ``(..., n_targets)`` in the targets' own units, float64."""
        if self.y is None:
            return y.astype(np.float64)
        flat = y.reshape(-1, y.shape[-1]).astype(np.float64)
        frame = pd.DataFrame(flat, columns=self.y.feature_names_in_)
        return np.asarray(self.y.inverse_transform(frame)).reshape(y.shape)

    def unscale_each(self, y: np.ndarray) -> np.ndarray:
        """Outputs with their quantiles, ``(..., n_targets, n_quantiles)``, likewise."""
        return np.moveaxis(self.unscale_targets(np.moveaxis(y, -1, -2)), -2, -1)


class ScaledArray(np.ndarray):
    """Features that are scaled already; it says so wherever it goes, so they are not scaled twice.

    Slices and results of arithmetic stay such an array; ``np.asarray`` makes a plain one.
    """


def _by_name(scaler: Any, frame: pd.DataFrame) -> np.ndarray:
    names = list(scaler.feature_names_in_)
    absent = [n for n in names if n not in frame]
    if absent:
        raise DataError(f"column {absent[0]!r} is absent; the network was trained with {names}")
    return np.asarray(scaler.transform(frame[names]), dtype=np.float32)


def microseconds(times: pd.Series) -> np.ndarray:
    """UTC time stamps as int64 microseconds since 1970."""
    return pd.DatetimeIndex(times).tz_convert(None).as_unit("us").asi8


def label_end(times: np.ndarray, segment: np.ndarray, lookahead: int) -> np.ndarray:
    """Time of the last row each row's target depends on, its own time where none lies ahead."""
    end = times.copy()
    if lookahead and len(times) > lookahead:
        same = segment[:-lookahead] == segment[lookahead:]
        end[:-lookahead] = np.where(same, times[lookahead:], times[:-lookahead])
    return end


def fit_scalers(
    x: Columns,
    y: Columns,
    times: np.ndarray,
    label_known: np.ndarray,
    cuts: Cuts,
    hyperparameters: Hyperparameters,
    later: Mapping[str, np.ndarray] | None = None,
) -> Scalers:
    """Fit the scalers on train rows: rows before the validation cut.

    A derived target's rows count as train only when all rows its value depends on do.

    Args:
        x: features of every row.
        y: targets of every row; rows with an undefined target are left out.
        times: time of each row in microseconds since 1970 (UTC), ``(n,)``.
        label_known: time of the last row each row's target depends on; see ``label_end``.
        cuts: the cut times.
        hyperparameters: ``scaler_type`` and ``scale_targets``.
        later: of features that hold a later row's value, the time of that row, ``(n,)``; see
            ``later_times``. What lies behind the cut is left out.

    Raises:
        DataError: no train rows.
    """
    from sklearn import preprocessing

    train = times < cuts.validation
    if not train.any():
        raise DataError("no row lies before the validation cut; raise train_size_rate")
    make = getattr(preprocessing, hyperparameters.scaler_type)
    unknown = {name: times >= cuts.validation for name, times in (later or {}).items()}
    fitted = make().fit(_chosen(x, train, unknown))
    if not hyperparameters.scale_targets:
        return Scalers(fitted, None)
    known = train & (label_known < cuts.validation)
    for name in y:
        known &= y[name].notna().to_numpy()
    return Scalers(fitted, make().fit(_chosen(y, known, {})))


def later_times(
    times: np.ndarray, segment: np.ndarray, ahead: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Time of the row whose value each feature of ``ahead`` holds, so many rows later, ``(n,)`` each."""
    return {name: label_end(times, segment, rows) for name, rows in ahead.items()}


def _chosen(columns: Columns, rows: np.ndarray, unknown: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Rows of a table as one array, which a scaler takes without another copy.

    ``unknown`` values are missing, which scalers leave out of account.
    """
    names = list(columns)
    values = np.empty((int(rows.sum()), len(names)))
    for position, name in enumerate(names):
        values[:, position] = columns[name].to_numpy()[rows]
        if name in unknown:
            values[unknown[name][rows], position] = np.nan
    return pd.DataFrame(values, columns=names, copy=False)


def scale_into(folder: Path, clean: Path, config: RetrainConfig) -> dict[str, Any]:
    """Cut, fit, scale and write the scaled table, the scalers and a summary of the train inputs.

    The scaled table has ``__series``, ``__time``, ``__segment``, ``x.<feature>`` and
    ``y.<target>`` (float32). The clean table, a Parquet file, is read by column to fit and by block
    to scale, so that no more than its train features are in memory at once.

    Raises:
        DataError: a split would be empty, or a value is too large for float32.
    """
    data, hp = config.data, config.hyperparameters
    index = StoredColumns(clean)
    times = microseconds(index[TIME])
    cuts = cut_times(times, hp.train_size_rate, hp.validation_size_rate)
    segment = index[SEGMENT].to_numpy()
    known = label_end(times, segment, data.lookahead)
    features = StoredColumns(clean, data.features)
    targets = StoredColumns(clean, data.targets)
    later = later_times(times, segment, data.ahead_columns)
    scalers = fit_scalers(features, targets, times, known, cuts, hp, later)
    write_blocks(
        (_scaled(rows, scalers, data) for rows in read_blocks(clean)), folder / SCALED_FILE
    )
    write_scalers(scalers, folder / X_SCALER_FILE, folder / Y_SCALER_FILE)
    train = times < cuts.validation
    # The calendar moves on whatever the inputs do, and what a series is only with the choice of series:
    # both would look like drift.
    read = StoredColumns(clean, [name for name in data.read_features if name not in data.static])
    write_json(folder / INPUTS_FILE, reference(read, train))
    return {
        "rows": len(times),
        "train_rows": int(train.sum()),
        "cuts": {"validation": cuts.validation, "test": cuts.test},
        "features": data.features,
        "targets": data.targets,
    }


def _scaled(clean: pd.DataFrame, scalers: Scalers, data: DataConfig) -> pd.DataFrame:
    with np.errstate(over="ignore"):  # looked for below
        x = scalers.features(clean)
        y = scalers.targets(clean, data.targets)
    columns = {name: clean[name] for name in (SERIES, TIME, SEGMENT)}
    for kind, names, values in (("x", data.features, x), ("y", data.targets, y)):
        for column, name in enumerate(names):
            beyond = np.isinf(values[:, column])
            if beyond.any():
                row = int(beyond.argmax())
                raise DataError(
                    f"column {name!r}: {float(clean[name].iloc[row])!r} at "
                    f"{clean[TIME].iloc[row].isoformat()} is too large for the network's float32; "
                    "give the column in another unit, or set hyperparameters.scale_targets for "
                    "targets"
                )
            columns[f"{kind}.{name}"] = pd.Series(values[:, column])
    return pd.DataFrame(columns, copy=False)


def write_scalers(scalers: Scalers, x_file: Path, y_file: Path) -> None:
    """Write the scalers; the second file only where targets are scaled."""
    write_scaler(scalers.x, x_file)
    if scalers.y is not None:
        write_scaler(scalers.y, y_file)


def read_scalers(x_file: Path, y_file: Path) -> Scalers:
    """Read what ``write_scalers`` wrote; see ``fastlstm.scaler_files.read_scaler``."""
    return Scalers(read_scaler(x_file), read_scaler(y_file) if y_file.exists() else None)
