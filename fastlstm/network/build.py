"""Build the Keras network of an architecture, of stock layers and operations alone.

Whatever the architecture, inputs are ``(batch, timesteps, n_features)`` and outputs step-major
``(batch, steps_ahead * n_targets)``, both as scaled by the pipeline. What an architecture does to a
window (normalize it, cut it into segments, take its columns one by one) is part of the network, so the
saved file forecasts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import LINEAR_REGRESSION, LSTM, Architecture, resolve
from fastlstm.network.combination import (
    combined,
    forecast_by_lstm_alone,
    naive_layers,
    start_from_last_value,
)
from fastlstm.network.cores import CORES
from fastlstm.network.counts import above_zero
from fastlstm.network.ensemble import averaged
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.fused_lstm import is_chosen, use_one_thread_per_operation
from fastlstm.network.keras_import import import_keras
from fastlstm.network.label_outputs import probabilities
from fastlstm.network.normalization import normalized_sequences
from fastlstm.network.past_errors import set_past_errors
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.side_inputs import with_embedded_columns
from fastlstm.network.temporal_decoder import future_covariates

if TYPE_CHECKING:
    import keras


def lstm_sizes(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> tuple[list[int], int]:
    """Units of each LSTM layer, and the most time steps that one reads.

    Arguments are those of ``build_network``.
    """
    architecture = resolve(hyperparameters, features, targets, train_windows)
    core = CORES[architecture.kind](hyperparameters, architecture, len(features), len(targets))
    return core.lstm_sizes()


def use_fitting_threads(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
) -> None:
    """Set this process' threads to what suits the network best.

    It has an effect only before TensorFlow is first used. Arguments are those of ``build_network``.
    """
    widths, steps = lstm_sizes(hyperparameters, features, targets, train_windows)
    if is_chosen(hyperparameters.lstm_implementation, steps, hyperparameters.activation):
        use_one_thread_per_operation(widths)


def build_network(
    hyperparameters: Hyperparameters,
    features: Sequence[str],
    targets: Sequence[str],
    train_windows: int | None = None,
    seasons: Sequence[int] = (),
) -> keras.Model:
    """The network, not compiled: ``(timesteps, n_features)`` to ``steps_ahead * n_targets``, step-major.

    Its core is that of the architecture; see ``fastlstm.network.cores``. Around it, target columns are
    normalized by window; see ``fastlstm.network.normalization``.

    With quantiles it has one output per quantile for each step and target, side by side and rising: they
    are sorted, so that no two cross (Chernozhukov et al. 2010, "Quantile and Probability Curves Without
    Crossing").

    Where other forecasters take part, the LSTM has all weight at first, and corrects the last value; see
    ``fastlstm.network.combination``.

    The members of an ensemble (``ensemble_size``) stand side by side and share the normalization. The
    output is the mean of theirs, quantile by quantile, and of a classifier the activation of their mean
    logit. The other forecasters of a classifier give logits too, and the weighted sum is of logits.

    Args:
        hyperparameters: the settings.
        features: names of the input columns.
        targets: names of the output columns.
        train_windows: how many there are to learn from; see ``fastlstm.network.architecture.resolve``.
        seasons: found in the train rows; see there.

    Raises:
        ConfigError: an option needs targets among the features.
    """
    keras = import_keras()
    hp = hyperparameters
    architecture = resolve(hp, features, targets, train_windows, seasons)
    window = keras.Input((hp.timesteps, len(features)), name="window")
    naive = naive_layers(window, architecture, hp.steps_ahead)
    sequences, forecast = normalized_sequences(
        window, architecture, naive, hp.steps_ahead, len(targets)
    )
    core = CORES[architecture.kind](hp, architecture, len(features), len(targets))
    layers = SeededLayers(hp.seed)
    by_member = []
    for number in range(architecture.members):
        own = layers.of_member(number)
        columns = with_embedded_columns(own, sequences, window, architecture)
        by_member.append(core(own, columns, window))
    side_by_side = forecast(_side_by_side(by_member), hp.outputs_each * architecture.members)
    outputs = _ensemble_mean(side_by_side, hp, architecture.members, len(targets))
    if len(architecture.forecasters) > 1:
        by_name = {LSTM: outputs}
        if architecture.linear_component:
            linear = _linear_component(
                sequences, window, architecture, hp.steps_ahead, len(targets)
            )
            by_name[LINEAR_REGRESSION] = forecast(linear, 1)
        outputs = combined(window, architecture, by_name, naive, hp.steps_ahead, len(targets))
        if hp.has_count_loss:  # a linear component or a drift may be below 0
            outputs = keras.ops.relu(outputs)
    if architecture.gives_logits:
        outputs = probabilities(outputs, hp)
    model = keras.Model(window, outputs, name="fastlstm")
    forecast_by_lstm_alone(model, architecture, hp.steps_ahead, len(targets))
    start_from_last_value(model, architecture, hp.steps_ahead)
    set_past_errors(model, architecture.naive_forecasters, hp.timesteps, hp.steps_ahead)
    return model


def _ensemble_mean(outputs: Any, hp: Hyperparameters, members: int, targets: int) -> Any:
    """The mean of the members' outputs, quantile by quantile, ``(batch, steps * targets * outputs)``.

    Args:
        outputs: of the members, side by side for each step, target and quantile.
        hp: the settings; counts are above 0, and quantiles rise.
        members: networks of the ensemble.
        targets: number of target columns.
    """
    ops = import_keras().ops
    if hp.has_count_loss:
        outputs = above_zero(outputs)
    if hp.outputs_each > 1:
        quantiles = (-1, hp.steps_ahead * targets, hp.outputs_each, members)
        ordered = ops.sort(ops.reshape(outputs, quantiles), axis=2)
        outputs = ops.reshape(ordered, (-1, quantiles[1] * hp.outputs_each * members))
    return averaged(outputs, members) if members > 1 else outputs


def _linear_component(
    sequences: Any, window: Any, architecture: Architecture, steps: int, targets: int
) -> Any:
    """Outputs of a linear layer on a sequence and on the covariates of all steps, ``(n, outputs)``.

    It is solved, not trained; see ``fastlstm.training.linear_component``.

    Args:
        sequences: inputs of the core.
        window: the network's input.
        architecture: says whether the targets share the layer, and whether it reads covariates.
        steps: steps ahead.
        targets: number of target columns.
    """
    keras = import_keras()
    flat = keras.layers.Flatten(name="linear_inputs")(sequences)
    if architecture.gives_logits and architecture.static:
        static = keras.ops.take(window[:, -1, :], list(architecture.static), axis=1)
        flat = keras.ops.concatenate([flat, static], axis=1)
    if architecture.linear_covariates:
        known = future_covariates(window, architecture)
        known = keras.ops.reshape(known, (-1, architecture.linear_covariates))
        if architecture.channel_independent:
            known = keras.ops.repeat(known, targets, axis=0)
        flat = keras.ops.concatenate([flat, known], axis=1)
    outputs = steps * (1 if architecture.channel_independent else targets)
    layer = keras.layers.Dense(outputs, kernel_initializer="zeros", name=LINEAR, trainable=False)
    return layer(flat)


def _side_by_side(by_member: list[Any]) -> Any:
    """Outputs ``(n, outputs)`` of each member as ``(n, outputs * members)``, the member last."""
    if len(by_member) == 1:
        return by_member[0]
    ops = import_keras().ops
    return ops.reshape(ops.stack(by_member, axis=2), (-1, by_member[0].shape[1] * len(by_member)))
