"""The loss of each single forecast value, whose means give the metrics that decide.

Significance tests, backtests and monitoring average losses over origins, steps and series on their own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

# Column of a table of predictions: what errors are divided by in a scaled primary metric.
SCALE_COLUMN = "scale"

Values = TypeVar("Values", np.ndarray, pd.Series, pd.DataFrame)


@dataclass(frozen=True)
class PointwiseLoss:
    """The loss of single values that belongs to a metric.

    Attributes:
        metric: key of the metric that a mean of losses gives.
        squared: whether it is the squared error, otherwise the absolute one.
        scaled: whether the error is divided by a scale first.
        rooted: whether the metric is the root of the mean.
    """

    metric: str
    squared: bool
    scaled: bool
    rooted: bool

    def of(self, forecast: Values, truth: Values, scale: Values | None = None) -> Values:
        """Losses of any shape.

        Args:
            forecast: any shape.
            truth: same shape.
            scale: same shape, NaN where it is undefined; scaled losses need it, others do not read it.

        Raises:
            ValueError: a scaled loss has no scale.
        """
        error: Values = forecast - truth
        if self.scaled:
            if scale is None:
                raise ValueError(f"{self.metric}: the scales of the errors are not given")
            error = error / scale
        loss: Values = error**2 if self.squared else abs(error)
        return loss

    def metric_of(self, mean: Values) -> Values:
        """The metric, from the mean of losses."""
        metric: Values = mean**0.5 if self.rooted else mean
        return metric

    def over_all(self, losses: pd.Series, series: pd.Series) -> float:
        """The metric over all values: of scaled losses the mean over series, NaN where none is defined.

        Args:
            losses: see ``of``; NaN does not count.
            series: series of each loss.
        """
        if not self.scaled:
            return float(self.metric_of(pd.Series([losses.mean()]))[0])
        return float(self.metric_of(losses.groupby(series).mean()).mean())


_LOSSES = {
    loss.metric: loss
    for loss in (
        PointwiseLoss("mae", squared=False, scaled=False, rooted=False),
        PointwiseLoss("rmse", squared=True, scaled=False, rooted=True),
        PointwiseLoss("mase", squared=False, scaled=True, rooted=False),
        PointwiseLoss("rmsse", squared=True, scaled=True, rooted=True),
        PointwiseLoss("brier", squared=True, scaled=False, rooted=False),
    )
}


def loss_of(primary: str, columns: Collection[str]) -> PointwiseLoss:
    """The loss of single values for a primary metric.

    Args:
        primary: key of the metric. One of probabilities, which has no such loss, gives the Brier score.
        columns: of the table of predictions. Tables of earlier versions have no scales, which gives
            absolute errors.
    """
    loss = _LOSSES.get(primary, _LOSSES["brier"])
    return _LOSSES["mae"] if loss.scaled and SCALE_COLUMN not in columns else loss
