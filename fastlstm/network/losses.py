"""The loss functions of a network, also those that Keras lacks."""

from __future__ import annotations

from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import canonical_loss
from fastlstm.network.keras_import import import_keras


def loss_of(hp: Hyperparameters) -> Any:
    keras = import_keras()
    of_targets = _pinball(hp) if hp.quantiles else keras.losses.get(canonical_loss(hp.loss))
    if hp.has_stock_loss:
        return of_targets
    ops = keras.ops
    given = hp.step_weights or [1.0] * hp.steps_ahead
    weights = [weight / sum(given) for weight in given]

    def by_step(truth: Any, outputs: Any) -> Any:
        """The loss of each step's outputs, weighted."""
        batch = ops.shape(outputs)[0]
        each = of_targets(
            ops.reshape(ops.cast(truth, outputs.dtype), (batch, hp.steps_ahead, -1)),
            ops.reshape(outputs, (batch, hp.steps_ahead, -1)),
        )
        return ops.sum(each * ops.convert_to_tensor(weights, outputs.dtype), axis=1)

    return by_step


def _pinball(hp: Hyperparameters) -> Any:
    """Mean over targets and quantiles of the pinball loss (Koenker and Bassett 1978)."""
    ops, shares = import_keras().ops, list(hp.quantiles or ())

    def quantile(truth: Any, outputs: Any) -> Any:
        each = ops.reshape(outputs, (*ops.shape(truth), len(shares)))
        error = ops.expand_dims(truth, -1) - each
        share = ops.convert_to_tensor(shares, outputs.dtype)
        return ops.mean(ops.maximum(share * error, (share - 1) * error), axis=(-2, -1))

    return quantile
