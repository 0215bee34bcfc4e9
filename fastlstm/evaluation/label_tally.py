"""Sums over the windows of shards from which every metric of a classifier follows.

Metrics that rank windows by their probability come from counts of each distinct one, which equal those
of all windows. Where a table has too many distinct probabilities for memory, they are rounded to as
many binary digits as leave few enough; windows whose probabilities are then equal count as tied.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    class_probabilities,
    log_loss,
)
from fastlstm.evaluation.metrics import (
    CLASSIFICATION_METRICS,
    LABEL_METRICS,
    ProbabilityForecasts,
    balanced_accuracy_of,
    means_where_defined,
)

# Distinct probabilities of all outputs of a forecast that are kept; some 200 MB.
_MOST_VALUES = 1 << 23
# Binary digits after the first one of a float64.
_DIGITS = 52


@dataclass(frozen=True)
class RankedLabels:
    """Labels 0 and 1 counted by their forecast probability.

    Attributes:
        probability: the distinct ones, rising, ``(k,)``.
        negatives: number of labels 0 at each, ``(k,)``.
        positives: number of labels 1 at each, ``(k,)``.
        digits: binary digits that the probabilities are rounded to; 52: they are as they were.
    """

    probability: np.ndarray
    negatives: np.ndarray
    positives: np.ndarray
    digits: int = _DIGITS

    @classmethod
    def of(cls, truth: np.ndarray, probability: np.ndarray) -> RankedLabels:
        """Of the windows of one shard.

        Args:
            truth: labels 0 and 1, ``(n,)``.
            probability: ``(n,)``.
        """
        values, number = np.unique(np.asarray(probability, np.float64), return_inverse=True)
        is_positive = np.asarray(truth) > 0.5
        negatives, positives = (
            np.bincount(number[of], minlength=len(values)) for of in (~is_positive, is_positive)
        )
        return cls(values, negatives, positives)

    @classmethod
    def joined(cls, parts: Sequence[RankedLabels], most: int | None = None) -> RankedLabels:
        """The counts of all parts.

        The result does not depend on the order of the parts, nor on which of them were joined before.

        Args:
            parts: those of shards.
            most: distinct probabilities to keep; None: all.
        """
        digits = min(part.digits for part in parts)
        while True:
            given = np.concatenate([_rounded(part.probability, digits) for part in parts])
            values, number = np.unique(given, return_inverse=True)
            if most is None or len(values) <= most or not digits:
                break
            digits = min(digits - 1, _digits_for(most))
        negatives, positives = (
            np.bincount(
                number, np.concatenate([getattr(part, name) for part in parts]), len(values)
            ).astype(np.int64)
            for name in ("negatives", "positives")
        )
        return cls(values, negatives, positives, digits)

    @property
    def weighted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels, probabilities and the number of windows of each pair that there is, ``(m,)`` each."""
        truth = np.repeat([0, 1], len(self.probability))
        probability = np.tile(self.probability, 2)
        windows = np.concatenate([self.negatives, self.positives])
        there = windows > 0
        return truth[there], probability[there], windows[there]


def _rounded(values: np.ndarray, digits: int) -> np.ndarray:
    """Values cut to so many binary digits after the first one; all of them for 52."""
    if digits >= _DIGITS:
        return values
    kept = np.int64(-1) << np.int64(_DIGITS - digits)
    cut: np.ndarray = (np.ascontiguousarray(values).view(np.int64) & kept).view(np.float64)
    return cut


def _digits_for(most: int) -> int:
    """Digits of float32, in which networks compute, that surely leave more distinct values than most."""
    return max(0, min(23, int(math.log2(max(1, most))) + 1))


@dataclass(frozen=True)
class ColumnTally:
    """Labels of one column by their true and their likeliest class.

    Attributes:
        loss: sum of the log losses.
        confusion: number of labels by true and by likeliest class, ``(n_classes, n_classes)``.
        confidence: whether the likeliest class is the true one, by its probability.
    """

    loss: float
    confusion: np.ndarray
    confidence: RankedLabels

    @classmethod
    def of(
        cls, truth: np.ndarray, outputs: np.ndarray, likelihood: np.ndarray, column: LabelColumn
    ) -> ColumnTally:
        """Of the windows of one shard.

        Args:
            truth: labels ``(n, steps, n_targets)``.
            outputs: forecast probabilities, same shape.
            likelihood: probabilities that the log loss is of, same shape.
            column: the label column.
        """
        number = class_numbers(truth, column).reshape(-1)
        classes = len(column.classes)
        probability, of_loss = (
            class_probabilities(values, column).reshape(len(number), -1)
            for values in (outputs, likelihood)
        )
        decided = probability.argmax(axis=1)
        confusion = np.bincount(number * classes + decided, minlength=classes**2)
        return cls(
            math.fsum(log_loss(of_loss, number).tolist()),
            confusion.reshape(classes, classes),
            RankedLabels.of(number == decided, probability.max(axis=1, initial=0.0)),
        )

    @classmethod
    def joined(cls, parts: Sequence[ColumnTally], most: int) -> ColumnTally:
        """The sums of all parts."""
        return cls(
            math.fsum(part.loss for part in parts),
            np.sum([part.confusion for part in parts], axis=0),
            RankedLabels.joined([part.confidence for part in parts], most),
        )

    @property
    def present(self) -> np.ndarray:
        """Numbers of the classes that there are."""
        return np.flatnonzero(self.confusion.sum(axis=1))

    def scores(self) -> dict[str, float | None]:
        """As ``fastlstm.evaluation.metrics.LABEL_METRICS`` gives them."""
        labels = int(self.confusion.sum())
        if not labels:
            return dict.fromkeys(LABEL_METRICS)
        return {
            "log_loss": self.loss / labels,
            "accuracy": float(np.trace(self.confusion) / labels),
            "balanced_accuracy": balanced_accuracy_of(self.confusion),
        }


@dataclass(frozen=True)
class LabelTally:
    """A classifier's forecasts of some windows.

    Attributes:
        windows: number of windows.
        outputs: of each step and target, in the order of ``fastlstm.windows.origins.output_names``.
        columns: of each label column, over all steps.
    """

    windows: int
    outputs: list[RankedLabels]
    columns: list[ColumnTally]

    @classmethod
    def of(
        cls, truth: np.ndarray, outputs: np.ndarray, columns: Sequence[LabelColumn],
        likelihood: np.ndarray | None = None,
    ) -> LabelTally:  # fmt: skip
        """Of the windows of one shard; arguments as for ``fastlstm.evaluation.metrics.label_scores``."""
        likelihood = outputs if likelihood is None else likelihood
        return cls(
            len(truth),
            ranked_outputs(truth, outputs),
            [ColumnTally.of(truth, outputs, likelihood, column) for column in columns],
        )

    def plus(self, other: LabelTally) -> LabelTally:
        """The sums of the windows of two shards or more."""
        most = most_values(len(self.outputs))
        return LabelTally(
            self.windows + other.windows,
            joined_outputs([self.outputs, other.outputs]),
            [
                ColumnTally.joined(of_column, most)
                for of_column in zip(self.columns, other.columns, strict=True)
            ],
        )

    def scores(self) -> dict[str, float | None]:
        """As ``fastlstm.evaluation.metrics.label_scores`` gives them but for rounding."""
        of_columns = [column.scores() for column in self.columns]
        of_outputs = [_scores_of_output(output) for output in self.outputs]
        return {
            **means_where_defined(of_columns, LABEL_METRICS),
            **means_where_defined(of_outputs, CLASSIFICATION_METRICS),
        }

    @property
    def has_two_classes(self) -> bool:
        """Whether a label column has two classes or more; else no metric tells a forecast's skill."""
        return any(len(column.present) > 1 for column in self.columns)


def _scores_of_output(output: RankedLabels) -> Mapping[str, Any]:
    scored = ProbabilityForecasts(*output.weighted)
    return {name: metric.compute(scored) for name, metric in CLASSIFICATION_METRICS.items()}


def most_values(outputs: int) -> int:
    """Distinct probabilities to keep of each of so many outputs."""
    return max(1 << 10, _MOST_VALUES // max(1, outputs))


def ranked_outputs(truth: np.ndarray, outputs: np.ndarray) -> list[RankedLabels]:
    """The labels of each step and target by their probability, from ``(n, steps, n_targets)`` each."""
    labels, probability = (values.reshape(len(values), -1) for values in (truth, outputs))
    return [RankedLabels.of(labels[:, i], probability[:, i]) for i in range(labels.shape[1])]


def joined_outputs(parts: Iterable[list[RankedLabels]]) -> list[RankedLabels]:
    """The counts of shards for each output, added one after another; those of one shard are exact."""

    def add(one: list[RankedLabels], other: list[RankedLabels]) -> list[RankedLabels]:
        most = most_values(len(one))
        return [RankedLabels.joined(of_output, most) for of_output in zip(one, other, strict=True)]

    return functools.reduce(add, parts)
