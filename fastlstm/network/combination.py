"""The forecast of a network: a weighted mean of its LSTM, its linear component and naive forecasts.

Forecasters that err differently do better together than the best of them (Bates and Granger 1969, "The
Combination of Forecasts"). The weights are in the saved file, by forecaster, step and target;
validation decides them after training, see ``fastlstm.training.combination``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.network.architecture import LSTM, PRIOR, Architecture
from fastlstm.network.fixed_weights import constants, numbered
from fastlstm.network.keras_import import import_keras
from fastlstm.network.naive_forecasters import BY_PAST_ERROR, NAIVE, naive_forecast
from fastlstm.network.past_errors import PastErrors, has_past_errors

if TYPE_CHECKING:
    import keras

# Layers of a saved network: the weights of all forecasters, and those of the naive forecasts in the one
# that the LSTM and the linear component correct.
COMBINATION, START = "combination", "start"


def naive_layers(window: Any, architecture: Architecture, steps: int) -> Any:
    """The naive forecasts of a network, ``(n_naive, batch, steps, n_targets)``; None without any.

    Args:
        window: the network's input, ``(batch, timesteps, n_features)``.
        architecture: names the naive forecasts.
        steps: steps ahead.
    """
    if not architecture.naive_forecasters:
        return None
    ops = import_keras().ops
    own = ops.take(window, list(architecture.own), axis=2)
    return _naive_forecasts(ops, own, architecture.naive_forecasters, steps, PastErrors.layers)


def _naive_forecasts(
    ops: Any, own: Any, names: tuple[str, ...], steps: int,
    means: Callable[[PastErrors, Any, Any], Sequence[Any]],
) -> Any:  # fmt: skip
    """The named naive forecasts, ``(n_naive, n, steps, n_targets)``.

    Args:
        ops: ``numpy`` or ``keras.ops``.
        own: past values of the targets, ``(n, timesteps, n_targets)``.
        names: see ``Architecture.naive_forecasters``.
        steps: steps ahead.
        means: gives the means weighed by past errors, as numbers or as parts of a network.
    """
    each = {n: naive_forecast(ops, own, n, steps) for n in names if n not in BY_PAST_ERROR}
    stacked = list(each.values())
    if has_past_errors(names):
        past = PastErrors.of(names, own.shape[1], steps)
        stacked += means(past, own, ops.stack([each[name] for name in past.names]))
    return ops.stack(stacked)


def combined(
    window: Any, architecture: Architecture, by_name: Mapping[str, Any], naive: Any,
    steps: int, targets: int,
) -> Any:  # fmt: skip
    """The weighted mean of all forecasters, ``(batch, steps * targets * outputs)``.

    Args:
        window: the network's input, ``(batch, timesteps, n_features)``.
        architecture: names the forecasters.
        by_name: forecasts of those that learn, ``(batch, steps * targets * outputs)`` each.
        naive: the naive forecasts; see ``naive_layers``.
        steps: steps ahead.
        targets: number of target columns.
    """
    ops, names = import_keras().ops, architecture.forecasters
    flat_width = by_name[LSTM].shape[1]
    outputs = flat_width // (steps * targets)
    weights = _weights(window, len(names), steps, targets, COMBINATION)
    total: Any = 0.0
    learned = len(names) - len(architecture.naive_forecasters)
    for number, name in enumerate(names[:learned]):
        # The weights of the prior are the logits themselves.
        forecast = (
            1.0 if name == PRIOR else ops.reshape(by_name[name], (-1, steps, targets, outputs))
        )
        total = total + ops.expand_dims(weights[number], -1) * forecast
    if naive is not None:
        total = total + ops.expand_dims(ops.sum(weights[learned:, :] * naive, axis=0), 3)
    return ops.reshape(total, (-1, flat_width))


def mixed_start(window: Any, architecture: Architecture, naive: Any, steps: int) -> Any:
    """The weighted mean of the naive forecasts that the network corrects, ``(batch, steps, n_targets)``.

    Its weights come from train windows; see ``set_start``.

    Args:
        window: the network's input.
        architecture: names the naive forecasts.
        naive: see ``naive_layers``.
        steps: steps ahead.
    """
    names, targets = architecture.naive_forecasters, len(architecture.own)
    weights = _weights(window, len(names), steps, targets, START)
    return import_keras().ops.sum(weights * naive, axis=0)


def start_forecasts(
    model: keras.Model, windows: np.ndarray, architecture: Architecture, steps: int
) -> np.ndarray:
    """What ``mixed_start`` gives for windows ``(n, timesteps, n_features)``."""
    each = naive_forecasts(windows, architecture, steps)
    stored = model.get_layer(START).get_weights()[0]
    weights = stored.reshape(len(each), 1, steps, len(architecture.own))
    total: np.ndarray = (weights * each).sum(axis=0)
    return total


def set_start(model: keras.Model, weights: np.ndarray) -> None:
    """Set the weights of the naive forecasts in the one to correct; a network without it stays.

    Args:
        model: the network.
        weights: ``(n_naive_forecasters, steps, n_targets)``.
    """
    _set(model, START, weights)


def start_from_last_value(model: keras.Model, architecture: Architecture, steps: int) -> None:
    """Have the LSTM correct the last value, as before train windows choose the weights."""
    chosen = np.array([name == NAIVE for name in architecture.naive_forecasters], np.float32)
    set_start(model, np.repeat(chosen, steps * len(architecture.own)))


def _weights(window: Any, forecasters: int, steps: int, targets: int, name: str) -> Any:
    """Weights that no training changes, ``(forecasters, 1, steps, targets)``."""
    count = forecasters * steps * targets
    layer = constants(count, "zeros", name)
    layer.trainable = False
    shape = (forecasters, 1, steps, targets)
    return import_keras().ops.reshape(layer(numbered(window, count)), shape)


def _set(model: keras.Model, name: str, weights: np.ndarray) -> None:
    """Set the weights of a layer that ``_weights`` made, where the network has it."""
    for layer in model.layers:
        if layer.name == name:
            layer.set_weights([weights.reshape(-1, 1).astype(np.float32)])


def naive_forecasts(windows: np.ndarray, architecture: Architecture, steps: int) -> np.ndarray:
    """The naive forecasts of windows ``(n, timesteps, n_features)``, ``(n_naive, n, steps, n_targets)``
    in the order of ``Architecture.naive_forecasters``."""
    own = windows[:, :, list(architecture.own)]
    found: np.ndarray = _naive_forecasts(
        np, own, architecture.naive_forecasters, steps, PastErrors.means
    )
    return found


def has_combination(model: keras.Model) -> bool:
    """Whether a network combines forecasters."""
    return any(layer.name == COMBINATION for layer in model.layers)


def has_other_forecasters(
    model: keras.Model, architecture: Architecture, steps: int, targets: int
) -> bool:
    """Whether a network of this library combines other forecasters than the architecture has.

    It was built for rows with other seasons, or stored before naive forecasts took part; ``gate`` and
    ``linear_share`` are the layers of these.
    """
    wanted = {
        COMBINATION: len(architecture.forecasters) * steps * targets,
        START: len(architecture.naive_forecasters) * steps * targets,
    }
    for layer in model.layers:
        if layer.name in ("gate", "linear_share"):
            return True
        if layer.name in wanted and layer.get_weights()[0].size != wanted[layer.name]:
            return True
    return False


def set_combination(model: keras.Model, weights: np.ndarray) -> None:
    """Set the weights of a network's forecasters; one without stays as it is.

    Args:
        model: the network.
        weights: ``(n_forecasters, steps, n_targets)``, in the order of ``Architecture.forecasters``.
    """
    _set(model, COMBINATION, weights)


def scale_combination(model: keras.Model, slopes: np.ndarray, shifts: np.ndarray) -> None:
    """Scale and shift the logits that a classifier's combination gives.

    Args:
        model: the network; the last of its forecasters are the class shares.
        slopes: factor of each output, ``(steps * n_targets,)``, step-major.
        shifts: what is added then, same shape.
    """
    (stored,) = model.get_layer(COMBINATION).get_weights()
    weights = stored.reshape(-1, len(slopes)) * slopes
    weights[-1] += shifts
    _set(model, COMBINATION, weights)


def forecast_by_lstm_alone(
    model: keras.Model, architecture: Architecture, steps: int, targets: int
) -> None:
    """Give the LSTM all weight, as while it is trained."""
    chosen = np.array([name == LSTM for name in architecture.forecasters], np.float32)
    set_combination(model, np.repeat(chosen, steps * targets))
