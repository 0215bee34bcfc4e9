"""Compute a network's outputs from its ONNX model, without TensorFlow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.errors import ConfigError, StoreError
from fastlstm.network.onnx_check import check_operators

# Windows at once; with more, an LSTM's state leaves the fastest cache.
_BATCH = 128

# The key by which an ONNX model names another file that holds its weights; none of ours has one.
_OTHER_FILE = b"location"

# Largest model that the format allows in one file.
_MOST_BYTES = 2 << 30


class OnnxNetwork:
    """A network that onnxruntime computes.

    Args:
        content: the serialized model.

    Raises:
        ConfigError: onnxruntime is not installed.
        StoreError: it is no ONNX model of a network, or would open another file.
    """

    def __init__(self, content: bytes) -> None:
        runtime = _runtime()
        if _OTHER_FILE in content:
            raise StoreError("its weights lie in another file")
        check_operators(content)
        options = runtime.SessionOptions()
        # A small network is done before a second thread has begun, and idle threads wait in a loop;
        # many windows are divided between threads by batches.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = runtime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"],
                # It would print, and try again with the same.
                enable_fallback=False,
            )  # fmt: skip
        except Exception as error:  # onnxruntime raises many kinds for a bad model
            raise StoreError(str(error).splitlines()[0][:300]) from None
        described = [(one.name, one.type) for one in self._session.get_inputs()]
        if described != [("window", "tensor(float)")] or len(self._session.get_outputs()) != 1:
            raise StoreError("it is not the network of a run")
        window, forecast = (
            found[0].shape for found in (self._session.get_inputs(), self._session.get_outputs())
        )
        if len(window) != 3 or len(forecast) < 2:
            raise StoreError("it is not the network of a run")
        _, self.timesteps, self.features = window
        self.outputs = forecast[-1]

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Outputs of windows ``(n, timesteps, n_features)`` float32, batches in threads.

        Raises:
            StoreError: onnxruntime cannot compute it.
        """
        starts = range(0, len(windows), _BATCH)
        batches = [windows[start : start + _BATCH] for start in starts]
        if len(batches) < 2:
            return self._run(windows)
        with ThreadPoolExecutor(min(len(batches), len(os.sched_getaffinity(0)))) as threads:
            return np.concatenate(list(threads.map(self._run, batches)))

    def _run(self, windows: np.ndarray) -> np.ndarray:
        try:
            (outputs,) = self._session.run(None, {"window": windows})
        except Exception as error:  # onnxruntime raises many kinds for a damaged model
            reason = str(error).splitlines()[0][:300]
            raise StoreError(
                f"the stored ONNX model cannot be computed ({reason}); take the run from where it was "
                "written"
            ) from None
        computed: np.ndarray = outputs
        return computed


def load_onnx(file: Path, shape: tuple[int, int, int]) -> OnnxNetwork:
    """The network in an ONNX file.

    Args:
        file: the file.
        shape: the time steps, features and outputs that it must have.

    Raises:
        ConfigError: onnxruntime is not installed.
        StoreError: the file is missing or damaged, or holds what it must not.
    """
    try:
        network = OnnxNetwork(read_bytes(file, _MOST_BYTES))
        found = network.timesteps, network.features, network.outputs
        if found != shape:
            raise StoreError(f"it has {found} time steps, features and outputs, the run {shape}")
        return network
    except StoreError as error:
        raise StoreError(
            f"{file}: cannot be opened as an ONNX model ({error}); take the run from where it was "
            "written"
        ) from None


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            "onnxruntime is not installed; run \"pip install 'fastlstm[serve]'\""
        ) from None
    return onnxruntime
