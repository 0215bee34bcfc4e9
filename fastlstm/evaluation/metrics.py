"""The metrics of forecasts, in one table for quantities and one for probabilities.

A new metric is a function and an entry in one of the two tables, and its title for people in
``fastlstm.reporting.text``. The keys of the tables are those of stored ``metrics.json`` files.

scikit-learn takes seconds to import, so the functions that need it import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd

Scored = TypeVar("Scored")
Values = TypeVar("Values", np.ndarray, pd.Series)


@dataclass(frozen=True)
class QuantityForecasts:
    """Forecasts of quantities with their true values.

    Attributes:
        truth: ``(n, steps, n_targets)``.
        forecast: same shape.
        scale: denominators of MASE, ``(n, n_targets)``.
    """

    truth: np.ndarray
    forecast: np.ndarray
    scale: np.ndarray

    @cached_property
    def error(self) -> np.ndarray:
        """Forecast minus truth, ``(n, steps, n_targets)``."""
        difference: np.ndarray = self.forecast - self.truth
        return difference

    @cached_property
    def absolute_error(self) -> np.ndarray:
        """Same shape as ``error``."""
        return pointwise_loss(self.forecast, self.truth, is_regressor=True)


@dataclass(frozen=True)
class ProbabilityForecasts:
    """Forecast probabilities of one output with its labels.

    Attributes:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
    """

    truth: np.ndarray
    probability: np.ndarray

    @property
    def has_both_classes(self) -> bool:
        """Whether there are windows of either label."""
        return bool(0 < self.truth.sum() < len(self.truth))


@dataclass(frozen=True)
class Metric(Generic[Scored]):
    """A metric over all the given values.

    Attributes:
        compute: the metric of some forecasts; None where it is undefined.
        better: which values are better.
    """

    compute: Callable[[Scored], float | None]
    better: Literal["lower", "higher"]


def pointwise_loss(forecast: Values, truth: Values, is_regressor: bool) -> Values:
    """Absolute errors of quantities, squared errors of probabilities.

    Their means are the mean absolute error and the Brier score.

    Args:
        forecast: any shape.
        truth: same shape.
        is_regressor: which of the two.
    """
    error: Values = forecast - truth
    loss: Values = abs(error) if is_regressor else error**2
    return loss


def loss_metric(is_regressor: bool) -> str:
    """Key of the metric that is the mean of ``pointwise_loss``."""
    return "mae" if is_regressor else "brier"


def mean_absolute_error(scored: QuantityForecasts) -> float:
    """In the targets' unit."""
    return float(scored.absolute_error.mean())


def root_mean_squared_error(scored: QuantityForecasts) -> float:
    """In the targets' unit."""
    return float(np.sqrt((scored.error**2).mean()))


def mean_absolute_percentage_error(scored: QuantityForecasts) -> float | None:
    """As a share, not in percent; None where a true value is 0."""
    if not (scored.truth != 0).all():
        return None
    return float((scored.absolute_error / np.abs(scored.truth)).mean())


def coefficient_of_determination(scored: QuantityForecasts) -> float | None:
    """``1 - residual / total`` sum of squares, mean over targets; None where a truth is constant."""
    truth = scored.truth.reshape(-1, scored.truth.shape[-1])
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    residual = (scored.error.reshape(truth.shape) ** 2).sum(axis=0)
    return float((1 - residual / total).mean()) if (total > 0).all() else None


def mean_absolute_scaled_error(scored: QuantityForecasts) -> float | None:
    """Errors divided by the seasonal naive error of their series on train rows.

    Hyndman and Koehler 2006, "Another look at measures of forecast accuracy". None where a
    denominator is undefined.
    """
    value = (scored.absolute_error / scored.scale[:, None, :]).mean()
    return float(value) if np.isfinite(value) else None


def roc_auc(scored: ProbabilityForecasts) -> float | None:
    """Area under the receiver operating characteristic; None where a class is absent."""
    from sklearn.metrics import roc_auc_score

    if not scored.has_both_classes:
        return None
    return float(roc_auc_score(scored.truth, scored.probability))


def average_precision(scored: ProbabilityForecasts) -> float | None:
    """Mean precision, weighted by the gain in recall; None where a class is absent."""
    from sklearn.metrics import average_precision_score

    if not scored.has_both_classes:
        return None
    return float(average_precision_score(scored.truth, scored.probability))


def brier_score(scored: ProbabilityForecasts) -> float | None:
    """Brier 1950, "Verification of Forecasts Expressed in Terms of Probability"."""
    if not len(scored.truth):
        return None
    return float(pointwise_loss(scored.probability, scored.truth, is_regressor=False).mean())


REGRESSION_METRICS: dict[str, Metric[QuantityForecasts]] = {
    "mae": Metric(mean_absolute_error, "lower"),
    "rmse": Metric(root_mean_squared_error, "lower"),
    "mape": Metric(mean_absolute_percentage_error, "lower"),
    "r2": Metric(coefficient_of_determination, "higher"),
    "mase": Metric(mean_absolute_scaled_error, "lower"),
}

CLASSIFICATION_METRICS: dict[str, Metric[ProbabilityForecasts]] = {
    "roc_auc": Metric(roc_auc, "higher"),
    "average_precision": Metric(average_precision, "higher"),
    "brier": Metric(brier_score, "lower"),
}


def primary_regression_metric(targets: list[str]) -> str:
    """The metric that champions are chosen by.

    Targets of different units cannot be averaged; their scaled errors can.
    """
    return "mae" if len(targets) == 1 else "mase"


PRIMARY_CLASSIFICATION_METRIC = "average_precision"


def regression_scores(
    truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray
) -> dict[str, float | None]:
    """Every regression metric over all the given values; None where one is undefined.

    Args:
        truth: ``(n, steps, n_targets)``.
        forecast: same shape.
        scale: denominators of MASE, ``(n, n_targets)``.
    """
    if truth.size == 0:
        return dict.fromkeys(REGRESSION_METRICS)
    scored = QuantityForecasts(truth, forecast, scale)
    return {name: metric.compute(scored) for name, metric in REGRESSION_METRICS.items()}


def classification_scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, float | None]:
    """Every classification metric of one output; None where one is undefined.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
    """
    scored = ProbabilityForecasts(truth, probability)
    return {name: metric.compute(scored) for name, metric in CLASSIFICATION_METRICS.items()}


def mean_classification_scores(
    truth: np.ndarray, probability: np.ndarray
) -> dict[str, float | None]:
    """Every classification metric averaged over outputs; None where it is undefined for one.

    Args:
        truth: labels ``(n, n_outputs)``.
        probability: same shape.
    """
    by_output = [
        classification_scores(truth[:, i], probability[:, i]) for i in range(truth.shape[1])
    ]
    means: dict[str, float | None] = {}
    for name in CLASSIFICATION_METRICS:
        values = [value for scores in by_output if (value := scores[name]) is not None]
        means[name] = float(np.mean(values)) if len(values) == len(by_output) else None
    return means


def primary_score(
    name: str, value: float | None, metrics: dict[str, Metric[Any]]
) -> dict[str, Any]:
    """The primary metric as ``metrics.json`` and manifests keep it."""
    return {"name": name, "value": value, "better": metrics[name].better}
