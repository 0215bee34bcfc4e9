"""From a table of time-ordered rows to a trained, evaluated, versioned Keras LSTM.

Importing this package imports neither TensorFlow nor pandas; what is used is imported on first use.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastlstm.config import RetrainConfig, read_config
    from fastlstm.estimators import LSTMClassifier, LSTMRegressor
    from fastlstm.hyperparameters import Hyperparameters
    from fastlstm.model import fastLSTM
    from fastlstm.runs import SavedRun
    from fastlstm.store import FolderStore

__version__ = metadata.version("fastlstm")
__all__ = [
    "FolderStore",
    "Hyperparameters",
    "LSTMClassifier",
    "LSTMRegressor",
    "RetrainConfig",
    "SavedRun",
    "fastLSTM",
    "read_config",
]

_HOMES = {
    "FolderStore": "fastlstm.store",
    "Hyperparameters": "fastlstm.hyperparameters",
    "LSTMClassifier": "fastlstm.estimators",
    "LSTMRegressor": "fastlstm.estimators",
    "RetrainConfig": "fastlstm.config",
    "SavedRun": "fastlstm.runs",
    "fastLSTM": "fastlstm.model",
    "read_config": "fastlstm.config",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
