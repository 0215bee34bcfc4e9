"""Load a saved network safely and compute its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from fastlstm.errors import StoreError
from fastlstm.fused_lstm import fused
from fastlstm.model_files import check_model_file
from fastlstm.network import import_keras

_BATCH = 512


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


# By model, and by whether it is for one window alone.
_compiled: WeakKeyDictionary[Any, dict[bool, Any]] = WeakKeyDictionary()


def _compile(model: Any, alone: bool) -> Any:
    import tensorflow as tf

    reference = ref(model)  # the function must not keep alive the model that it is kept for

    def compute(x: Any) -> Any:
        alive = reference()
        assert alive is not None  # noqa: S101 (whoever calls this holds the model)
        return alive(x, training=False)

    # A batch known to be one window takes one operation a layer; see fastlstm.fused_lstm.
    shape = (1 if alone else None, *model.input_shape[1:])
    return tf.function(compute, input_signature=[tf.TensorSpec(shape, tf.float32)])


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
    with fused(model):  # matters where the call compiles, or where nothing is compiled
        outputs = [
            np.asarray(compute(x[start : start + _BATCH])) for start in range(0, len(x), _BATCH)
        ]
    joined = np.concatenate(outputs)
    return joined[:, -1] if joined.ndim == 3 else joined
