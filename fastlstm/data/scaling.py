"""Scalers of features and targets, fitted on train rows alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.scalers import SCALERS
from fastlstm.data.scaler_files import read_scaler, write_scaler
from fastlstm.data.split import Cuts
from fastlstm.data.tables import Columns
from fastlstm.errors import DataError


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
        """Targets as the network is trained on them, float32 ``(n, n_targets)``."""
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
        """Quantile outputs ``(..., n_targets, n_quantiles)`` in the targets' own units, float64."""
        return np.moveaxis(self.unscale_targets(np.moveaxis(y, -1, -2)), -2, -1)


class ScaledArray(np.ndarray):
    """Scaled features, marked by their type so that they are not scaled twice.

    Slices and results of arithmetic keep the type; ``np.asarray`` returns a plain array.
    """


def _by_name(scaler: Any, frame: pd.DataFrame) -> np.ndarray:
    """The columns a scaler was fitted on, scaled, float32."""
    names = list(scaler.feature_names_in_)
    absent = [n for n in names if n not in frame]
    if absent:
        raise DataError(
            f"column {absent[0]!r} is absent; the network was trained with {names}, give all of them"
        )
    return np.asarray(scaler.transform(frame[names]), dtype=np.float32)


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
        later: for features that hold a later row's value, the time of that row, ``(n,)``; see
            ``later_times``. Values of rows after the cut are left out.

    Raises:
        DataError: no train rows.
    """
    train = times < cuts.validation
    if not train.any():
        raise DataError(
            "no row lies before the validation cut; raise hyperparameters.train_size_rate"
        )
    name = hyperparameters.scaler_type
    new_scaler = getattr(importlib.import_module(SCALERS[name]), name)
    unknown = {name: times >= cuts.validation for name, times in (later or {}).items()}
    fitted = new_scaler().fit(_chosen(x, train, unknown))
    if not hyperparameters.scale_targets:
        return Scalers(fitted, None)
    known = train & (label_known < cuts.validation)
    for target in y:
        known &= y[target].notna().to_numpy()
    return Scalers(fitted, new_scaler().fit(_chosen(y, known, {})))


def _chosen(columns: Columns, rows: np.ndarray, unknown: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Chosen rows of a table in one array, which a scaler takes without a copy.

    ``unknown`` values are set to NaN, which scalers ignore.
    """
    names = list(columns)
    values = np.empty((int(rows.sum()), len(names)))
    for position, name in enumerate(names):
        values[:, position] = columns[name].to_numpy()[rows]
        if name in unknown:
            values[unknown[name][rows], position] = np.nan
    return pd.DataFrame(values, columns=names, copy=False)


def write_scalers(scalers: Scalers, x_file: Path, y_file: Path) -> None:
    """Write the scalers; the second file only where targets are scaled."""
    write_scaler(scalers.x, x_file)
    if scalers.y is not None:
        write_scaler(scalers.y, y_file)


def read_scalers(x_file: Path, y_file: Path) -> Scalers:
    """Read what ``write_scalers`` wrote; see ``fastlstm.data.scaler_files.read_scaler``."""
    return Scalers(read_scaler(x_file), read_scaler(y_file) if y_file.exists() else None)
