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
from fastlstm.network.model_files import check_model_file

# Windows that a network is given at once, and how many of their values at most: what it makes of a
# window of hundreds of columns, each a sequence of its own, is many times as large.
_BATCH, _BATCH_VALUES = 512, 4_000_000


# Windows that are read at once to be forecast, and how many of their inputs and outputs at most.
_READ, _READ_VALUES = 4096, 16_000_000


def load_network(file: Path) -> Any:
    """The Keras model in a ``.keras`` file; code in it is never run.

    The file is looked through first (``fastlstm.network.model_files``), then opened with ``safe_mode``.

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


# By model, and by whether it is for one window alone.
_compiled: WeakKeyDictionary[Any, dict[bool, Any]] = WeakKeyDictionary()


def _compile(model: Any, alone: bool) -> Any:
    import tensorflow as tf

    reference = ref(model)  # the function must not keep alive the model that it is kept for

    def compute(x: Any) -> Any:
        alive = reference()
        assert alive is not None  # noqa: S101 (whoever calls this holds the model)
        return alive(x, training=False)

    # A batch known to be one window takes one operation a layer; see fastlstm.network.fused_lstm.
    shape = (1 if alone else None, *model.input_shape[1:])
    return tf.function(compute, input_signature=[tf.TensorSpec(shape, tf.float32)])


def windows_at_once(manifest: dict[str, Any]) -> int:
    """How many windows of a dataset to read at once to forecast them, so that memory is bounded."""
    inputs = manifest["timesteps"] * len(manifest["features"])
    return _limited(
        _READ, _READ_VALUES, inputs + manifest["steps_ahead"] * len(manifest["targets"])
    )


def _limited(windows: int, values: int, values_of_one: int) -> int:
    return max(1, min(windows, values // values_of_one))


def predict_each(model: Any, x: np.ndarray, outputs: int) -> np.ndarray:
    """Forecasts with their quantiles, ``(n, outputs, n_quantiles)``; one where there are none.

    Args:
        model: the Keras network.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        outputs: steps ahead times targets.
    """
    made = predict(model, x)
    return made.reshape(len(made), outputs, -1)


def predict_point(model: Any, x: np.ndarray, outputs: int) -> np.ndarray:
    """Forecasts ``(n, outputs)``: of quantiles the middle one, the median; see ``predict_each``."""
    return point_of(predict_each(model, x, outputs))


def point_of(each: np.ndarray) -> np.ndarray:
    """The forecast among its quantiles, which are the last axis: the middle one, the median."""
    return each[..., each.shape[-1] // 2]


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """Outputs ``(n, n_outputs)`` float32 for inputs ``(n, timesteps, n_features)``.

    Networks of fastLSTM 1.0 with one hidden layer give an output per time step; the last one is the
    forecast. The first call for a model compiles it for batches of any size, the first for one window
    alone for that.
    """
    functions, alone = _compiled.setdefault(model, {}), len(x) == 1
    if alone not in functions:
        functions[alone] = _compile(model, alone)
    compute = functions[alone]
    size = _limited(_BATCH, _BATCH_VALUES, math.prod(x.shape[1:]))
    with fused(model):  # matters where the call compiles, or where nothing is compiled
        outputs = [np.asarray(compute(x[start : start + size])) for start in range(0, len(x), size)]
    joined = np.concatenate(outputs)
    return joined[:, -1] if joined.ndim == 3 else joined
