"""Runs that fastLSTM 1.0 wrote; the format is described in ``docs/old-runs.md``.

They have no manifest, so nothing vouches for their content; they are opened with the same care:
file names may not leave the folder, scalers come through the restricted unpickler, the network with
Keras' ``safe_mode``.
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

from fastlstm.config.hyperparameter_defaults import ALIASES
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_loss
from fastlstm.config.messages import describe
from fastlstm.data.scaler_files import read_scaler_pair
from fastlstm.data.scaling import Scalers
from fastlstm.errors import StoreError
from fastlstm.network.inference import load_network


@dataclass(frozen=True)
class LegacyRun:
    """What a run of fastLSTM 1.0 holds.

    Attributes:
        settings: its JSON as it stands.
        hyperparameters: the same under today's names.
        features: names of the inputs.
        targets: names of the targets.
        network: the Keras model.
        scalers: its scalers; that of the targets only where it was used.
        history: one row per epoch.
        tables: its features and targets, where they were saved.
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
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        names = {
            kind: settings.get(f"{kind}_file_name")
            for kind in ("model", "scaler", "training_history", "X_data_df", "Y_data_df")
        }
    except (AttributeError, OSError, ValueError) as error:
        raise StoreError(f"{file}: is no hyperparameter file ({error})") from None

    def beside(kind: str) -> Path | None:
        name = names[kind]
        if name is None:
            return None
        if not isinstance(name, str) or Path(name).name != name or "\\" in name:
            raise StoreError(f"{file}: {kind}_file_name {name!r} leaves the folder; not opened")
        found = file.parent / name
        if found.is_symlink() or not found.is_file():
            raise StoreError(f"{found}: is missing or no plain file; the run is not whole")
        return found

    model_file, scaler_file, history_file = map(beside, ("model", "scaler", "training_history"))
    if model_file is None or scaler_file is None:
        raise StoreError(f"{file}: names no model_file_name or no scaler_file_name")
    network = load_network(model_file)
    x_scaler, y_scaler = read_scaler_pair(scaler_file)
    x_file, y_file = beside("X_data_df"), beside("Y_data_df")
    tables = (pd.read_csv(x_file), pd.read_csv(y_file)) if x_file and y_file else None
    hp = _hyperparameters(file, settings, network)
    features = _names(x_scaler, tables[0] if tables else None, network.input_shape[-1], "X")
    n_targets = max(1, network.output_shape[-1] // hp.steps_ahead)
    targets = _names(y_scaler, tables[1] if tables else None, n_targets, "Y")
    for scaler, columns in ((x_scaler, features), (y_scaler, targets)):
        # Fitted on a bare array, it has no names; columns are then taken in their order.
        scaler.feature_names_in_ = np.array(columns, dtype=object)
    history = pd.read_csv(history_file, index_col=0) if history_file else pd.DataFrame()
    scalers = Scalers(x_scaler, y_scaler if hp.scale_targets else None)
    return LegacyRun(settings, hp, features, targets, network, scalers, history, tables)


def _names(scaler: Any, table: pd.DataFrame | None, count: int, letter: str) -> list[str]:
    if table is not None:
        return [str(c) for c in table.columns]
    if hasattr(scaler, "feature_names_in_"):
        return [str(c) for c in scaler.feature_names_in_]
    return [letter] if count == 1 else [f"{letter}_{i}" for i in range(count)]


def _hyperparameters(file: Path, settings: dict[str, Any], network: Any) -> Hyperparameters:
    known = set(Hyperparameters.model_fields) | set(ALIASES)
    given = {k: v for k, v in settings.items() if k in known and v is not None}
    given["architecture"] = "classic"
    # 1.0 saved neither the kind of task nor the class weights; the output layer tells the first.
    activation = network.layers[-1].get_config().get("activation")
    if "LSTM_type" not in given:
        given["LSTM_type"] = "regressor" if activation == "linear" else "classifier"
    if given["LSTM_type"] == "regressor":
        # It passed a classifier's output activation on, unused.
        given["last_layer_activation"] = "linear"
    if "loss" in given:
        given["loss"] = _loss(str(given["loss"]), str(given["LSTM_type"]))
    regressor = given["LSTM_type"] == "regressor"
    if regressor and given.get("metric") == "accuracy":
        for name in ("metric", "check_point_metric", "metric_mode", "early_stop_condittion"):
            given.pop(name, None)
    try:
        return Hyperparameters.model_validate(given)
    except ValidationError as error:
        raise StoreError(f"{file}: {describe(error, Hyperparameters)[0]}") from None


def _loss(text: str, task: str) -> str:
    """1.0 saved a loss object as ``<keras….BinaryCrossentropy object at 0x…>``."""
    found = re.search(r"(\w+) object at", text)
    try:
        name = canonical_loss(found.group(1) if found else text)
    except ValueError:
        return "mse" if task == "regressor" else "binary_crossentropy"
    # Whatever was not 'mse' became binary cross-entropy in 1.0, for regressors too.
    return "mse" if task == "regressor" and "crossentropy" in name else name
