"""Compute a network's outputs from its ONNX model, without TensorFlow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.artifacts.bounded_reading import read_bytes
from fastlstm.errors import ConfigError, StoreError
from fastlstm.network.kernel_choice import measured_choice
from fastlstm.network.onnx_check import check_operators
from fastlstm.network.onnx_unrolled import lstm_layers, unrolled

# Largest difference from Keras, as a share of an output or, near 0, of the outputs' root mean square.
TOLERANCE = 1e-5

# Windows at once; with more, an LSTM's state leaves the fastest cache.
_BATCH = 128

# After so many windows, or fewer of so many values, a second way to compute them is prepared and timed,
# which takes a few tenths of a second. The limit is no time, so that the same job has the same numbers
# every night.
_MANY, _MANY_VALUES = 8192, 4_000_000

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
        if _OTHER_FILE in content:
            raise StoreError("its weights lie in another file")
        check_operators(content)
        self._content, self._session = content, _session(content)
        # Session and batch size for many windows; None until they are chosen.
        self._bulk: tuple[Any, int] | None = None
        self._computed = 0
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

    @property
    def is_settled(self) -> bool:
        """Whether the session for many windows is chosen."""
        return self._bulk is not None

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Outputs of windows ``(n, timesteps, n_features)`` float32, batches in threads.

        Many windows are computed by plain operators in place of LSTM layers
        (``fastlstm.network.onnx_unrolled``) where that is faster on this kind of processor.

        Raises:
            StoreError: onnxruntime cannot compute it.
        """
        if len(windows) <= _BATCH:
            return _outputs(self._session, windows)
        found = []
        while len(windows):
            few = min(_MANY, _MANY_VALUES // max(1, windows[0].size)) - self._computed
            if self._bulk is None and few < 1:
                self._bulk = self._for_many(windows)
            session, size = self._bulk or (self._session, _BATCH)
            part = windows if self._bulk else windows[:few]
            found.append(_in_threads(session, size, part))
            self._computed += len(part)
            windows = windows[len(part) :]
        return np.concatenate(found)

    def _for_many(self, windows: np.ndarray) -> tuple[Any, int]:
        """Session and batch size for many windows like these."""
        operator, layers = (self._session, _BATCH), lstm_layers(self._content)
        if not layers:
            return operator
        plain = cache(lambda: self._unrolled(windows) or operator)
        timed = cache(lambda: np.resize(windows, (plain()[1], *windows.shape[1:])))

        def trial(session: Any, size: int) -> None:
            for start in range(0, len(timed()), size):
                _outputs(session, timed()[start : start + size])

        _, steps, features = windows.shape
        chosen = measured_choice(
            f"onnxruntime {_runtime().__version__}, many windows of {steps} x {features}, LSTM layers "
            f"of inputs x units: {layers}",
            {"operator LSTM": lambda: trial(*operator), "plain operators": lambda: trial(*plain())},
        )
        return plain() if chosen == "plain operators" else operator

    def _unrolled(self, windows: np.ndarray) -> tuple[Any, int] | None:
        """A session without LSTM operators, and its batch size; None where its outputs differ."""
        zeros = np.zeros((1, *windows.shape[1:]), np.float32)
        found = unrolled(
            self._content, lambda content, names: _run(_session(content), zeros, names)
        )
        if found is None:
            return None
        session, few = _session(found.content), windows[:_BATCH]
        difference = largest_difference(_outputs(session, few), _outputs(self._session, few))
        return (session, found.batch) if difference <= TOLERANCE else None


def _in_threads(session: Any, size: int, windows: np.ndarray) -> np.ndarray:
    """Outputs of windows by batches of a size, as many at a time as there are cores."""
    batches = [windows[start : start + size] for start in range(0, len(windows), size)]
    with ThreadPoolExecutor(min(len(batches), len(os.sched_getaffinity(0)))) as threads:
        return np.concatenate(list(threads.map(partial(_outputs, session), batches)))


def _outputs(session: Any, windows: np.ndarray) -> np.ndarray:
    return _run(session, windows, None)[0]


def _run(session: Any, windows: np.ndarray, names: list[str] | None) -> list[np.ndarray]:
    """Tensors of a model by name; without names its outputs.

    Raises:
        StoreError: onnxruntime cannot compute it.
    """
    try:
        found: list[np.ndarray] = session.run(names, {"window": windows})
    except Exception as error:  # onnxruntime raises many kinds for a damaged model
        reason = str(error).splitlines()[0][:300]
        raise StoreError(
            f"the stored ONNX model cannot be computed ({reason}); take the run from where it was "
            "written"
        ) from None
    return found


def _session(content: bytes) -> Any:
    """onnxruntime with a model.

    Raises:
        StoreError: onnxruntime does not open it.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    # A small network is done before a second thread has begun, and idle threads wait in a loop;
    # many windows are divided between threads by batches.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"],
            # It would print, and try again with the same.
            enable_fallback=False,
        )  # fmt: skip
    except Exception as error:  # onnxruntime raises many kinds for a bad model
        raise StoreError(str(error).splitlines()[0][:300]) from None


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of outputs as a share of their size; see ``TOLERANCE``."""
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    shares = np.abs(found - expected) / np.maximum(np.abs(expected), size or 1.0)
    return float(shares.max())


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
