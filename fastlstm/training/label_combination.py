"""Decide by validation how a classifier's forecast is combined of its forecasters.

The logits are a weighted sum of the LSTM's, of a logistic regression's on the same windows and of the
class shares in train, with weights that are not negative and have the lowest log loss on validation
(stacking; Wolpert 1992, "Stacked Generalization", Breiman 1996, "Stacked Regressions"). Few validation
windows say little, so the weights are drawn to 0.4 for LSTM and logistic regression each, and 0.2 for
the shares. Windows of one time count as so many as are independent, for its shocks are those of all
series: a calm month of twelve series would otherwise make probabilities too sure. Weights of sum below 1
make probabilities less sure, as a temperature does. Classes that have become more or less frequent since
train have their logits shifted where that is significantly better (``fastlstm.training.class_shifts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fastlstm.data.split import LEARNED
from fastlstm.evaluation.labels import (
    LabelColumn,
    class_numbers,
    label_columns,
    logits_of,
    negative_log_likelihood,
)
from fastlstm.evaluation.significance import independent_windows
from fastlstm.network.combination import has_combination, set_combination
from fastlstm.network.fixed_weights import LINEAR
from fastlstm.network.inference import predict, windows_at_once
from fastlstm.network.keras_import import import_keras
from fastlstm.training.class_shifts import ColumnLogits, class_shifts
from fastlstm.training.class_weights import (
    class_weights_in,
    label_class_weights,
    weight_of_classes,
)
from fastlstm.training.logistic_component import (
    LabelledInputs,
    LogisticPenalty,
    solve_logistic,
    weight_of_labels,
)
from fastlstm.training.selection import SelectionContext
from fastlstm.training.setup import TrainingSetup

# What weights of LSTM, logistic regression and class shares are drawn to, and by how many windows of
# validation, for one unit of squared distance.
_START, _STRENGTH = np.array([0.4, 0.4, 0.2]), 20.0

_LARGEST_WEIGHT = 2.0

_NAMES = ("lstm", "logistic", "prior")


@dataclass(frozen=True)
class LabelCombination:
    """What a classifier's forecast is combined of.

    Attributes:
        weights: of the logits of LSTM, logistic regression and class shares, ``(3,)``.
        penalty: of the logistic regression.
        windows: of validation that decided.
        shifts: what is added to the logits, by label column, ``(n_outputs,)`` each; of those alone where
            that is better.
    """

    weights: np.ndarray
    penalty: LogisticPenalty
    windows: int
    shifts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        weights = dict(zip(_NAMES, self.weights.round(4).tolist(), strict=True))
        return {
            "label_combination": {
                "weights": weights, "penalty": asdict(self.penalty), "windows": self.windows,
                "shifts": {name: found.round(4).tolist() for name, found in self.shifts.items()},
            }
        }  # fmt: skip


class LabelCombinationStep:
    """Solve the logistic regression, and give each forecaster the weight that validation chooses."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether a classifier combines forecasters; of a loss object it is not known whether it asks
        for probabilities."""
        setup = context.setup
        is_classifier = not setup.hyperparameters.is_regressor
        return is_classifier and setup.loss is None and has_combination(context.chosen)

    def run(self, context: SelectionContext) -> LabelCombination:
        """Solve the chosen network's component on train windows, the refitted one's on validation
        windows too, with the same penalty; both get the same weights."""
        setup, model = context.setup, context.chosen
        a, manifest = setup.architecture, setup.dataset.manifest
        columns = label_columns(setup.hyperparameters, manifest["targets"])
        timesteps = manifest["timesteps"]
        of_classes = label_class_weights(setup.dataset, setup.hyperparameters)
        learned, validation = (
            LabelledInputs.of(model, setup.dataset, split, label_weights(setup, split), of_classes)
            for split in ("train", "validation")
        )
        penalty = solve_logistic(model, learned, validation, columns, a, timesteps)
        if context.refitted is not None:
            solve_again(context.refitted, setup, LEARNED, penalty)
        shares = _share_logits(learned, columns)
        given = _ValidationLogits.of(model, setup, columns, shares)
        weights = combination_weights(given, _independent(given, setup))
        by_output = np.stack(
            [np.full(shares.shape, weights[0]), np.full(shares.shape, weights[1]),
             weights[2] * shares]
        )  # fmt: skip
        shifts = _shifts(given, weights, setup, columns)
        for column in columns:
            if column.name in shifts:
                by_output[2][:, column.outputs] += shifts[column.name]
        for network in context.networks:
            set_combination(network, by_output)
        return LabelCombination(weights, penalty, setup.dataset.count("validation"), shifts)


def _shifts(
    given: _ValidationLogits, weights: np.ndarray, setup: TrainingSetup, columns: list[LabelColumn]
) -> dict[str, np.ndarray]:
    """The shifts of the label columns that are better with them; see ``class_shifts``."""
    dataset = setup.dataset
    steps, lookahead = (dataset.manifest[name] for name in ("steps_ahead", "lookahead"))
    origin = np.tile(dataset.read("validation", columns=()).origin, steps)
    found = {}
    for place, column in enumerate(columns):
        of_steps = slice(place * steps, (place + 1) * steps)
        logits, number = (
            np.concatenate(part) for part in zip(*given.weighted(weights)[of_steps], strict=True)
        )
        weight = np.concatenate(given.weight_of_labels[of_steps])
        shifts = class_shifts(ColumnLogits(logits, number, weight, origin), steps + lookahead)
        if shifts.any():
            found[column.name] = shifts
    return found


def _independent(given: _ValidationLogits, setup: TrainingSetup) -> float:
    """As how many independent windows those of validation count."""
    manifest = setup.dataset.manifest
    origin = setup.dataset.read("validation", columns=()).origin
    horizon = manifest["steps_ahead"] + manifest["lookahead"]
    return independent_windows(origin, given.losses(_START), horizon)


def solve_again(network: Any, setup: TrainingSetup, split: str, penalty: LogisticPenalty) -> None:
    """Solve the logistic regression of a network on more windows, with a penalty chosen before."""
    manifest = setup.dataset.manifest
    of_classes = label_class_weights(setup.dataset, setup.hyperparameters)
    weights = label_weights(setup, split)
    learned = LabelledInputs.of(network, setup.dataset, split, weights, of_classes)
    columns = label_columns(setup.hyperparameters, manifest["targets"])
    solve_logistic(
        network, learned, None, columns, setup.architecture, manifest["timesteps"], penalty
    )


def label_weights(setup: TrainingSetup, split: str) -> np.ndarray | None:
    """Weight of each window of a split in the loss, those of classes included, or None."""
    own = setup.weights(split)
    of_class = class_weights_in(setup.dataset, "train", setup.hyperparameters)
    if of_class is None:
        return own
    y = setup.dataset.read(split, columns=("y",)).y
    weights = weight_of_classes(of_class, y.reshape(len(y), -1))
    return weights if own is None else np.asarray(weights * own)


def _share_logits(learned: LabelledInputs, columns: list[LabelColumn]) -> np.ndarray:
    """Logits of the class shares, ``(steps, n_targets)``; of each class half a window is added."""
    found = np.zeros(learned.labels.shape[1:])
    for place, column in enumerate(columns):
        for step in range(len(found)):
            number = class_numbers(learned.labels[:, step], column)
            weight = learned.weight_of(number, place)
            counts = np.bincount(number, weight, len(column.classes)) + 0.5
            share = np.log(counts / counts.sum())
            found[step, column.outputs] = share[1:] - share[:1] if column.is_binary else share
    return found


@dataclass(frozen=True)
class _ValidationLogits:
    """Logits of the forecasters on validation windows, by step and label column.

    Attributes:
        groups: logits ``(3, n, n_outputs)`` and class numbers ``(n,)`` of each.
        weight: of each window, ``(n,)``, of mean 1.
        of_labels: of each of the groups the weight of each label, ``(n,)``; None: those of the windows.
    """

    groups: list[tuple[np.ndarray, np.ndarray]]
    weight: np.ndarray
    of_labels: list[np.ndarray] | None = None

    @classmethod
    def of(
        cls, model: Any, setup: TrainingSetup, columns: list[LabelColumn], shares: np.ndarray
    ) -> _ValidationLogits:
        """Of a network whose LSTM has all weight, its logistic regression solved."""
        manifest, keras = setup.dataset.manifest, import_keras()
        logistic = keras.Model(model.input, model.get_layer(LINEAR).output)
        parts = [
            (predict(model, x), predict(logistic, x), y)
            for x, y in setup.dataset.batches("validation", windows_at_once(manifest))
        ]
        lstm, linear, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        lstm, linear = lstm.reshape(labels.shape), linear.reshape(labels.shape)
        weight = label_weights(setup, "validation")
        weight = np.ones(len(labels)) if weight is None else weight.astype(np.float64)
        weight = weight / weight.mean()
        of_classes = label_class_weights(setup.dataset, setup.hyperparameters)
        groups, of_labels = [], []
        for place, column in enumerate(columns):
            for step in range(labels.shape[1]):
                own = logits_of(lstm[:, step, column.outputs], column)
                other = linear[:, step, column.outputs].astype(np.float64)
                share = np.broadcast_to(shares[step, column.outputs], own.shape)
                number = class_numbers(labels[:, step], column)
                groups.append((np.stack([own, other, share]), number))
                of_labels.append(weight_of_labels(weight, of_classes, number, place))
        return cls(groups, weight, of_labels)

    @property
    def weight_of_labels(self) -> list[np.ndarray]:
        """Of each of the groups the weight of each label, ``(n,)``."""
        return self.of_labels or [self.weight] * len(self.groups)

    def weighted(self, weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each of the groups the weighted sum of the logits, ``(n, n_outputs)``, and the numbers of
        the classes."""
        return [(np.tensordot(weights, logits, axes=1), number) for logits, number in self.groups]

    def losses(self, weights: np.ndarray) -> np.ndarray:
        """Log loss of each window with a weighted sum of the logits, the mean over steps and label
        columns, ``(n,)``."""
        losses = [
            negative_log_likelihood(logits, number) * (weight / weight.mean())
            for (logits, number), weight in zip(
                self.weighted(weights), self.weight_of_labels, strict=True
            )
        ]
        mean: np.ndarray = np.mean(losses, axis=0)
        return mean

    def loss(self, weights: np.ndarray) -> float:
        """Mean of ``losses``."""
        return float(self.losses(weights).mean())


def combination_weights(given: _ValidationLogits, independent: float) -> np.ndarray:
    """Weights of LSTM, logistic regression and class shares, ``(3,)``.

    Args:
        given: logits on validation windows.
        independent: as how many independent windows these count.
    """
    from scipy.optimize import minimize

    strength = _STRENGTH / independent

    def objective(weights: np.ndarray) -> float:
        return given.loss(weights) + strength * float(np.square(weights - _START).sum())

    found = minimize(
        objective, _START, method="L-BFGS-B", bounds=[(0.0, _LARGEST_WEIGHT)] * len(_START)
    )
    weights: np.ndarray = found.x
    return weights
