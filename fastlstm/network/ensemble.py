"""Train the members of an ensemble side by side in one network, each by its own loss.

The members (``Hyperparameters.ensemble_size``) differ in their first weights and dropout, as random
numbers decide them, and their forecasts are averaged: what one training settles on by chance weighs less
(Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation Using Deep
Ensembles"). Trained by the average's loss they would rely on each other, so each gets its own gradients.
Validation scores the average, which is the forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.keras_import import import_keras
from fastlstm.network.label_outputs import activation_of

if TYPE_CHECKING:
    import keras

# The layer with each member's outputs, ``(batch, outputs, members)``; of a classifier they are logits.
MEMBERS = "members"


def averaged(outputs: Any, members: int) -> Any:
    """The average of the members' outputs, ``(batch, outputs)``.

    Args:
        outputs: ``(batch, outputs * members)``, the members of an output side by side.
        members: how many there are.
    """
    keras = import_keras()
    layers = keras.layers
    split = layers.Reshape((outputs.shape[1] // members, members), name=MEMBERS)(outputs)
    return keras.ops.mean(split, axis=2)


def members_of(model: keras.Model) -> int:
    """How many members' forecasts a network averages; 1 without an ensemble."""
    found = [layer for layer in model.layers if layer.name == MEMBERS]
    return int(found[0].output.shape[2]) if found else 1


def trained_by_member(model: keras.Model, hp: Hyperparameters) -> keras.Model:
    """The model to compile and fit for a network: itself, or of an ensemble one of the same layers.

    Args:
        model: of ``fastlstm.network.build.build_network``.
        hp: the seed of the members' weights of windows, see ``fastlstm.network.ensemble_model``; and of
            a classifier, whose members give logits, the activation of these.
    """
    if MEMBERS not in [layer.name for layer in model.layers]:
        return model
    from fastlstm.network.ensemble_model import EnsembleModel

    keras = import_keras()
    members = model.get_layer(MEMBERS).output
    ensemble = EnsembleModel(model.inputs, members, name=model.name)
    ensemble.members = members.shape[2]
    ensemble.output_activation = keras.activations.linear if hp.is_regressor else activation_of(hp)
    ensemble.draws = keras.random.SeedGenerator(hp.seed)
    return ensemble
