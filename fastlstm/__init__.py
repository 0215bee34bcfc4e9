"""From a table of time-ordered rows to a trained, evaluated, versioned Keras LSTM.

Importing this package imports neither TensorFlow nor pandas; what is used is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastlstm.api.estimators import LSTMClassifier, LSTMRegressor
    from fastlstm.api.fast_lstm import fastLSTM
    from fastlstm.config.hyperparameters import Hyperparameters
    from fastlstm.config.reading import read_config
    from fastlstm.config.retrain import RetrainConfig
    from fastlstm.forecasting.live import LiveForecaster, load_forecaster
    from fastlstm.registry.folder_store import FolderStore
    from fastlstm.runs.saved_run import SavedRun

__all__ = [
    "FolderStore",
    "Hyperparameters",
    "LSTMClassifier",
    "LSTMRegressor",
    "LiveForecaster",
    "RetrainConfig",
    "SavedRun",
    "fastLSTM",
    "load_forecaster",
    "read_config",
]

_HOMES = {
    "FolderStore": "fastlstm.registry.folder_store",
    "Hyperparameters": "fastlstm.config.hyperparameters",
    "LSTMClassifier": "fastlstm.api.estimators",
    "LSTMRegressor": "fastlstm.api.estimators",
    "LiveForecaster": "fastlstm.forecasting.live",
    "RetrainConfig": "fastlstm.config.retrain",
    "SavedRun": "fastlstm.runs.saved_run",
    "fastLSTM": "fastlstm.api.fast_lstm",
    "load_forecaster": "fastlstm.forecasting.live",
    "read_config": "fastlstm.config.reading",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("fastlstm")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
