"""Instance normalization: target columns are normalized by window, and the forecast denormalized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastlstm.network.architecture import Architecture
from fastlstm.network.combination import mixed_start
from fastlstm.network.fixed_weights import constants, numbered
from fastlstm.network.keras_import import import_keras

# Keeps the deviation of a constant window from being zero.
_SMALLEST_VARIANCE = 1e-5


def normalized_sequences(
    window: Any, architecture: Architecture, naive: Any, steps: int, targets: int
) -> tuple[Any, Callable[[Any, int], Any]]:
    """Sequences for the core, and the function that makes forecasts of the core's outputs.

    Args:
        window: the network's input, ``(batch, timesteps, n_features)``.
        architecture: the network's.
        naive: its naive forecasts; see ``fastlstm.network.combination.naive_layers``.
        steps: steps ahead.
        targets: number of target columns.

    Returns:
        Sequences ``(n, timesteps, columns)``; with a network shared by the targets, ``n`` is the batch
        times the targets, target by target. And the function from ``(n, …)`` outputs of the core, and
        how many outputs each step and target has, to ``(batch, steps * targets * outputs)``.
    """
    ops = import_keras().ops
    a = architecture
    plain = a.normalization == "none" and a.seasonal_residual is None
    timesteps, n_features = window.shape[1], window.shape[2]
    changing = [column for column in range(n_features) if column not in a.unread]
    if plain and not a.channel_independent:
        columns = ops.take(window, changing, axis=2) if a.unread else window
        return columns, lambda outputs_of_core, _: outputs_of_core
    others = [column for column in changing if column not in a.own]
    own = ops.take(window, list(a.own), axis=2)
    normalized = _normalized(own, window, a)
    if a.mixed_start:
        normalized = replace(normalized, start=mixed_start(window, a, naive, steps))
    rest = [ops.take(window, others, axis=2)] if others else []
    if a.channel_independent:
        by_target = ops.expand_dims(ops.transpose(normalized.values, (0, 2, 1)), 3)
        shared = [ops.repeat(ops.expand_dims(part, 1), targets, axis=1) for part in rest]
        sequences = ops.concatenate([by_target, *shared], axis=3) if shared else by_target
        sequences = ops.reshape(sequences, (-1, timesteps, 1 + len(others)))
    else:
        values = normalized.values
        sequences = ops.concatenate([values, *rest], axis=2) if rest else values

    def forecast(outputs_of_core: Any, outputs: int) -> Any:
        if a.channel_independent:
            by_target = ops.reshape(outputs_of_core, (-1, targets, steps, outputs))
            by_step = ops.transpose(by_target, (0, 2, 1, 3))
        else:
            by_step = ops.reshape(outputs_of_core, (-1, steps, targets, outputs))
        return ops.reshape(normalized.forecast(by_step), (-1, steps * targets * outputs))

    return sequences, forecast


@dataclass(frozen=True)
class _Normalized:
    """Target columns normalized window by window, and the way back.

    Attributes:
        own: the target columns, ``(batch, timesteps, n_targets)``.
        architecture: the network's.
        values: the normalized columns, same shape as ``own``.
        level: what is subtracted, ``(batch, 1, n_targets)``, or 0.
        scale: what outputs are multiplied by, same shape, or 1.
        shift: what is subtracted from outputs before, ``(1, 1, n_targets)``, or 0.
        start: the naive forecast that outputs correct, ``(batch, steps, n_targets)``; None: the level,
            or the seasonal naive forecast of ``seasonal_residual``.
    """

    own: Any
    architecture: Architecture
    values: Any
    level: Any = 0.0
    scale: Any = 1.0
    shift: Any = 0.0
    start: Any = None

    def forecast(self, outputs: Any) -> Any:
        """Outputs of the core to forecasts, ``(batch, steps, n_targets, outputs)`` both."""
        ops, a = import_keras().ops, self.architecture
        forecast = (outputs - _of_each_output(self.shift)) * _of_each_output(self.scale)
        if self.start is not None:
            return forecast + self._starts(outputs.shape[3])
        if a.seasonal_residual is None:
            return forecast + _of_each_output(self.level)
        rows = a.naive_rows(self.own.shape[1], outputs.shape[1])
        return forecast + _of_each_output(ops.take(self.own, rows, axis=1))

    def _starts(self, outputs: int) -> Any:
        """What each output corrects, ``(batch, steps, n_targets, outputs)`` or with a last axis of 1.

        Every second member of an ensemble corrects the last value: members that begin from different
        forecasts err differently.
        """
        members = self.architecture.members
        start = _of_each_output(self.start)
        if members == 1 or outputs == 1:
            return start
        from_last = (np.arange(outputs) % members % 2 == 1).astype(np.float32)
        return start + (_of_each_output(self.level) - start) * from_last


def _of_each_output(values: Any) -> Any:
    """Values by target with an axis for the outputs of each; a number stays."""
    return values if isinstance(values, float) else import_keras().ops.expand_dims(values, -1)


def _normalized(own: Any, window: Any, architecture: Architecture) -> _Normalized:
    """Target columns ``(batch, timesteps, n_targets)`` normalized by window.

    'last' subtracts the window's last value (NLinear; Zeng et al. 2023, "Are Transformers Effective for
    Time Series Forecasting?"); 'revin' standardizes by the window's mean and deviation, then applies a
    learned scale and shift (RevIN; Kim et al. 2022, "Reversible Instance Normalization").
    """
    ops, a = import_keras().ops, architecture
    if a.normalization == "last":
        level = own[:, -1:, :]
        return _Normalized(own, a, own - level, level)
    if a.normalization == "none":
        return _Normalized(own, a, own)
    level = ops.mean(own, axis=1, keepdims=True)
    deviation = ops.sqrt(ops.var(own, axis=1, keepdims=True) + _SMALLEST_VARIANCE)
    targets = numbered(window, len(a.own))
    gain = ops.reshape(constants(len(a.own), "ones", "revin_scale")(targets), (1, 1, -1))
    shift = ops.reshape(constants(len(a.own), "zeros", "revin_shift")(targets), (1, 1, -1))
    values = (own - level) / deviation * gain + shift
    # As RevIN's authors do: a learned scale may pass through zero.
    scale = deviation / (gain + _SMALLEST_VARIANCE**2)
    return _Normalized(own, a, values, level, scale, shift)
