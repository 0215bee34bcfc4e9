"""Calibrate a classifier's probabilities on its validation windows.

Platt scaling (Platt 1999, "Probabilistic Outputs for Support Vector Machines", with its smoothed
labels) for sigmoid outputs, temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural
Networks") for softmax ones, one temperature for all steps of a label column. Both are linear in the
logits, so they go into the weights of the output layer, or of the forecasters' combination: the saved
network gives calibrated probabilities wherever it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.evaluation.labels import LabelColumn, label_columns, logits_of
from fastlstm.network.combination import has_combination, scale_combination
from fastlstm.network.inference import predict, windows_at_once
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import MEMBER
from fastlstm.training.label_combination import LabelCombination
from fastlstm.training.selection import SelectionContext

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource


_NOT_OURS = "the outputs: not calibrated, the network's last layer is not of this library"


@dataclass(frozen=True)
class Calibration:
    """That a classifier's probabilities were calibrated.

    Attributes:
        notes: outputs that could not be calibrated, and why.
        correction: of the logits; None where none was made.
    """

    notes: tuple[str, ...]
    correction: Correction | None = None

    def facts(self) -> dict[str, Any]:
        """Its entries of ``training.json``."""
        facts: dict[str, Any] = {"uncalibrated": list(self.notes)} if self.notes else {}
        if self.correction is not None:
            facts["calibration"] = self.correction.facts()
        return facts


class CalibrationStep:
    """Calibrate a classifier's probabilities on validation windows, in every network alike."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether ``calibration`` calls for a method; of a loss object it is not known whether it asks
        for probabilities."""
        hp, loss = context.setup.hyperparameters, context.setup.loss
        combined = context.finding(LabelCombination) is not None
        # The weights of a combination are those of the lowest log loss on validation.
        left_out = hp.calibration == "auto" and (loss is not None or combined)
        return hp.calibration_method is not None and not left_out

    def run(self, context: SelectionContext) -> Calibration:
        """Calibrate the networks by the outputs of the chosen one."""
        setup = context.setup
        return calibrate(context.networks, setup.dataset, setup.hyperparameters)


def calibrate(
    networks: Sequence[Any], dataset: WindowSource, hyperparameters: Hyperparameters
) -> Calibration:
    """Calibrate networks in place, by ``hyperparameters.calibration``.

    Args:
        networks: networks of the same layers, not calibrated. The first decides on the correction of
            all: the others may have learned from validation, where their own probabilities are too
            sure. The weights of the forecasters' combination, or the layer ``output`` (of an ensemble
            each member's), or the last layer, give the logits.
        dataset: the windows; only validation is read.
        hyperparameters: the settings.
    """
    found = correction_of(networks[0], dataset, hyperparameters)
    if found is None:
        return Calibration((_NOT_OURS,))
    for network in networks:
        found.apply(network)
    return Calibration(tuple(found.notes), found)


def correction_of(
    model: Any, dataset: WindowSource, hyperparameters: Hyperparameters
) -> Correction | None:
    """What calibrates a network's logits; None where its output layer is not of this library.

    Args:
        model: the network, not calibrated.
        dataset: the windows; only validation is read.
        hyperparameters: the settings.
    """
    units = _units_of_logits(model)
    if units is None:
        return None
    parts = [
        (predict(model, x), y)
        for x, y in dataset.batches("validation", windows_at_once(dataset.manifest))
    ]
    outputs, labels = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
    columns = label_columns(hyperparameters, dataset.manifest["targets"])
    return Correction.of(outputs.reshape(labels.shape), labels, columns, units)


def _units_of_logits(model: Any) -> int | None:
    """Outputs that have a logit of their own; None where the layer that gives logits is not known."""
    if has_combination(model):
        return int(model.output_shape[1])
    layers = _output_layers(model)
    return int(layers[0].units) if layers else None


def _output_layers(model: Any) -> list[Any]:
    """The layers whose mean logits make the probabilities; none where they are not known.

    In networks of fastLSTM 1.0 it is the last layer, whose name is not ``output``.
    """
    named = [la for la in model.layers if la.name.split(MEMBER)[0] == "output"]
    named = named or model.layers[-1:]
    dense = import_keras().layers.Dense
    known = all(isinstance(la, dense) and len(la.get_weights()) == 2 for la in named)
    return named if known else []


@dataclass
class Correction:
    """What logits are multiplied by, and what is added then, ``(n_logits,)`` each.

    Attributes:
        slopes: factors.
        shifts: summands.
        notes: outputs that could not be calibrated, and why.
    """

    slopes: np.ndarray
    shifts: np.ndarray
    notes: list[str]

    @classmethod
    def of(
        cls, outputs: np.ndarray, labels: np.ndarray, columns: list[LabelColumn], units: int
    ) -> Correction:
        """Of each output, or of those that share the weights of a logit together.

        Args:
            outputs: probabilities of validation windows, ``(n, steps, n_targets)``.
            labels: of the same windows.
            columns: the label columns.
            units: logits with weights of their own: of all steps and targets, of the targets, or of one.
        """
        steps, targets = labels.shape[1:]
        found = cls(np.ones(units), np.zeros(units), [])
        if units < targets:  # one network for all columns, each of two classes
            everything = LabelColumn("the outputs", ("0", "1"), slice(0, 1), ("the outputs",))
            found._add(outputs.reshape(-1, 1), labels.reshape(-1, 1), everything, 0, "the outputs")
            return found
        shared = units < steps * targets
        for column in columns:
            probability, truth = outputs[..., column.outputs], labels[..., column.outputs]
            for step in range(1 if shared else steps):
                at = step * targets + column.outputs.start
                if column.is_binary:
                    chosen = slice(None) if shared else slice(step, step + 1)
                    suffix = f"_step_{step + 1}" if steps > 1 and not shared else ""
                    found._add(
                        probability[:, chosen].reshape(-1, 1), truth[:, chosen].reshape(-1, 1),
                        column, at, column.names[0] + suffix,
                    )  # fmt: skip
                else:
                    size = len(column.names)
                    found._cool(probability.reshape(-1, size), truth.reshape(-1, size), column, at)
        return found

    def facts(self) -> dict[str, list[float]]:
        """As ``training.json`` keeps it."""
        return {"slopes": self.slopes.tolist(), "shifts": self.shifts.tolist()}

    @classmethod
    def from_facts(cls, facts: dict[str, list[float]]) -> Correction:
        """What ``facts`` gave."""
        return cls(np.array(facts["slopes"]), np.array(facts["shifts"]), [])

    def apply(self, network: Any) -> None:
        """Scale and shift a network's logits, in the weights that make them."""
        if has_combination(network):
            scale_combination(network, self.slopes, self.shifts)
            return
        for layer in _output_layers(network):
            kernel, bias = layer.get_weights()
            scaled = [kernel * self.slopes, bias * self.slopes + self.shifts]
            layer.set_weights(scaled)

    def _cool(
        self, probability: np.ndarray, labels: np.ndarray, column: LabelColumn, at: int
    ) -> None:
        """Temperature scaling of exclusive classes, ``(n, n_classes)``, from logit number ``at`` on."""
        scale = 1 / temperature(logits_of(probability, column), labels)
        self.slopes[at : at + len(column.names)] = scale

    def _add(
        self, probability: np.ndarray, labels: np.ndarray, column: LabelColumn, at: int, name: str
    ) -> None:
        """Platt scaling of one output, ``(n, 1)``, whose logit is number ``at``."""
        truth = labels[:, 0]
        if truth.min() == truth.max():
            self.notes.append(f"{name}: not calibrated, validation holds one class only")
            return
        slope, shift = platt(logits_of(probability, column)[:, 0], truth)
        if slope <= 0:
            self.notes.append(
                f"{name}: not calibrated, on validation higher probabilities do not mean more "
                "positives"
            )
            return
        self.slopes[at], self.shifts[at] = slope, shift


def platt(logit: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and shift by which the sigmoid of ``slope * logit + shift`` fits labels best.

    Args:
        logit: ``(n,)``.
        truth: labels 0 and 1, both present, ``(n,)``.
    """
    from sklearn.linear_model import LogisticRegression

    positives = truth.sum()
    negatives = len(truth) - positives
    # Platt's targets keep the slope finite where the classes are separable.
    target = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    fitted = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-8).fit(
        np.concatenate([logit, logit])[:, None],
        np.repeat([1, 0], len(logit)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def temperature(logit: np.ndarray, truth: np.ndarray) -> float:
    """The number that logits are divided by so that their softmax fits one-hot labels best.

    Args:
        logit: ``(n, n_classes)``, or logarithms of probabilities.
        truth: one-hot labels, same shape.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logit / np.exp(log_temperature), axis=1)
        return float(-(truth * scaled).sum(axis=1).mean())

    # From a hundredth to a hundred: outside, float32 probabilities are 0, 1 or all the same.
    found = minimize_scalar(loss, bounds=(-np.log(100), np.log(100)), method="bounded")
    return float(np.exp(found.x))
