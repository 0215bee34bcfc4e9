"""The network of a stored run as forecasts need it: by onnxruntime, by TensorFlow where that is faster.

onnxruntime starts in a tenth of a second and TensorFlow in several, so that a job has to be large before
TensorFlow can make up for it. Which one is faster for a network depends on the processor, or on a GPU:
once the windows that are left take onnxruntime longer than a minute, both are timed on one batch, and
the faster one does the rest.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.network.inference import predict
from fastlstm.network.onnx_session import load_onnx

# Seconds of work left for which it is worth to start TensorFlow, about ten seconds, and to compare.
_WORTH_COMPARING = 60.0


class ServingNetwork:
    """A network that forecasts.

    Args:
        onnx_file: its ONNX model, which may not exist; None: Keras forecasts.
        load_keras: loads it by Keras.
        shape: its time steps, features and outputs.
    """

    def __init__(
        self, onnx_file: Path | None, load_keras: Callable[[], Any], shape: tuple[int, int, int]
    ) -> None:
        has_runtime = importlib.util.find_spec("onnxruntime") is not None
        self._load_keras, self._shape = load_keras, shape
        self._network: Any = None
        self._onnx_file = onnx_file if has_runtime and onnx_file and onnx_file.exists() else None
        self.by_onnx = self._onnx_file is not None
        self._may_compare = importlib.util.find_spec("tensorflow") is not None

    def predict_each(self, x: np.ndarray, outputs: int, left: int = 0) -> np.ndarray:
        """Forecasts with their quantiles, ``(n, outputs, n_quantiles)``; without quantiles of length 1.

        Args:
            x: scaled inputs, ``(n, timesteps, n_features)``, at least one.
            outputs: steps ahead times targets.
            left: how many more windows the caller wants to be forecast after these.
        """
        if self._network is None:
            file = self._onnx_file
            self._network = self._load_keras() if file is None else load_onnx(file, self._shape)
        # Before onnxruntime has chosen how it computes many windows, its time says little.
        may_compare = self.by_onnx and self._may_compare and self._network.is_settled
        found, seconds = _timed(self._network, x)
        if may_compare and seconds / len(x) * left > _WORTH_COMPARING:
            self._compare(x, seconds)
        return found.reshape(len(x), outputs, -1)

    def _compare(self, x: np.ndarray, seconds: float) -> None:
        """Go on with TensorFlow where it is faster than onnxruntime, which took some seconds."""
        self._may_compare = False
        network = self._load_keras()
        _timed(network, x)  # compiles it
        if _timed(network, x)[1] < seconds:
            self._network, self.by_onnx = network, False


def _timed(network: Any, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs of windows, and the seconds that they took."""
    begin = time.perf_counter()
    found = predict(network, x)
    return found, time.perf_counter() - begin
