"""The model that trains the members of an ensemble. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.network.keras_import import import_keras

keras = import_keras()


class EnsembleModel(keras.Model):  # type: ignore[misc, name-defined]
    """Gives the members' outputs, ``(batch, outputs, members)``, and trains each by its own loss.

    In training every member weighs each window by a number drawn from the exponential distribution (the
    weights of Rubin 1981, "The Bayesian Bootstrap"): all see the same batches, whose noise would
    otherwise move all in the same way and stay in the average.

    Attributes:
        members: how many there are.
        output_activation: applied to each member's outputs, and to their average.
        draws: Keras' generator of the weights.
    """

    members: int
    output_activation: Callable[[Any], Any]
    draws: Any

    def average(self, outputs: Any) -> Any:
        """The ensemble's forecast, ``(batch, outputs)``, of its members' outputs."""
        return self.output_activation(keras.ops.mean(outputs, axis=2))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
        training: bool = True,
    ) -> Any:  # fmt: skip
        """The mean of the members' losses in training, otherwise the loss of the average."""
        ops, loss = keras.ops, super().compute_loss
        if not training:
            return loss(x, y, self.average(y_pred), sample_weight, training)
        uniform = keras.random.uniform((ops.shape(y_pred)[0], self.members), seed=self.draws)
        weights = -ops.log1p(-uniform)
        if sample_weight is not None:
            weights = weights * ops.expand_dims(sample_weight, 1)
        losses = [
            loss(x, y, self.output_activation(y_pred[:, :, number]), weights[:, number], training)
            for number in range(self.members)
        ]
        return sum(losses) / self.members

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The metrics of the average."""
        return super().compute_metrics(x, y, self.average(y_pred), sample_weight)
