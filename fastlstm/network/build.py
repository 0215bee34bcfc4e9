"""Build the Keras network of an architecture, of stock layers and operations alone.

Whatever the architecture, inputs are ``(batch, timesteps, n_features)`` and outputs step-major
``(batch, steps_ahead * n_targets)``, both as scaled by the pipeline. What an architecture does to a
window (normalise it, cut it into segments, take its columns one by one) is part of the network, so the
saved file forecasts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import resolve
from fastlstm.network.classic import classic_core, layer_widths
from fastlstm.network.ensemble import averaged
from fastlstm.network.fixed_weights import LINEAR, LINEAR_WEIGHT, fixed_weight
from fastlstm.network.fused_lstm import is_chosen, use_one_thread_per_operation
from fastlstm.network.keras_import import import_keras
from fastlstm.network.normalization import normalized_sequences
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.segment import segment_core

if TYPE_CHECKING:
    import keras


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
    return layer_widths(hp, len(features) - len(architecture.static)), hp.timesteps


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
    (``fastlstm.training.linear_component``).

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
        train_windows: how many there are to learn from; see ``fastlstm.network.architecture.resolve``.

    Raises:
        ConfigError: an option needs targets among the features.
    """
    keras = import_keras()
    hp = hyperparameters
    architecture = resolve(hp, features, targets, train_windows)
    inputs = keras.Input((hp.timesteps, len(features)), name="window")
    members, each = hp.ensemble_size, hp.outputs_each * hp.ensemble_size
    sequences, undo = normalized_sequences(inputs, architecture, hp.steps_ahead, len(targets), each)
    core = segment_core if architecture.kind == "segment" else classic_core
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
    """Outputs of each member with those of a linear layer; see ``fastlstm.training.linear_component``."""
    keras = import_keras()
    flat = keras.layers.Flatten(name="linear_inputs")(sequences)
    layer = keras.layers.Dense(
        made[0].shape[1], kernel_initializer="zeros", name=LINEAR, trainable=False
    )
    linear = layer(flat)
    share = keras.ops.reshape(fixed_weight(inputs, "zeros", LINEAR_WEIGHT), (1, 1))
    return [own + share * (linear - own) for own in made]


def _side_by_side(made: list[Any]) -> Any:
    """Outputs ``(n, outputs)`` of each member as ``(n, outputs * members)``, the member last."""
    if len(made) == 1:
        return made[0]
    ops = import_keras().ops
    return ops.reshape(ops.stack(made, axis=2), (-1, made[0].shape[1] * len(made)))
