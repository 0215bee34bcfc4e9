"""The metrics of forecasts, in one table for quantities and one for probabilities.

A new metric is a function and an entry in one of the two tables, and its title for people in
``fastlstm.reporting.text``. The keys of the tables are those of stored ``metrics.json`` files.

Metrics of quantities are computed for all series at once. Those that are scaled by series are means over
series, in which every series counts alike; the others are pooled over all values, so that they are those
of the largest series.

scikit-learn takes seconds to import, so the functions that need it import it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    class_probabilities,
    log_loss,
)

Scored = TypeVar("Scored")


@dataclass(frozen=True)
class ErrorScales:
    """What the errors of series are divided by, a row for each series or each window.

    Attributes:
        absolute: mean absolute difference of train rows one season apart, the denominator of MASE,
            ``(n, n_targets)``; NaN where it is undefined or 0.
        squared: mean squared difference of the same rows, the denominator in RMSSE, same shape; NaN
            where ``absolute`` is.
    """

    absolute: np.ndarray
    squared: np.ndarray

    def some(self, rows: Any, targets: Any = slice(None)) -> ErrorScales:
        """Those of some rows and targets."""
        return ErrorScales(self.absolute[rows][:, targets], self.squared[rows][:, targets])

    def denominators(self, metric: str) -> np.ndarray | None:
        """What an error is divided by in a metric, ``(n, n_targets)``; None where it is not scaled."""
        if metric == "mase":
            return self.absolute
        return np.sqrt(self.squared) if metric == "rmsse" else None


@dataclass(frozen=True)
class QuantityForecasts:
    """Forecasts of quantities with their true values, in groups that are scored one by one.

    Attributes:
        truth: ``(n, steps, n_targets)``.
        forecast: same shape.
        scales: a row for each window.
        groups: group of each window, its series.
    """

    truth: np.ndarray
    forecast: np.ndarray
    scales: ErrorScales
    groups: Groups

    @classmethod
    def unscaled(cls, truth: np.ndarray, forecast: np.ndarray) -> QuantityForecasts:
        """Forecasts of one group, whose scaled errors are undefined."""
        undefined = np.full((len(truth), truth.shape[2]), np.nan)
        return cls(truth, forecast, ErrorScales(undefined, undefined), Groups.one(len(truth)))

    @cached_property
    def error(self) -> np.ndarray:
        """Forecast minus truth, ``(n, steps, n_targets)``."""
        difference: np.ndarray = self.forecast - self.truth
        return difference

    @cached_property
    def absolute_error(self) -> np.ndarray:
        """Same shape as ``error``."""
        absolute: np.ndarray = np.abs(self.error)
        return absolute

    @cached_property
    def squared_error(self) -> np.ndarray:
        """Same shape as ``error``."""
        squared: np.ndarray = self.error**2
        return squared

    def pooled(self) -> QuantityForecasts:
        """The same windows as one group."""
        return replace(self, groups=Groups.one(len(self.truth)))


@dataclass(frozen=True)
class ProbabilityForecasts:
    """Forecast probabilities of one output with its labels.

    Attributes:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        windows: how many windows each of them stands for, ``(n,)``; None: one.
    """

    truth: np.ndarray
    probability: np.ndarray
    windows: np.ndarray | None = None

    @property
    def has_both_classes(self) -> bool:
        """Whether there are windows of either label."""
        return bool(0 < self.truth.sum() < len(self.truth))


@dataclass(frozen=True)
class LabelForecasts:
    """Forecast probabilities of the classes of one label column.

    Attributes:
        number: of each label's class, ``(n,)``.
        probability: of each class, ``(n, n_classes)``; its largest decides.
        likelihood: what the log loss is of, same shape; a forecast without probabilities, the last
            class, has those of the classes that followed it in train.
    """

    number: np.ndarray
    probability: np.ndarray
    likelihood: np.ndarray

    @cached_property
    def decided(self) -> np.ndarray:
        """Number of the likeliest class, ``(n,)``."""
        likeliest: np.ndarray = self.probability.argmax(axis=1)
        return likeliest


@dataclass(frozen=True)
class Metric(Generic[Scored]):
    """A metric of probabilities over all the given values.

    Attributes:
        compute: the metric of some forecasts; None where it is undefined.
        better: which values are better.
    """

    compute: Callable[[Scored], float | None]
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class QuantityMetric:
    """A metric of quantities.

    Attributes:
        compute: the metric of each group, ``(n_groups,)``; NaN where it is undefined.
        better: which values are better.
        mean_over_series: whether the metric of several series is the mean of theirs; it is computed
            over all values otherwise.
    """

    compute: Callable[[QuantityForecasts], np.ndarray]
    better: Literal["lower", "higher"]
    mean_over_series: bool = False


def mean_absolute_error(scored: QuantityForecasts) -> np.ndarray:
    """In the targets' unit."""
    return scored.groups.mean(scored.absolute_error)


def root_mean_squared_error(scored: QuantityForecasts) -> np.ndarray:
    """In the targets' unit."""
    root: np.ndarray = np.sqrt(scored.groups.mean(scored.squared_error))
    return root


def mean_absolute_percentage_error(scored: QuantityForecasts) -> np.ndarray:
    """As a share, not in percent; undefined where a true value is 0."""
    size = np.where(scored.truth == 0, np.nan, np.abs(scored.truth))
    return scored.groups.mean(scored.absolute_error / size)


def coefficient_of_determination(scored: QuantityForecasts) -> np.ndarray:
    """``1 - residual / total`` sum of squares, mean over the targets whose truth is not constant."""
    groups, truth = scored.groups, scored.truth
    # Distances from a value of the group are exactly 0 where its truth is constant.
    distance = truth - groups.first(truth[:, 0])[groups.code][:, None]
    centre = groups.mean_by_target(distance)[groups.code][:, None, :]
    total = groups.mean_by_target((distance - centre) ** 2)
    residual = groups.mean_by_target(scored.squared_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = total > 0
        by_target = np.where(changes, 1 - residual / total, 0.0)
        means: np.ndarray = by_target.sum(axis=1) / changes.sum(axis=1)
    return means


def mean_absolute_scaled_error(scored: QuantityForecasts) -> np.ndarray:
    """Errors divided by the (seasonal) naive error of their series on train rows.

    Hyndman and Koehler 2006, "Another look at measures of forecast accuracy". Targets with an undefined
    scale are left out of their series.
    """
    scaled = scored.absolute_error.mean(axis=1) / scored.scales.absolute
    return scored.groups.mean_where(scaled, ~np.isnan(scored.scales.absolute))


def root_mean_squared_scaled_error(scored: QuantityForecasts) -> np.ndarray:
    """Root of squared errors over the mean squared (seasonal) difference of their series' train rows.

    Makridakis, Spiliotis and Assimakopoulos 2022, "M5 accuracy competition: Results, findings, and
    conclusions". Targets with an undefined scale are left out of their series.
    """
    scaled = scored.squared_error.mean(axis=1) / scored.scales.squared
    mean = scored.groups.mean_where(scaled, ~np.isnan(scored.scales.squared))
    root: np.ndarray = np.sqrt(mean)
    return root


def roc_auc(scored: ProbabilityForecasts) -> float | None:
    """Area under the receiver operating characteristic; None where a class is absent."""
    from sklearn.metrics import roc_auc_score

    if not scored.has_both_classes:
        return None
    return float(roc_auc_score(scored.truth, scored.probability, sample_weight=scored.windows))


def average_precision(scored: ProbabilityForecasts) -> float | None:
    """Mean precision, weighted by the gain in recall; None where a class is absent."""
    from sklearn.metrics import average_precision_score

    if not scored.has_both_classes:
        return None
    return float(
        average_precision_score(scored.truth, scored.probability, sample_weight=scored.windows)
    )


def brier_score(scored: ProbabilityForecasts) -> float | None:
    """Brier 1950, "Verification of Forecasts Expressed in Terms of Probability"."""
    if not len(scored.truth):
        return None
    return float(np.average((scored.probability - scored.truth) ** 2, weights=scored.windows))


REGRESSION_METRICS: dict[str, QuantityMetric] = {
    "mae": QuantityMetric(mean_absolute_error, "lower"),
    "rmse": QuantityMetric(root_mean_squared_error, "lower"),
    "mape": QuantityMetric(mean_absolute_percentage_error, "lower"),
    "r2": QuantityMetric(coefficient_of_determination, "higher"),
    "mase": QuantityMetric(mean_absolute_scaled_error, "lower", mean_over_series=True),
    "rmsse": QuantityMetric(root_mean_squared_scaled_error, "lower", mean_over_series=True),
}


def log_loss_of(scored: LabelForecasts) -> float | None:
    """Mean negative logarithm of the probability of the true class (Good 1952, "Rational Decisions")."""
    if not len(scored.number):
        return None
    return float(log_loss(scored.likelihood, scored.number).mean())


def accuracy(scored: LabelForecasts) -> float | None:
    """Share of labels whose likeliest class is the true one."""
    if not len(scored.number):
        return None
    return float((scored.decided == scored.number).mean())


def balanced_accuracy(scored: LabelForecasts) -> float | None:
    """Mean recall of the classes that there are."""
    if not len(scored.number):
        return None
    classes = scored.probability.shape[1]
    pairs = scored.number * classes + scored.decided
    return balanced_accuracy_of(np.bincount(pairs, minlength=classes**2).reshape(classes, classes))


def balanced_accuracy_of(confusion: np.ndarray) -> float:
    """Mean recall of the classes that there are.

    Args:
        confusion: number of labels by true and by forecast class, ``(n_classes, n_classes)``; at least
            one.
    """
    labels = confusion.sum(axis=1)
    present = labels > 0
    return float(np.mean(np.diag(confusion)[present] / labels[present]))


LABEL_METRICS: dict[str, Metric[LabelForecasts]] = {
    "log_loss": Metric(log_loss_of, "lower"),
    "accuracy": Metric(accuracy, "higher"),
    "balanced_accuracy": Metric(balanced_accuracy, "higher"),
}

CLASSIFICATION_METRICS: dict[str, Metric[ProbabilityForecasts]] = {
    "roc_auc": Metric(roc_auc, "higher"),
    "average_precision": Metric(average_precision, "higher"),
    "brier": Metric(brier_score, "lower"),
}


def primary_regression_metric(setting: str, targets: int, series: int) -> str:
    """The metric that everything is decided by: champions, tuning, backtests, monitoring.

    Absolute errors of series or targets of different sizes are those of the largest one; scaled errors
    count each alike.

    Args:
        setting: ``evaluation.primary_metric``.
        targets: number of targets.
        series: number of series in the table.
    """
    if setting != "auto":
        return setting
    return "mae" if targets == series == 1 else "mase"


def primary_classification_metric(setting: str) -> str:
    """The metric that decides promotion; defined on any windows, unlike those that need every class.

    Args:
        setting: ``evaluation.primary_metric``.
    """
    return "log_loss" if setting == "auto" else setting


def regression_scores(scored: QuantityForecasts) -> dict[str, float | None]:
    """Every regression metric over all the given values; None where one is undefined."""
    if scored.truth.size == 0:
        return dict.fromkeys(REGRESSION_METRICS)
    pooled = scored.pooled()
    return {
        name: mean_over_series(metric.compute(scored if metric.mean_over_series else pooled))
        for name, metric in REGRESSION_METRICS.items()
    }


def scores_by_series(scored: QuantityForecasts) -> dict[str, np.ndarray]:
    """Every regression metric of each group, ``(n_groups,)``; NaN where one is undefined."""
    return {name: metric.compute(scored) for name, metric in REGRESSION_METRICS.items()}


def regression_score(name: str, scored: QuantityForecasts) -> float | None:
    """One regression metric over all the given values; None where it is undefined."""
    metric = REGRESSION_METRICS[name]
    if scored.truth.size == 0:
        return None
    return mean_over_series(metric.compute(scored if metric.mean_over_series else scored.pooled()))


def values_or_none(values: np.ndarray) -> list[float | None]:
    """As JSON keeps them: None where a value is undefined."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def mean_over_series(values: np.ndarray) -> float | None:
    """Mean of the series whose value is defined, whatever their order; None where there is none.

    A series lies in one part of the table, so that values of parts can be joined.

    Args:
        values: a metric of each series, ``(n_series,)``, NaN where it is undefined.
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    # An exact sum does not depend on the order of the series.
    mean = math.fsum(defined.tolist()) / len(defined)
    return mean if math.isfinite(mean) else None


def classification_scores(
    truth: np.ndarray, probability: np.ndarray, windows: np.ndarray | None = None
) -> dict[str, float | None]:
    """Every classification metric of one output; None where one is undefined.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        windows: how many windows each of them stands for, ``(n,)``; None: one.
    """
    scored = ProbabilityForecasts(truth, probability, windows)
    return {name: metric.compute(scored) for name, metric in CLASSIFICATION_METRICS.items()}


def mean_classification_scores(
    truth: np.ndarray, probability: np.ndarray
) -> dict[str, float | None]:
    """Every classification metric, mean over the outputs for which it is defined; None without one.

    A class that some windows lack thus does not void the metric of the others.

    Args:
        truth: labels ``(n, n_outputs)``.
        probability: same shape.
    """
    by_output = [
        classification_scores(truth[:, i], probability[:, i]) for i in range(truth.shape[1])
    ]
    return means_where_defined(by_output, CLASSIFICATION_METRICS)


def means_where_defined(
    scores: Sequence[Mapping[str, float | None]], names: Iterable[str]
) -> dict[str, float | None]:
    """Mean of each metric over those of several scores that are defined; None without one."""
    means: dict[str, float | None] = {}
    for name in names:
        values = [value for found in scores if (value := found[name]) is not None]
        means[name] = float(np.mean(values)) if values else None
    return means


def label_scores(
    truth: np.ndarray, outputs: np.ndarray, columns: Sequence[LabelColumn],
    likelihood: np.ndarray | None = None,
) -> dict[str, float | None]:  # fmt: skip
    """Every metric of a classifier: those of label columns, then those of outputs, means over them.

    Args:
        truth: labels ``(n, steps, n_targets)``.
        outputs: forecast probabilities, same shape.
        columns: the label columns.
        likelihood: probabilities that the log loss is of, same shape; None: the outputs.
    """
    found: list[dict[str, float | None]] = []
    likelihood = outputs if likelihood is None else likelihood
    for column in columns:
        number = class_numbers(truth, column).reshape(-1)
        both = (
            class_probabilities(values, column).reshape(len(number), -1)
            for values in (outputs, likelihood)
        )
        scored = LabelForecasts(number, *both)
        found.append({name: metric.compute(scored) for name, metric in LABEL_METRICS.items()})
    means = means_where_defined(found, LABEL_METRICS)
    flat = (values.reshape(len(values), -1) for values in (truth, outputs))
    return {**means, **mean_classification_scores(*flat)}


def primary_score(
    name: str, value: float | None, metrics: Mapping[str, Metric[Any] | QuantityMetric]
) -> dict[str, Any]:
    """The primary metric as ``metrics.json`` and manifests keep it."""
    return {"name": name, "value": value, "better": metrics[name].better}
