"""Train the members of an ensemble beside each other in one network, each by its own loss.

The members (``Hyperparameters.ensemble_size``) differ in their first weights and dropout, as random
numbers decide them, and their forecasts are averaged: what one training settles on by chance weighs less
(Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation Using Deep
Ensembles"). Trained by the average's loss they would lean on each other, so each gets its own gradients.
Validation judges the average, which is what will be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlstm.network.keras_import import import_keras

if TYPE_CHECKING:
    import keras

# The layer with each member's outputs, ``(batch, outputs, members)``; before the activation where the
# average is of logits.
MEMBERS = "members"


# The layer that gives the average of logits its activation.
AVERAGE = "average"


def averaged(outputs: Any, members: int, activation: str | None) -> Any:
    """The members' outputs as one.

    Args:
        outputs: ``(batch, outputs * members)``, the members side by side.
        members: how many.
        activation: applied to the average; None where the members have applied theirs.
    """
    keras = import_keras()
    layers = keras.layers
    split = layers.Reshape((outputs.shape[1] // members, members), name=MEMBERS)(outputs)
    mean = keras.ops.mean(split, axis=2)
    return mean if activation is None else layers.Activation(activation, name=AVERAGE)(mean)


def trained_by_member(model: keras.Model, seed: int) -> keras.Model:
    """What to compile and fit in place of a network: itself, or an ensemble of the very same layers.

    In training every member weighs each window anew by a number drawn from the exponential distribution
    (the weights of Rubin 1981, "The Bayesian Bootstrap"): all see the same batches, whose noise would
    else move all the same way and stay in the average.

    Args:
        model: of ``fastlstm.network.build.build_network``.
        seed: of the weights.
    """
    keras = import_keras()
    if MEMBERS not in [layer.name for layer in model.layers]:
        return model
    ops, last = keras.ops, model.layers[-1]
    activation = last.activation if last.name == AVERAGE else keras.activations.linear
    members = model.get_layer(MEMBERS).output
    count = members.shape[2]

    class Members(keras.Model):  # type: ignore[misc, name-defined]
        """Gives each member's outputs."""

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
            training: bool = True,
        ) -> Any:  # fmt: skip
            """The mean of the members' losses in training, else the loss of the average."""
            loss = super().compute_loss
            if not training:
                return loss(x, y, activation(ops.mean(y_pred, axis=2)), sample_weight, training)
            drawn = keras.random.uniform((ops.shape(y_pred)[0], count), seed=self.draws)
            weights = -ops.log1p(-drawn)
            if sample_weight is not None:
                weights = weights * ops.expand_dims(sample_weight, 1)
            each = [
                loss(x, y, activation(y_pred[:, :, number]), weights[:, number], training)
                for number in range(count)
            ]
            return sum(each) / count

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            """Those of the average."""
            mean = activation(ops.mean(y_pred, axis=2))
            return super().compute_metrics(x, y, mean, sample_weight)

    made = Members(model.inputs, members, name=model.name)
    made.draws = keras.random.SeedGenerator(seed)
    return made
