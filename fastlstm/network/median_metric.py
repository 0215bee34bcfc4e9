"""A Keras metric of the median among quantiles. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

from fastlstm.network.keras_import import import_keras

keras = import_keras()


class MedianMetric(keras.metrics.Metric):  # type: ignore[misc, name-defined]
    """A metric of a network's forecast, which is the middle one of its quantiles.

    Args:
        metric: the metric, whose name this one has.
        quantiles: outputs for each step and target.
    """

    def __init__(self, metric: Any, quantiles: int) -> None:
        super().__init__(name=metric.name)
        self.metric = metric
        self.quantiles = quantiles

    def update_state(self, truth: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Add a batch: truth ``(batch, n)``, outputs ``(batch, n * quantiles)``."""
        shape = (keras.ops.shape(outputs)[0], -1, self.quantiles)
        median = keras.ops.reshape(outputs, shape)[:, :, self.quantiles // 2]
        self.metric.update_state(truth, median, sample_weight)

    def result(self) -> Any:
        """The metric so far."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Begin a new epoch."""
        self.metric.reset_state()
