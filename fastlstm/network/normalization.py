"""What is taken off each window's target columns and given back to the forecast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import GATE, constants, fixed_weight, numbered
from fastlstm.network.keras_import import import_keras

# Keeps the deviation of a constant window from being zero.
_SMALLEST_VARIANCE = 1e-5


def normalized_sequences(
    inputs: Any, architecture: Architecture, steps: int, targets: int, each: int
) -> tuple[Any, Callable[[Any], Any]]:
    """Sequences ``(n, timesteps, columns)`` for the core, and what gives its outputs back.

    With a network shared by the targets, ``n`` is the batch times the targets, target by target.
    """
    ops = import_keras().ops
    a = architecture
    plain = a.normalization == "none" and a.seasonal_residual is None
    timesteps, n_features = inputs.shape[1], inputs.shape[2]
    changing = [column for column in range(n_features) if column not in a.static]
    if plain and not a.channel_independent and not a.naive_unless_better:
        taken = ops.take(inputs, changing, axis=2) if a.static else inputs
        return taken, lambda outputs: outputs
    others = [column for column in changing if column not in a.own]
    own = ops.take(inputs, list(a.own), axis=2)
    normal, denormal = _normalized(own, inputs, a)
    rest = [ops.take(inputs, others, axis=2)] if others else []
    if a.channel_independent:
        columns = ops.expand_dims(ops.transpose(normal, (0, 2, 1)), 3)
        beside = [ops.repeat(ops.expand_dims(part, 1), targets, axis=1) for part in rest]
        sequences = ops.concatenate([columns, *beside], axis=3) if beside else columns
        sequences = ops.reshape(sequences, (-1, timesteps, 1 + len(others)))
    else:
        sequences = ops.concatenate([normal, *rest], axis=2) if rest else normal

    def undo(outputs: Any) -> Any:
        if a.channel_independent:
            by_target = ops.reshape(outputs, (-1, targets, steps, each))
            by_step = ops.transpose(by_target, (0, 2, 1, 3))
        else:
            by_step = ops.reshape(outputs, (-1, steps, targets, each))
        return ops.reshape(denormal(by_step), (-1, steps * targets * each))

    return sequences, undo


def _normalized(own: Any, inputs: Any, architecture: Architecture) -> tuple[Any, Any]:
    """Target columns ``(batch, timesteps, n_targets)`` normalised by window, and the way back."""
    keras = import_keras()
    ops, a = keras.ops, architecture
    normal: Any = own
    level: Any = 0.0
    scale: Any = 1.0
    shift: Any = 0.0
    if a.normalization == "last":
        level = own[:, -1:, :]
        normal = own - level
    elif a.normalization == "revin":
        level = ops.mean(own, axis=1, keepdims=True)
        deviation = ops.sqrt(ops.var(own, axis=1, keepdims=True) + _SMALLEST_VARIANCE)
        each = numbered(inputs, len(a.own))
        gain = ops.reshape(constants(len(a.own), "ones", "revin_scale")(each), (1, 1, -1))
        shift = ops.reshape(constants(len(a.own), "zeros", "revin_shift")(each), (1, 1, -1))
        normal = (own - level) / deviation * gain + shift
        # As RevIN's authors do: a learned scale may pass through zero.
        scale = deviation / (gain + _SMALLEST_VARIANCE**2)

    def of_each(values: Any) -> Any:
        return values if isinstance(values, float) else ops.expand_dims(values, -1)

    def denormal(outputs: Any) -> Any:
        naive = of_each(ops.take(own, a.naive_rows(own.shape[1], outputs.shape[1]), axis=1))
        forecast = (outputs - of_each(shift)) * of_each(scale)
        forecast = forecast + (of_each(level) if a.seasonal_residual is None else naive)
        if not a.naive_unless_better:
            return forecast
        opened = ops.reshape(fixed_weight(inputs, "ones", GATE), (1, 1, 1, 1))
        return naive + opened * (forecast - naive)

    return normal, denormal
