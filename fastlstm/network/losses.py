"""The loss functions of a network, including those that Keras lacks.

A new loss of Keras is an entry of the names in ``fastlstm.config.keras_names``. One that Keras lacks is
an entry in ``_OWN_LOSSES``, and in the names of ``fastlstm.config.keras_names.OWN_LOSSES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.keras_names import QUANTILE_LOSS, canonical_loss
from fastlstm.network.keras_import import import_keras
from fastlstm.network.label_outputs import label_slices

# Share of a count's mean that is added to it in a deviance, which keeps gradients bounded near 0.
_SHIFT = 1e-3

# Takes truth and outputs, ``(batch, …, n)``, and gives the loss of each row, ``(batch, …)``.
_Loss = Callable[[Any, Any], Any]


def loss_of(hp: Hyperparameters, class_weights: Sequence[Sequence[float]] | None = None) -> Any:
    """The loss of hyperparameters, with the steps ahead weighted by ``step_weights``.

    Args:
        hp: the settings.
        class_weights: of each label column the weight of each class, by which the loss of each label is
            multiplied; None: all weigh alike.

    Returns:
        A Keras loss function of truth ``(batch, steps_ahead * n_targets)`` and outputs.
    """
    keras = import_keras()
    name = canonical_loss(hp.loss)
    of_targets = _OWN_LOSSES[name](hp) if name in _OWN_LOSSES else keras.losses.get(name)
    if hp.has_stock_loss:
        return of_targets
    if hp.has_label_groups or hp.weighs_each_label:
        return _by_label(hp, of_targets, class_weights)
    ops = keras.ops
    given = hp.step_weights or [1.0] * hp.steps_ahead
    weights = [weight / sum(given) for weight in given]

    def by_step(truth: Any, outputs: Any) -> Any:
        """The weighted mean of the losses of the steps' outputs, ``(batch,)``."""
        batch = ops.shape(outputs)[0]
        of_steps = of_targets(
            ops.reshape(ops.cast(truth, outputs.dtype), (batch, hp.steps_ahead, -1)),
            ops.reshape(outputs, (batch, hp.steps_ahead, -1)),
        )
        return ops.sum(of_steps * ops.convert_to_tensor(weights, outputs.dtype), axis=1)

    return by_step


def _by_label(
    hp: Hyperparameters, of_classes: _Loss, class_weights: Sequence[Sequence[float]] | None
) -> _Loss:
    """Mean over steps and label columns of the loss of each distribution.

    Args:
        hp: the label columns.
        of_classes: the loss of probabilities of several classes; two classes that have one probability
            are taken as two.
        class_weights: see ``loss_of``.
    """
    ops, slices = import_keras().ops, label_slices(hp.label_sizes)
    width = slices[-1].stop

    def both(one: Any) -> Any:
        return ops.concatenate([1 - one, one], axis=-1) if one.shape[-1] == 1 else one

    def by_label(truth: Any, outputs: Any) -> Any:
        shape = (-1, hp.steps_ahead, width)
        true, given = (ops.reshape(ops.cast(v, outputs.dtype), shape) for v in (truth, outputs))
        pairs = [(both(true[:, :, s]), both(given[:, :, s])) for s in slices]
        losses = [of_classes(*pair) for pair in pairs]
        if class_weights is not None:
            weights = [ops.convert_to_tensor(w, outputs.dtype) for w in class_weights]
            losses = [
                loss * ops.sum(label * weight, axis=-1)
                for loss, (label, _), weight in zip(losses, pairs, weights, strict=True)
            ]
        return ops.mean(sum(losses) / len(losses), axis=1)

    return by_label


def _pinball(hp: Hyperparameters) -> _Loss:
    """Mean over targets and quantiles of the pinball loss (Koenker and Bassett 1978)."""
    ops, levels = import_keras().ops, list(hp.quantiles or ())

    def pinball(truth: Any, outputs: Any) -> Any:
        quantiles = ops.reshape(outputs, (*ops.shape(truth), len(levels)))
        error = ops.expand_dims(truth, -1) - quantiles
        level = ops.convert_to_tensor(levels, outputs.dtype)
        return ops.mean(ops.maximum(level * error, (level - 1) * error), axis=(-2, -1))

    return pinball


def _poisson(_: Hyperparameters) -> _Loss:
    """Mean over targets of the unit deviance of the Poisson distribution."""
    ops = import_keras().ops

    def poisson(truth: Any, outputs: Any) -> Any:
        y, mean = _shifted(truth), _shifted(outputs)
        return ops.mean(2 * (y * ops.log(y / mean) - (y - mean)), axis=-1)

    return poisson


def _negative_binomial(hp: Hyperparameters) -> _Loss:
    """Mean over targets of the unit deviance of the negative binomial distribution.

    Its variance is ``m + a m^2`` with the mean ``m`` (Hilbe 2011, "Negative Binomial Regression",
    chapter 8). Divided by ``s``, counts of dispersion ``a`` have the same deviance, but for the factor
    ``s``, as values of dispersion ``a s``; ``dispersion`` is this product, so that it means the same for
    series of any size.
    """
    ops, size = import_keras().ops, 1 / hp.dispersion

    def negative_binomial(truth: Any, outputs: Any) -> Any:
        y, mean = _shifted(truth), _shifted(outputs)
        deviance = y * ops.log(y / mean) - (y + size) * ops.log((y + size) / (mean + size))
        return ops.mean(2 * deviance, axis=-1)

    return negative_binomial


def _tweedie(hp: Hyperparameters) -> _Loss:
    """Mean over targets of the unit deviance of a compound Poisson-gamma distribution.

    Its variance is the mean to the power ``tweedie_power``, between 1 and 2, and it holds exact zeros
    beside positive amounts (Jørgensen 1987, "Exponential Dispersion Models").
    """
    ops, p = import_keras().ops, hp.tweedie_power

    def tweedie(truth: Any, outputs: Any) -> Any:
        y, mean = _shifted(truth), _shifted(outputs)
        deviance = (
            y ** (2 - p) / ((1 - p) * (2 - p))
            - y * mean ** (1 - p) / (1 - p)
            + mean ** (2 - p) / (2 - p)
        )
        return ops.mean(2 * deviance, axis=-1)

    return tweedie


def _shifted(values: Any) -> Any:
    """Counts or their forecasts, none below 0, and a little more, so that 0 has a logarithm.

    Truth and forecast are shifted alike, so the best forecast is still the mean of the truth.
    """
    return import_keras().ops.maximum(values, 0.0) + _SHIFT


# By canonical name: makes the loss of hyperparameters.
_OWN_LOSSES: dict[str, Callable[[Hyperparameters], _Loss]] = {
    QUANTILE_LOSS: _pinball,
    "poisson": _poisson,
    "negative_binomial": _negative_binomial,
    "tweedie": _tweedie,
}
