"""Load a saved network safely and compute its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.errors import StoreError
from fastlstm.model_files import check_model_file
from fastlstm.network import import_keras

_BATCH = 1024


def load_network(file: Path) -> Any:
    """The Keras model in a ``.keras`` file; code in it is never run.

    The file is looked through first (``fastlstm.model_files``), then opened with ``safe_mode``.

    Raises:
        StoreError: the file is missing, damaged, or holds anything but stock Keras layers.
    """
    check_model_file(file)
    keras = import_keras()
    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a bad file
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise StoreError(f"{file}: cannot be opened as a Keras model ({reason})") from None


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """Outputs ``(n, n_outputs)`` float32 for inputs ``(n, timesteps, n_features)``.

    Networks of fastLSTM 1.0 with one hidden layer give an output per time step; the last one is the
    forecast.
    """
    outputs = [
        np.asarray(model.predict_on_batch(x[start : start + _BATCH]))
        for start in range(0, len(x), _BATCH)
    ]
    joined = np.concatenate(outputs)
    return joined[:, -1] if joined.ndim == 3 else joined
