"""A linear classifier of the same windows as the LSTM: logistic regression, solved after training.

It is multinomial logistic regression with a penalty of the squared weights (Cox 1958, "The Regression
Analysis of Binary Sequences"; le Cessie and van Houwelingen 1992, "Ridge Estimators in Logistic
Regression") of each step and label column on all values of the window as the LSTM gets it. It is the
classifier's counterpart of ``fastlstm.training.linear_component``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.evaluation.labels import LabelColumn, class_numbers, negative_log_likelihood
from fastlstm.network.architecture import Architecture
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import predict, windows_at_once
from fastlstm.network.keras_import import import_keras

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource

# Penalties of the squared weights of standardised inputs, per window; and how fast inputs shrink with
# their distance from the last row, as a power of it, so that the weights of older rows cost more.
_STRENGTHS, _DECAYS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), (0.0, 1.0, 2.0)

# Most values of the inputs that are learned from, and by which the penalty is chosen; evenly spaced
# windows where there are more.
_MOST_VALUES, _MOST_TO_CHOOSE = 10_000_000, 2_000_000

# Below this deviation an input is constant but for rounding.
_SMALLEST_DEVIATION = 1e-5

_MOST_ITERATIONS = 200


@dataclass(frozen=True)
class LogisticPenalty:
    """Penalty of the weights of a logistic regression.

    Attributes:
        strength: of the squared weight of a standardised input, per window.
        decay: an input ``n`` rows before the last one counts ``(n + 1) ** -decay`` as much.
    """

    strength: float
    decay: float


@dataclass(frozen=True)
class LabelledInputs:
    """Inputs of the component with labels and weights.

    Attributes:
        inputs: ``(n, n_inputs)``.
        labels: as the dataset has them, ``(n, steps_ahead, n_targets)``.
        weight: of each window, ``(n,)``.
        class_weights: of each label column the weight of each class; None where they weigh alike, or
            ``weight`` has them.
    """

    inputs: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    class_weights: list[np.ndarray] | None = None

    @classmethod
    def of(
        cls, model: Any, dataset: WindowSource, split: str, weights: np.ndarray | None,
        class_weights: list[np.ndarray] | None = None,
    ) -> LabelledInputs:  # fmt: skip
        """Those of a split, of evenly spaced windows where there are too many.

        Args:
            model: the network, which has the component.
            dataset: the windows.
            split: one of its splits.
            weights: of each window in the loss, ``(n,)``; None where all weigh alike.
            class_weights: see the class.
        """
        layer = model.get_layer(LINEAR)
        inputs_of = import_keras().Model(model.input, layer.input)
        count, wide = dataset.count(split), int(layer.input.shape[1])
        every = -(-count * wide // _MOST_VALUES)
        inputs, labels, weight = [], [], []
        start = 0
        for x, y in dataset.batches(split, windows_at_once(dataset.manifest)):
            chosen = np.arange(-start % every, len(x), every)
            if len(chosen):
                inputs.append(predict(inputs_of, x[chosen]))
                labels.append(y[chosen])
                of_chosen = np.ones(len(chosen)) if weights is None else weights[start + chosen]
                weight.append(of_chosen)
            start += len(x)
        joined = np.concatenate
        return cls(joined(inputs), joined(labels), joined(weight), class_weights)

    def weight_of(self, number: np.ndarray, column: int) -> np.ndarray:
        """Weight of each label of a column, ``(n,)``, from the numbers of their classes."""
        return weight_of_labels(self.weight, self.class_weights, number, column)


def weight_of_labels(
    weight: np.ndarray, class_weights: list[np.ndarray] | None, number: np.ndarray, column: int
) -> np.ndarray:
    """Weight of each label of a column, ``(n,)``.

    Args:
        weight: of each window, ``(n,)``.
        class_weights: of each label column the weight of each class, or None.
        number: of each label's class, ``(n,)``.
        column: number of the label column.
    """
    if class_weights is None:
        return weight
    weighed: np.ndarray = weight * class_weights[column][number]
    return weighed


def solve_logistic(
    model: Any,
    learned: LabelledInputs,
    validation: LabelledInputs | None,
    columns: list[LabelColumn],
    architecture: Architecture,
    timesteps: int,
    penalty: LogisticPenalty | None = None,
) -> LogisticPenalty:
    """Solve the component of a network; its weight in the forecast stays.

    Args:
        model: the network, which has the component.
        learned: what it learns from.
        validation: chooses the penalty by the log loss of the first step; not needed with a penalty.
        columns: the label columns, in the order of the outputs.
        architecture: the network's.
        timesteps: rows of a window.
        penalty: without it validation chooses.

    Returns:
        The penalty.
    """
    standardised = _Standardised.of(learned.inputs, architecture, timesteps)
    if penalty is None:
        assert validation is not None  # noqa: S101 (as documented)
        penalty = _chosen_penalty(standardised, learned, validation, columns)
    steps, outputs = learned.labels.shape[1:]
    kernel = np.zeros((learned.inputs.shape[1], steps, outputs))
    bias = np.zeros((steps, outputs))
    for step, (place, column) in product(range(steps), enumerate(columns)):
        number = class_numbers(learned.labels[:, step], column)
        weight = learned.weight_of(number, place)
        of_column = _fitted(standardised, number, weight, column, penalty)
        kernel[:, step, column.outputs], bias[step, column.outputs] = of_column
    flat = kernel.reshape(len(kernel), -1), bias.reshape(-1)
    model.get_layer(LINEAR).set_weights([part.astype(np.float32) for part in flat])
    return penalty


def _chosen_penalty(
    standardised: _Standardised, learned: LabelledInputs, validation: LabelledInputs,
    columns: list[LabelColumn],
) -> LogisticPenalty:  # fmt: skip
    """The penalty of the lowest log loss on validation, summed over the label columns."""
    every = slice(None, None, -(-standardised.values.size // _MOST_TO_CHOOSE))
    standardised = replace(standardised, values=standardised.values[every])
    labels = learned.labels[:, 0]
    candidates = [LogisticPenalty(*pair) for pair in product(_STRENGTHS, _DECAYS)]
    losses = dict.fromkeys(candidates, 0.0)
    for penalty, (place, column) in product(candidates, enumerate(columns)):
        number = class_numbers(labels, column)
        weight = learned.weight_of(number, place)[every]
        kernel, bias = _fitted(standardised, number[every], weight, column, penalty)
        logits = validation.inputs @ kernel + bias
        true = class_numbers(validation.labels[:, 0], column)
        loss = negative_log_likelihood(logits, true)
        losses[penalty] += float(np.average(loss, weights=validation.weight_of(true, place)))
    return min(candidates, key=losses.__getitem__)


@dataclass(frozen=True)
class _Standardised:
    """Inputs of mean 0 and deviation 1, without those that are constant.

    Attributes:
        values: ``(n, n_changing)``.
        changing: which inputs they are, ``(n_inputs,)``.
        mean: of these, ``(n_changing,)``.
        deviation: likewise.
        rows_before: distance of each from the last row, likewise.
    """

    values: np.ndarray
    changing: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    rows_before: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, architecture: Architecture, timesteps: int) -> _Standardised:
        """Of the component's inputs ``(n, n_inputs)``: rows of a window, then what has no row."""
        mean, deviation = (part.astype(np.float64) for part in (inputs.mean(0), inputs.std(0)))
        changing = deviation > _SMALLEST_DEVIATION
        without_row = architecture.linear_covariates + len(architecture.static)
        of_rows = inputs.shape[1] - without_row
        row = np.arange(of_rows) // (of_rows // timesteps)
        before = np.concatenate([timesteps - 1 - row, np.zeros(without_row)])
        kept = mean[changing], deviation[changing], before[changing]
        values = (inputs[:, changing] - kept[0]) / kept[1]
        return cls(values, changing, *kept)

    def of_standardised(
        self, kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias of the inputs as they are, of those of the standardised ones."""
        of_inputs = np.zeros((len(self.changing), kernel.shape[1]))
        of_inputs[self.changing] = kernel / self.deviation[:, None]
        return of_inputs, bias - self.mean @ of_inputs[self.changing]


def _fitted(
    inputs: _Standardised, number: np.ndarray, weight: np.ndarray, column: LabelColumn,
    penalty: LogisticPenalty,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Kernel ``(n_inputs, n_outputs)`` and bias ``(n_outputs,)`` of one label column at one step.

    A class without a window to learn from has the logit of half a window.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(number)
    outputs = len(column.classes)
    kernel = np.zeros((inputs.values.shape[1], outputs))
    bias = np.full(outputs, np.log(0.5 / len(number)))
    if len(present) == 1:
        bias[present] = 0.0
    else:
        shrunk = (inputs.rows_before + 1) ** -penalty.decay
        with warnings.catch_warnings():
            # The number of iterations is bounded on purpose, and validation chooses the penalty.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = LogisticRegression(
                C=1 / (penalty.strength * len(number)), max_iter=_MOST_ITERATIONS
            ).fit(inputs.values * shrunk, number, sample_weight=weight)
        weights, intercept = fitted.coef_.T * shrunk[:, None], fitted.intercept_
        if len(present) == 2:
            weights, intercept = weights / 2 * [-1, 1], intercept / 2 * np.array([-1, 1])
        kernel[:, present], bias[present] = weights, intercept
    if column.is_binary:
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    return inputs.of_standardised(kernel, bias)
