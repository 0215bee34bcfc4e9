"""Load a saved network safely and compute its outputs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from fastlstm.errors import StoreError
from fastlstm.network.fused_lstm import fused
from fastlstm.network.keras_import import import_keras
from fastlstm.network.model_files import check_model_file, no_more_weights_than
from fastlstm.network.onnx_session import OnnxNetwork

# Most windows that a network computes at once, and most values of their inputs: its intermediate values
# for a window of hundreds of columns, each a sequence of its own, are many times as many.
_BATCH, _BATCH_VALUES = 512, 4_000_000


# Most windows that are read at once to be forecast, and most values of their inputs and outputs.
_READ, _READ_VALUES = 4096, 16_000_000


def load_network(file: Path) -> Any:
    """The Keras model in a ``.keras`` file; code in it is never run.

    The file is checked first (``fastlstm.network.model_files``), then opened with ``safe_mode``.

    Raises:
        StoreError: the file is missing, damaged, or holds anything but stock Keras layers.
    """
    size = check_model_file(file)
    keras = import_keras()
    try:
        with no_more_weights_than(size, file):
            return keras.models.load_model(file, compile=False, safe_mode=True)
    except StoreError:
        raise
    except Exception as error:  # Keras raises many kinds for a bad file
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise StoreError(f"{file}: cannot be opened as a Keras model ({reason})") from None


# Compiled functions by model, and by whether they are for a batch of one window.
_compiled: WeakKeyDictionary[Any, dict[bool, Any]] = WeakKeyDictionary()


def _compile(model: Any, one_window: bool) -> Any:
    """A compiled function of inputs, for one window or for batches of any size."""
    import tensorflow as tf

    reference = ref(model)  # the cached function must not keep its model alive

    def compute(x: Any) -> Any:
        network = reference()
        assert network is not None  # noqa: S101 (whoever calls this holds the model)
        return network(x, training=False)

    # A batch known to be one window takes one operation per layer; see fastlstm.network.fused_lstm.
    shape = (1 if one_window else None, *model.input_shape[1:])
    return tf.function(compute, input_signature=[tf.TensorSpec(shape, tf.float32)])


def windows_at_once(manifest: dict[str, Any]) -> int:
    """How many windows of a dataset to read at once for their forecasts, so that memory is bounded."""
    inputs = manifest["timesteps"] * len(manifest["features"])
    return _limited(
        _READ, _READ_VALUES, inputs + manifest["steps_ahead"] * len(manifest["targets"])
    )


def _limited(windows: int, values: int, values_of_one: int) -> int:
    """So many windows that they have at most ``values`` values, at least one and at most ``windows``."""
    return max(1, min(windows, values // values_of_one))


def predict_each(model: Any, x: np.ndarray, outputs: int) -> np.ndarray:
    """Forecasts with their quantiles, ``(n, outputs, n_quantiles)``; without quantiles of length 1.

    Args:
        model: the network, of Keras or of an ONNX file.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        outputs: steps ahead times targets.
    """
    return predict(model, x).reshape(len(x), outputs, -1)


def predict_point(model: Any, x: np.ndarray, outputs: int) -> np.ndarray:
    """Forecasts ``(n, outputs)``, with quantiles the median; see ``predict_each``."""
    return point_of(predict_each(model, x, outputs))


def point_of(quantiles: np.ndarray) -> np.ndarray:
    """The forecast among its quantiles, the last axis: the middle one, which is the median."""
    return quantiles[..., quantiles.shape[-1] // 2]


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """Outputs ``(n, n_outputs)`` float32 for inputs ``(n, timesteps, n_features)``.

    Networks of fastLSTM 1.0 with one hidden layer give an output per time step; the last one is the
    forecast. The first call for a model compiles it, once for batches of any size and once for a single
    window.
    """
    joined = model.predict(x) if isinstance(model, OnnxNetwork) else _by_tensorflow(model, x)
    return joined[:, -1] if joined.ndim == 3 else joined


def _by_tensorflow(model: Any, x: np.ndarray) -> np.ndarray:
    """Outputs of a Keras model."""
    functions, one_window = _compiled.setdefault(model, {}), len(x) == 1
    if one_window not in functions:
        functions[one_window] = _compile(model, one_window)
    compute = functions[one_window]
    size = _limited(_BATCH, _BATCH_VALUES, math.prod(x.shape[1:]))
    with fused(model):  # has an effect where the call compiles, or where nothing is compiled
        return np.concatenate(
            [np.asarray(compute(x[start : start + size])) for start in range(0, len(x), size)]
        )
