"""Runs that fastLSTM 1.0 wrote; the format is described in ``docs/how-to/old-runs.md``.

They have no manifest with hashes, and are opened without trust like any run: file names may not leave
the folder, scalers are read without unpickling, and the network with Keras' ``safe_mode``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.config.hyperparameter_defaults import ALIASES
from fastlstm.config.hyperparameters import STORED, Hyperparameters
from fastlstm.config.keras_names import canonical_loss
from fastlstm.config.messages import describe
from fastlstm.data.scaler_files import read_scaler_pair
from fastlstm.data.scaling import Scalers
from fastlstm.errors import StoreError, first_line
from fastlstm.network.inference import load_network
from fastlstm.runs.history import read_history

# Files that a run names in its JSON, each under the key <kind>_file_name.
_REQUIRED, _OPTIONAL = ("model", "scaler"), ("training_history", "X_data_df", "Y_data_df")


@dataclass(frozen=True)
class LegacyRun:
    """What a run of fastLSTM 1.0 holds.

    Attributes:
        settings: its JSON as stored.
        hyperparameters: the same under today's names.
        features: names of the inputs.
        targets: names of the targets.
        network: the Keras model.
        scalers: its scalers; that of the targets only where it was used.
        history: one row per epoch.
        tables: its features and targets; None where they were not saved.
    """

    settings: dict[str, Any]
    hyperparameters: Hyperparameters
    features: list[str]
    targets: list[str]
    network: Any
    scalers: Scalers
    history: pd.DataFrame
    tables: tuple[pd.DataFrame, pd.DataFrame] | None


def open_legacy(file: Path) -> LegacyRun:
    """Open a run by its hyperparameter JSON.

    Raises:
        StoreError: a file is missing or holds what it must not.
    """
    settings = _read_settings(file)
    files = {kind: _file_of(file, settings, kind) for kind in (*_REQUIRED, *_OPTIONAL)}
    model_file, scaler_file = (files[kind] for kind in _REQUIRED)
    if model_file is None or scaler_file is None:
        raise StoreError(f"{file}: names no model_file_name or no scaler_file_name")
    network = load_network(model_file)
    x_scaler, y_scaler = read_scaler_pair(scaler_file)
    history_file, x_file, y_file = (files[kind] for kind in _OPTIONAL)
    x, y = (_read_rows(x_file), _read_rows(y_file)) if x_file and y_file else (None, None)

    hp = _hyperparameters(file, settings, network)
    features = _column_names(x_scaler, x, network.input_shape[-1], "X")
    n_targets = max(1, network.output_shape[-1] // hp.steps_ahead)
    targets = _column_names(y_scaler, y, n_targets, "Y")
    for scaler, columns in ((x_scaler, features), (y_scaler, targets)):
        # A scaler fitted on an array without names takes the columns in their order.
        scaler.feature_names_in_ = np.array(columns, dtype=object)
    return LegacyRun(
        settings=settings,
        hyperparameters=hp,
        features=features,
        targets=targets,
        network=network,
        scalers=Scalers(x_scaler, y_scaler if hp.scale_targets else None),
        history=read_history(history_file, numbered=True) if history_file else pd.DataFrame(),
        tables=None if x is None or y is None else (x, y),
    )


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(read_bytes(file))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file}: is no hyperparameter file ({error})") from None
    if not isinstance(settings, dict):
        raise StoreError(f"{file}: is no hyperparameter file (its JSON is no object)")
    return settings


def _read_rows(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file)
    except ValueError as error:
        raise StoreError(f"{file}: is no table of rows ({first_line(error)})") from None


def _file_of(file: Path, settings: dict[str, Any], kind: str) -> Path | None:
    """The run's file of a kind; None where the settings name none.

    Raises:
        StoreError: the name leaves the folder, or the file is missing.
    """
    name = settings.get(f"{kind}_file_name")
    if name is None:
        return None
    if not isinstance(name, str) or Path(name).name != name or "\\" in name:
        raise StoreError(f"{file}: {kind}_file_name {name!r} leaves the folder; not opened")
    found = file.parent / name
    if found.is_symlink() or not found.is_file():
        raise StoreError(f"{found}: is missing or no plain file; the run is not whole")
    return found


def _column_names(scaler: Any, table: pd.DataFrame | None, count: int, letter: str) -> list[str]:
    """Names of the features or targets: of the saved table, else of the scaler, else numbered."""
    if table is not None:
        return [str(column) for column in table.columns]
    if hasattr(scaler, "feature_names_in_"):
        return [str(column) for column in scaler.feature_names_in_]
    return [letter] if count == 1 else [f"{letter}_{i}" for i in range(count)]


def _hyperparameters(file: Path, settings: dict[str, Any], network: Any) -> Hyperparameters:
    """The settings under today's names.

    1.0 saved neither the task nor the class weights; the activation of the output layer shows the task.
    """
    known = set(Hyperparameters.model_fields) | set(ALIASES)
    given = {k: v for k, v in settings.items() if k in known and v is not None}
    given["architecture"] = "classic"
    activation = network.layers[-1].get_config().get("activation")
    given.setdefault("LSTM_type", "regressor" if activation == "linear" else "classifier")
    is_regressor = given["LSTM_type"] == "regressor"
    if "loss" in given:
        given["loss"] = _loss_name(str(given["loss"]), is_regressor)
    if is_regressor:
        # 1.0 saved the defaults of a classifier for these, and did not use them.
        given["last_layer_activation"] = "linear"
        if given.get("metric") == "accuracy":
            for name in ("metric", "check_point_metric", "metric_mode", "early_stop_condittion"):
                given.pop(name, None)
    try:
        return Hyperparameters.model_validate(given, context=STORED)
    except ValidationError as error:
        raise StoreError(f"{file}: {describe(error, Hyperparameters)[0]}") from None


def _loss_name(text: str, is_regressor: bool) -> str:
    """The loss by its Keras name; 1.0 saved objects as ``<keras….BinaryCrossentropy object at 0x…>``."""
    found = re.search(r"(\w+) object at", text)
    try:
        name = canonical_loss(found.group(1) if found else text)
    except ValueError:
        return "mse" if is_regressor else "binary_crossentropy"
    # 1.0 took any loss but 'mse' for binary cross-entropy, also for regressors.
    return "mse" if is_regressor and "crossentropy" in name else name
