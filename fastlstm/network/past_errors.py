"""Means of naive forecasts, weighed in each window by their errors in the window's own past.

Which naive forecast is good differs by series and by time. A network that is shared by all series does
not know which series a window is of; but the window shows how well each forecast would have done before.
A weight in proportion to an inverse power of the past error is that of Bates and Granger 1969, "The
Combination of Forecasts", for independent errors and the power 2; Stock and Watson 2004, "Combination
Forecasts of Output Growth in a Seven-Country Data Set", have other powers. A high power chooses about
the best one, a low one averages.

Each naive forecast is linear in the window's values, so one layer gives its errors at all past origins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.network.keras_import import import_keras
from fastlstm.network.naive_forecasters import BY_PAST_ERROR, naive_forecast, rows_needed

if TYPE_CHECKING:
    import keras

# The layer of a saved network that gives the errors.
PAST_ERRORS = "past_errors"

# Most past origins, and most steps ahead of each, whose errors are averaged.
_MOST_ORIGINS, _MOST_STEPS = 8, 12

# The past that is forecast is this share of a window at most, so that enough rows lie before it.
_HORIZON_SHARE = 4

# Added to each mean error, in units of the scaled targets: below it all forecasts are exact.
_SMALL_ERROR = 1e-3


@dataclass(frozen=True)
class PastErrors:
    """Which errors in a window's past weigh which naive forecasts.

    Attributes:
        names: naive forecasts that can be made at each past origin.
        kernel: what gives the errors of a window's values, ``(timesteps, n_names * n_errors)``.
    """

    names: tuple[str, ...]
    kernel: np.ndarray

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, names: tuple[str, ...], timesteps: int, steps: int) -> PastErrors:
        """Those of a window.

        The past origins are as many rows before the window's end as the forecast has steps, a quarter
        of the window at most, and from there back in leaps of half that; at each of them all forecasts
        are made of the rows before it.

        Args:
            names: naive forecasts of whole windows; those that need too many rows take no part.
            timesteps: rows of a window.
            steps: steps ahead.
        """
        horizon = max(1, min(steps, timesteps // _HORIZON_SHARE))
        usable = tuple(
            name for name in names
            if name not in BY_PAST_ERROR and rows_needed(name) <= timesteps - horizon
        )  # fmt: skip
        fewest = max(map(rows_needed, usable), default=1)
        origins = list(range(timesteps - horizon, fewest - 1, -max(1, horizon // 2)))
        chosen = np.unique(
            np.linspace(0, horizon - 1, min(_MOST_STEPS, horizon)).round().astype(int)
        )
        rows = np.eye(timesteps)[:, :, None]
        errors = [
            naive_forecast(np, rows[:, :origin], name, horizon)[:, chosen, 0]
            - rows[:, origin + chosen, 0]
            for name in usable
            for origin in origins[:_MOST_ORIGINS]
        ]
        kernel = np.concatenate(errors, axis=1) if errors else np.zeros((timesteps, 0))
        return cls(usable, kernel.astype(np.float32))

    def means(self, own: np.ndarray, each: np.ndarray) -> list[np.ndarray]:
        """Weighed means of forecasts as ``BY_PAST_ERROR`` lists them, ``(n, steps, n_targets)`` each.

        Args:
            own: past values of the targets, ``(n, timesteps, n_targets)``.
            each: the forecasts ``names`` of these windows, ``(n_names, n, steps, n_targets)``.
        """
        # One product of all windows' columns: of a stack of strided arrays NumPy makes small slow ones.
        by_column = np.swapaxes(own, 1, 2).reshape(-1, own.shape[1])
        errors = (by_column @ self.kernel).reshape(len(own), own.shape[2], self.kernel.shape[1])
        return self._means(np, errors, each, _softmax)

    def layers(self, own: Any, each: Any) -> list[Any]:
        """The same as parts of a network; ``set_past_errors`` then gives it the kernel."""
        keras = import_keras()
        layer = keras.layers.Dense(
            self.kernel.shape[1], use_bias=False, kernel_initializer="zeros", name=PAST_ERRORS,
            trainable=False,
        )  # fmt: skip
        errors = layer(keras.ops.transpose(own, (0, 2, 1)))
        return self._means(keras.ops, errors, each, keras.ops.softmax)

    def _means(self, ops: Any, errors: Any, each: Any, softmax: Any) -> list[Any]:
        """The weighed means; ``errors`` are ``(n, n_targets, n_names * n_errors)``."""
        targets, count = errors.shape[1], len(self.names)
        by_name = ops.reshape(ops.abs(errors), (-1, targets, count, errors.shape[2] // count))
        logs = ops.log(ops.mean(by_name, axis=3) + _SMALL_ERROR)
        found = []
        for power in BY_PAST_ERROR.values():
            shares = ops.transpose(softmax(logs * -float(power), axis=2), (2, 0, 1))
            found.append(ops.sum(ops.expand_dims(shares, 2) * each, axis=0))
        return found


def has_past_errors(names: Sequence[str]) -> bool:
    """Whether some of the naive forecasts are means of others, weighed by their past errors."""
    return any(name in BY_PAST_ERROR for name in names)


def set_past_errors(model: keras.Model, names: tuple[str, ...], timesteps: int, steps: int) -> None:
    """Give a network's layer its kernel; a network without the layer stays.

    Args:
        model: the network.
        names: its naive forecasts.
        timesteps: rows of a window.
        steps: steps ahead.
    """
    for layer in model.layers:
        if layer.name == PAST_ERRORS:
            layer.set_weights([PastErrors.of(names, timesteps, steps).kernel])


def _softmax(values: np.ndarray, axis: int) -> np.ndarray:
    """Exponentials as shares of their sum along an axis."""
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=axis, keepdims=True)
    return shares
