"""Writes a folder in the format of fastLSTM 1.0; ``docs/how-to/old-runs.md`` describes it."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastlstm.network.keras_import import import_keras

STAMP = "2025-03-07 10-00-00"


def write_legacy_run(
    folder: Path,
    x: pd.DataFrame,
    y: pd.DataFrame,
    *,
    regressor: bool,
    scale_target: bool = False,
    timesteps: int = 5,
    layers: int = 2,
    bare_arrays: bool = False,
) -> Path:
    """Train a little as 1.0 did and write its files; return the hyperparameter JSON."""
    keras = import_keras()
    keras.utils.set_random_seed(0)
    train = int(len(x) * 0.7)
    x_scaler = MinMaxScaler() if bare_arrays else StandardScaler()
    y_scaler = MinMaxScaler() if bare_arrays else StandardScaler()
    rows = x.head(train).to_numpy() if bare_arrays else x.head(train)
    x_scaler.fit(rows)
    if scale_target:
        y_scaler.fit(y.head(train))
    parts = [keras.Input((timesteps, x.shape[1]))]
    for number in range(layers):
        # With one hidden layer 1.0 returned a value per time step.
        sequences = number < layers - 1 or layers == 1
        parts += [
            keras.layers.LSTM(x.shape[1], return_sequences=sequences),
            keras.layers.Dropout(0),
        ]
    parts.append(keras.layers.Dense(y.shape[1], activation="linear" if regressor else "sigmoid"))
    model = keras.Sequential(parts)
    model.compile("adam", "mse" if regressor else "binary_crossentropy", metrics=["accuracy"])
    names = {
        "model_file_name": f"{STAMP} - LSTM MODEL - old.keras",
        "scaler_file_name": f"{STAMP} - SCALER FOR LSTM MODEL - old.pkl",
        "training_history_file_name": f"{STAMP} - TRAINING HISTORY OF LSTM MODEL - old.csv",
        "X_data_df_file_name": f"{STAMP} - X_data FOR LSTM MODEL - old.csv",
        "Y_data_df_file_name": f"{STAMP} - Y_data FOR LSTM MODEL - old.csv",
    }
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / names["model_file_name"])
    joblib.dump({"X_scaler": x_scaler, "Y_scaler": y_scaler}, folder / names["scaler_file_name"])
    history = pd.DataFrame({"accuracy": [0.5, 0.6], "loss": [0.7, 0.6],
                            "val_accuracy": [0.5, 0.5], "val_loss": [0.7, 0.65]})  # fmt: skip
    history.to_csv(folder / names["training_history_file_name"])
    x.to_csv(folder / names["X_data_df_file_name"], index=False)
    y.to_csv(folder / names["Y_data_df_file_name"], index=False)
    loss = "mse" if regressor else "<keras.src.losses.losses.BinaryCrossentropy object at 0x7f01>"
    settings = {
        "model_training_datetime": STAMP, "model_name": "old",
        "model_relative_width": [1] * layers, "model_dropout": [0] * layers,
        "learning_rate": 0.0003, "activation": "tanh", "last_layer_activation": "sigmoid",
        "loss": loss, "metric": "accuracy", "check_point_metric": "accuracy",
        "metric_mode": "max", "early_stop_condittion": "val_accuracy",
        "early_stop_patience": 200, "train_size_rate": 0.7, "timesteps": timesteps,
        "scale_target": scale_target, "steps_ahead": 1, "batch_size": 128,
        "scaler_type": "MinMaxScaler" if bare_arrays else "StandardScaler",
        "data_storage_path": "\\somewhere\\else\\", **names,
    }  # fmt: skip
    file = folder / f"{STAMP} - HYPERPARAMETERS OF LSTM MODEL - old.json"
    file.write_text(json.dumps(settings))
    np.save(folder / "expected.npy", _as_1_0(model, x_scaler, y_scaler, x, timesteps, scale_target))
    return file


def _as_1_0(model, x_scaler, y_scaler, x, timesteps, scale_target):
    """What 1.0's own network and scalers give for every window of the table."""
    scaled = x_scaler.transform(x.to_numpy() if not hasattr(x_scaler, "feature_names_in_") else x)
    windows = np.stack([scaled[i : i + timesteps] for i in range(len(x) - timesteps + 1)])
    out = model.predict(windows, verbose=0)
    out = out[:, -1] if out.ndim == 3 else out
    return y_scaler.inverse_transform(out) if scale_target else out
