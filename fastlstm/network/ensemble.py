"""Train the members of an ensemble side by side in one network, each by its own loss.

The members (``Hyperparameters.ensemble_size``) differ in their first weights and dropout, as random
numbers decide them, and their forecasts are averaged: what one training settles on by chance weighs less
(Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation Using Deep
Ensembles"). Trained by the average's loss they would rely on each other, so each gets its own gradients.
Validation scores the average, which is the forecast.
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
    """The average of the members' outputs, ``(batch, outputs)``.

    Args:
        outputs: ``(batch, outputs * members)``, the members of an output side by side.
        members: how many there are.
        activation: applied to the average; None where the members have applied theirs.
    """
    keras = import_keras()
    layers = keras.layers
    split = layers.Reshape((outputs.shape[1] // members, members), name=MEMBERS)(outputs)
    mean = keras.ops.mean(split, axis=2)
    return mean if activation is None else layers.Activation(activation, name=AVERAGE)(mean)


def members_of(model: keras.Model) -> int:
    """How many members' forecasts a network averages; 1 without an ensemble."""
    found = [layer for layer in model.layers if layer.name == MEMBERS]
    return int(found[0].output.shape[2]) if found else 1


def trained_by_member(model: keras.Model, seed: int) -> keras.Model:
    """The model to compile and fit for a network: itself, or of an ensemble one of the same layers.

    Args:
        model: of ``fastlstm.network.build.build_network``.
        seed: of the members' weights of windows; see ``fastlstm.network.ensemble_model``.
    """
    if MEMBERS not in [layer.name for layer in model.layers]:
        return model
    from fastlstm.network.ensemble_model import EnsembleModel

    keras = import_keras()
    last = model.layers[-1]
    members = model.get_layer(MEMBERS).output
    ensemble = EnsembleModel(model.inputs, members, name=model.name)
    ensemble.members = members.shape[2]
    ensemble.output_activation = (
        last.activation if last.name == AVERAGE else keras.activations.linear
    )
    ensemble.draws = keras.random.SeedGenerator(seed)
    return ensemble
