"""Build the Keras network of an architecture, of stock layers and operations alone.

Whatever the architecture, inputs are ``(batch, timesteps, n_features)`` and outputs step-major
``(batch, steps_ahead * n_targets)``, both as scaled by the pipeline. What an architecture does to a
window (normalise it, cut it into segments, take its columns one by one) is part of the network, so the
saved file forecasts by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.architecture import Architecture, resolve
from fastlstm.ensemble import averaged
from fastlstm.fused_decoder import REPEATED
from fastlstm.fused_lstm import is_chosen, use_one_thread_per_operation
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.network import import_keras
from fastlstm.seeded_layers import SeededLayers

if TYPE_CHECKING:
    import keras

# The layer whose one weight is 1 where the network forecasts, 0 where the naive value stands for it.
GATE = "gate"
# The linear forecaster beside the LSTM, and the layer whose one weight is its share of the forecast.
LINEAR, LINEAR_SHARE = "linear", "linear_share"
# Largest size of the vector that stands beside each row for the static features.
_STATIC_UNITS = 16
# Keeps the deviation of a constant window from being zero.
_SMALLEST_VARIANCE = 1e-5


def lstm_sizes(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> tuple[list[int], int]:
    """Units of each LSTM layer, and the most time steps one reads; arguments as of ``build_network``."""
    hp = hyperparameters
    architecture = resolve(hp, features, targets, train_windows)
    if architecture.kind == "segment":
        return [architecture.units], -(-hp.timesteps // architecture.segment_length)
    return _widths(hp, len(features) - len(architecture.static)), hp.timesteps


def use_fitting_threads(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> None:
    """Set this process' threads to what suits its network best; arguments as of ``lstm_sizes``.

    Only before TensorFlow is first used; later, they stay as they are.
    """
    widths, steps = lstm_sizes(hyperparameters, features, targets, train_windows)
    if is_chosen(hyperparameters.lstm_implementation, steps, hyperparameters.activation):
        use_one_thread_per_operation(widths)


def _widths(hp: Hyperparameters, n_features: int) -> list[int]:
    return [max(1, round(width * n_features)) for width in hp.model_relative_width]


def build_network(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> keras.Model:
    """The network, not compiled: ``(timesteps, n_features)`` to ``steps_ahead * n_targets``, step-major.

    With quantiles it has so many outputs for each step and target, side by side and rising: they are
    sorted, so that no two cross (Chernozhukov et al. 2010, "Quantile and Probability Curves Without
    Crossing").

    Beside the LSTM may stand a linear forecaster, which has no share of the forecast before it is solved
    (``fastlstm.linear_component``).

    An ensemble (``ensemble_size``) has its members side by side; they share what is taken off a window
    and given back. Its output is the mean of theirs, quantile by quantile, and of a classifier the
    activation of their mean logit, which a calibration of every member's last layer scales as one.

    Static features are read once, from the last row, by a linear layer without bias: of indicators of
    the series that is a learned embedding of each (Guo and Berkhahn 2016, "Entity Embeddings of
    Categorical Variables").

    'classic' is a stack ``(LSTM → Dropout) x n → Dense``, its widths multiples of the number of
    features that are not static; only the last LSTM returns its final state alone, also when there is
    one. 'segment' is SegRNN (Lin et al. 2023, "SegRNN: Segment Recurrent Neural Network for Long-Term
    Time Series Forecasting") with an LSTM in place of its GRU.

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.
        train_windows: how many there are to learn from; see ``fastlstm.architecture.resolve``.

    Raises:
        ConfigError: an option needs targets among the features.
    """
    keras = import_keras()
    hp = hyperparameters
    architecture = resolve(hp, features, targets, train_windows)
    inputs = keras.Input((hp.timesteps, len(features)), name="window")
    members, each = hp.ensemble_size, hp.outputs_each * hp.ensemble_size
    sequences, undo = _prepared(inputs, architecture, hp.steps_ahead, len(targets), each)
    core = _segments if architecture.kind == "segment" else _stack
    layers = SeededLayers(hp.seed)
    made = [
        core(layers.of_member(number), sequences, inputs, architecture, hp, len(targets))
        for number in range(members)
    ]
    if architecture.linear_component:
        made = _beside_linear(made, sequences, inputs)
    outputs = undo(_side_by_side(made))
    if hp.outputs_each > 1:
        quantiles = (-1, hp.steps_ahead * len(targets), hp.outputs_each, members)
        ordered = keras.ops.sort(keras.ops.reshape(outputs, quantiles), axis=2)
        outputs = keras.ops.reshape(ordered, (-1, quantiles[1] * each))
    if members > 1:
        outputs = averaged(outputs, members, None if hp.is_regressor else hp.last_layer_activation)
    return keras.Model(inputs, outputs, name="fastlstm")


def _beside_linear(made: list[Any], sequences: Any, inputs: Any) -> list[Any]:
    """Outputs of each member with those of a linear layer; see ``fastlstm.linear_component``."""
    keras = import_keras()
    flat = keras.layers.Flatten(name="linear_inputs")(sequences)
    layer = keras.layers.Dense(
        made[0].shape[1], kernel_initializer="zeros", name=LINEAR, trainable=False
    )
    linear = layer(flat)
    share = keras.ops.reshape(_set_by_hand(inputs, "zeros", LINEAR_SHARE), (1, 1))
    return [own + share * (linear - own) for own in made]


def _side_by_side(made: list[Any]) -> Any:
    """Outputs ``(n, outputs)`` of each member as ``(n, outputs * members)``, the member last."""
    if len(made) == 1:
        return made[0]
    ops = import_keras().ops
    return ops.reshape(ops.stack(made, axis=2), (-1, made[0].shape[1] * len(made)))


def _output_activation(hp: Hyperparameters) -> str:
    """Of a member's last layer; an ensemble of classifiers averages logits."""
    joined = hp.ensemble_size > 1 and not hp.is_regressor
    return "linear" if joined else str(hp.last_layer_activation)


def _prepared(
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
        each = _numbered(inputs, len(a.own))
        gain = ops.reshape(_constants(len(a.own), "ones", "revin_scale")(each), (1, 1, -1))
        shift = ops.reshape(_constants(len(a.own), "zeros", "revin_shift")(each), (1, 1, -1))
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
        opened = ops.reshape(_set_by_hand(inputs, "ones", GATE), (1, 1, 1, 1))
        return naive + opened * (forecast - naive)

    return normal, denormal


def _numbered(inputs: Any, count: int) -> Any:
    """The numbers 0 to ``count - 1`` as a tensor of the network: constants reach no layer's weights."""
    ops = import_keras().ops
    zero = ops.sum(ops.zeros_like(inputs[:, 0, 0]))
    return ops.cast(zero, "int32") + ops.convert_to_tensor(np.arange(count, dtype=np.int32))


def _constants(count: int, initializer: str, name: str) -> Any:
    """One weight for each number, all alike at first."""
    return import_keras().layers.Embedding(count, 1, embeddings_initializer=initializer, name=name)


def _set_by_hand(inputs: Any, initializer: str, name: str) -> Any:
    """One weight that no training changes; see ``set_weight``."""
    layer = _constants(1, initializer, name)
    layer.trainable = False
    return layer(_numbered(inputs, 1))


def set_weight(model: Any, name: str, value: float) -> None:
    """Set the one weight of ``GATE`` or ``LINEAR_SHARE``; a network without it stays as it is."""
    for layer in model.layers:
        if layer.name == name:
            layer.set_weights([np.full((1, 1), value, np.float32)])


def _of_column(
    layers: SeededLayers, state: Any, inputs: Any, architecture: Architecture, size: int
) -> Any:
    """A state ``(n, units)`` beside the learned embedding of the column its sequence is of."""
    ops, count = import_keras().ops, len(architecture.own)
    if not architecture.channel_independent or count == 1:
        return state
    columns = layers.embedding(count, size, name="column")(_numbered(inputs, count))
    by_column = ops.reshape(state, (-1, count, state.shape[-1]))
    beside = ops.zeros_like(by_column[:, :, :1]) + ops.expand_dims(columns, 0)
    joined = ops.concatenate([by_column, beside], axis=2)
    return ops.reshape(joined, (-1, joined.shape[-1]))


def _static(layers: SeededLayers, inputs: Any, architecture: Architecture, size: int) -> Any:
    """What the static features of each sequence's window say, ``(n, size)``."""
    ops, a = import_keras().ops, architecture
    read = ops.take(inputs[:, -1, :], list(a.static), axis=1)
    told = layers.dense(size, use_bias=False, name="static")(read)
    return ops.repeat(told, len(a.own), axis=0) if a.channel_independent else told


def _stack(
    layers: SeededLayers, sequences: Any, inputs: Any, architecture: Architecture,
    hp: Hyperparameters, targets: int,
) -> Any:  # fmt: skip
    ops, a = import_keras().ops, architecture
    hidden = sequences
    if a.static:
        told = _static(layers, inputs, a, min(_STATIC_UNITS, len(a.static)))
        beside = ops.repeat(ops.expand_dims(told, 1), sequences.shape[1], axis=1)
        hidden = ops.concatenate([sequences, beside], axis=2)
    widths = _widths(hp, inputs.shape[2] - len(a.static))
    for number, (units, dropout) in enumerate(zip(widths, hp.model_dropout, strict=True), start=1):
        hidden = layers.lstm(
            units,
            activation=hp.activation,
            return_sequences=number < len(widths),
            name=f"lstm_{number}",
        )(hidden)
        hidden = layers.dropout(dropout, name=f"dropout_{number}")(hidden)
    hidden = _of_column(layers, hidden, inputs, architecture, max(1, widths[-1] // 2))
    outputs = hp.steps_ahead * (1 if architecture.channel_independent else targets)
    outputs *= hp.outputs_each
    return layers.dense(outputs, activation=_output_activation(hp), name="output")(hidden)


def _segments(
    layers: SeededLayers, sequences: Any, inputs: Any, architecture: Architecture,
    hp: Hyperparameters, targets: int,
) -> Any:  # fmt: skip
    ops, a = import_keras().ops, architecture
    timesteps, columns = sequences.shape[1], sequences.shape[2]
    count = -(-timesteps // a.segment_length)
    missing = count * a.segment_length - timesteps
    if missing:  # in front, where a row matters least
        sequences = ops.pad(sequences, ((0, 0), (missing, 0), (0, 0)))
    segments = ops.reshape(sequences, (-1, count, a.segment_length * columns))
    # Once for all segments: read row by row, a static feature would cost as much as one that changes.
    if a.static:
        told = ops.expand_dims(_static(layers, inputs, a, a.units), 1)
        embedded = ops.relu(layers.dense(a.units, name="segment")(segments) + told)
    else:
        embedded = layers.dense(a.units, activation="relu", name="segment")(segments)
    # Encoder and decoder share their weights, as in SegRNN.
    lstm = layers.lstm(a.units, return_state=True, name="lstm_1")
    _, hidden, cell = lstm(embedded)
    each = hp.outputs_each * (1 if a.channel_independent else targets)
    drop = layers.dropout(hp.segment_dropout, name="dropout_1")
    if hp.decoding == "direct":
        state = _of_column(layers, drop(hidden), inputs, a, a.units // 2)
        return layers.dense(
            hp.steps_ahead * each, activation=_output_activation(hp), name="output"
        )(state)
    length = min(a.segment_length, hp.steps_ahead)
    ahead = -(-hp.steps_ahead // length)
    output = layers.dense(length * each, activation=_output_activation(hp), name="output")
    if hp.decoding == "recursive":
        made = _one_after_another(layers, lstm, hidden, cell, drop, output, ahead, a)
    else:
        made = _all_at_once(layers, lstm, hidden, cell, drop, output, ahead, inputs, a)
    made = ops.reshape(made, (-1, ahead * length, each))[:, : hp.steps_ahead]
    return ops.reshape(made, (-1, hp.steps_ahead * each))


def _all_at_once(
    layers: SeededLayers, lstm: Any, hidden: Any, cell: Any, drop: Any, output: Any, ahead: int,
    inputs: Any, architecture: Architecture,
) -> Any:  # fmt: skip
    """Future segments ``(n * ahead, outputs)``: one step from the last state for each position."""
    ops, units = import_keras().ops, architecture.units
    targets = len(architecture.own) if architecture.channel_independent else 1
    of_position = units // 2 if targets > 1 else units
    position = layers.embedding(ahead, of_position, name="position")(_numbered(inputs, ahead))
    asked = ops.expand_dims(position, 0)
    if targets > 1:
        column = layers.embedding(targets, units - of_position, name="column")(
            _numbered(inputs, targets)
        )
        asked = ops.concatenate(
            [
                ops.repeat(asked, targets, axis=0),
                ops.repeat(ops.expand_dims(column, 1), ahead, axis=1),
            ],
            axis=2,
        )
    asked = ops.reshape(asked, (1, targets * ahead, units))
    asked = ops.zeros_like(inputs[:, :1, :1]) + asked  # for each window of the batch
    asked = ops.reshape(asked, (-1, 1, units))

    # Layers with names, so that ``fastlstm.fused_decoder`` knows what stands repeated.
    states = [
        ops.reshape(layers.repeat(ahead, name=f"{REPEATED}_{name}")(state), (-1, units))
        for name, state in (("hidden", hidden), ("cell", cell))
    ]
    answered = lstm(asked, initial_state=states)[0]
    return output(drop(answered))


def _one_after_another(
    layers: SeededLayers, lstm: Any, hidden: Any, cell: Any, drop: Any, output: Any, ahead: int,
    architecture: Architecture,
) -> Any:  # fmt: skip
    """Future segments ``(n, ahead, outputs)``, each from the state after the one before it."""
    ops = import_keras().ops
    back = layers.dense(architecture.units, activation="relu", name="forecast_segment")
    made = []
    for number in range(ahead):
        made.append(output(drop(hidden)))
        if number + 1 < ahead:
            _, hidden, cell = lstm(ops.expand_dims(back(made[-1]), 1), initial_state=[hidden, cell])
    return ops.stack(made, axis=1)
