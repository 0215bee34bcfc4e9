"""Small tables and networks that tests of the class share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm import fastLSTM


def wave_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """300 hours of a wave and noise, and the wave as the target."""
    hours = np.arange(300)
    index = pd.date_range("2024-01-01", periods=300, freq="1h", tz="UTC", name="when")
    noise = np.random.default_rng(0).normal(size=300)
    x = pd.DataFrame({"a": np.sin(hours / 5), "b": noise}, index=index)
    return x, pd.DataFrame({"next": np.sin(hours / 5) + 10}, index=index)


def label_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same features, and whether the wave is high."""
    x, _ = wave_tables()
    return x, pd.DataFrame({"high": (x["a"] > 0.3).astype(int)}, index=x.index)


def regressor(x: Any, y: Any, path: Path, **changes: Any) -> fastLSTM:
    """A small regressor, not yet built."""
    given = {
        "LSTM_type": "regressor", "timesteps": 6, "scale_target": True, "learning_rate": 0.02,
        "batch_size": 64, "model_relative_width": [3], "model_name": "wave", **changes,
    }  # fmt: skip
    return fastLSTM(x, y, data_storage_path=path, **given)


def classifier(x: Any, y: Any, path: Path, **changes: Any) -> fastLSTM:
    """A small classifier, not yet built."""
    given = {
        "timesteps": 6, "learning_rate": 0.02, "batch_size": 64, "model_relative_width": [3],
        "model_name": "high", **changes,
    }  # fmt: skip
    return fastLSTM(x, y, data_storage_path=path, **given)


def settings_file(model: fastLSTM) -> Path:
    """The hyperparameter JSON of a model's last run."""
    assert model.run_folder is not None
    (file,) = model.run_folder.glob("*HYPERPARAMETERS*")
    return file
