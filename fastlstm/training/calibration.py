"""Calibrate a classifier's probabilities on its validation windows.

Platt scaling (Platt 1999, "Probabilistic Outputs for Support Vector Machines", with its smoothed
labels) for sigmoid outputs, temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural
Networks") for softmax ones. Both are linear in the logits, so they go into the weights of the output
layer: the saved network gives calibrated probabilities wherever it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.inference import predict, windows_at_once
from fastlstm.network.keras_import import import_keras
from fastlstm.network.seeded_layers import MEMBER
from fastlstm.training.selection import SelectionContext
from fastlstm.windows.origins import output_names

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource

# The smallest probability; in float32 one less a smaller one is 1.
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Calibration:
    """That a classifier's probabilities were calibrated.

    Attributes:
        notes: outputs that could not be calibrated, and why.
    """

    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        return {"uncalibrated": list(self.notes)} if self.notes else {}


class CalibrationStep:
    """Calibrate a classifier's probabilities on validation windows, in every network alike."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether ``calibration`` calls for a method; of a loss object it is not known whether it asks
        for probabilities."""
        hp, loss = context.setup.hyperparameters, context.setup.loss
        unknown = loss is not None and hp.calibration == "auto"
        return hp.calibration_method is not None and not unknown

    def run(self, context: SelectionContext) -> Calibration:
        """Calibrate the networks by the outputs of the chosen one."""
        setup = context.setup
        chosen, *others = context.networks
        return Calibration(tuple(calibrate(chosen, setup.dataset, setup.hyperparameters, others)))


def calibrate(
    model: Any, dataset: WindowSource, hyperparameters: Hyperparameters, others: Sequence[Any] = ()
) -> list[str]:
    """Calibrate a network in place, by ``hyperparameters.calibration``.

    Args:
        model: the network; its layer ``output`` (of an ensemble each member's), or its last one, gives
            the probabilities.
        dataset: the windows; only validation is read.
        hyperparameters: the settings.
        others: more networks of the same layers, which are changed in the same way. Networks that have
            learned from validation belong here, for their own probabilities there are too sure.

    Returns:
        What could not be calibrated, and why; empty where all was, or no method is set.
    """
    method = hyperparameters.calibration_method
    if method is None:
        return []
    layers = [layer for network in (model, *others) for layer in _output_layers(network)]
    if not layers:
        return ["the outputs: not calibrated, the network's last layer is not of this library"]
    outputs, labels = [], []
    for x, y in dataset.batches("validation", windows_at_once(dataset.manifest)):
        outputs.append(predict(model, x))
        labels.append(y.reshape(len(y), -1))
    probability = np.concatenate(outputs).astype(np.float64)
    truth = np.concatenate(labels).astype(np.float64)
    if method == "temperature":
        return _by_temperature(layers, probability, truth)
    return _by_platt(layers, probability, truth, dataset.manifest)


def _output_layers(model: Any) -> list[Any]:
    """The layers whose mean logits make the probabilities; none where they are not known.

    In networks of fastLSTM 1.0 it is the last layer, whose name is not ``output``.
    """
    named = [la for la in model.layers if la.name.split(MEMBER)[0] == "output"]
    named = named or model.layers[-1:]
    dense = import_keras().layers.Dense
    known = all(isinstance(la, dense) and len(la.get_weights()) == 2 for la in named)
    return named if known else []


def _by_platt(
    layers: list[Any], probability: np.ndarray, truth: np.ndarray, manifest: dict[str, Any]
) -> list[str]:
    """Platt scaling of each output; returns what could not be calibrated, and why.

    Args:
        layers: give the logits; changed in place.
        probability: of the positive class, ``(n, n_outputs)``.
        truth: labels 0 and 1, same shape.
        manifest: of the dataset, with the outputs' names.
    """
    names = output_names(manifest["targets"], manifest["steps_ahead"])
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    logit = np.log(clipped / (1 - clipped))
    if layers[0].units != len(names):  # steps or columns share the layer's weights, so also these
        names, logit, truth = ["the outputs"], logit.reshape(-1, 1), truth.reshape(-1, 1)
    slopes, shifts, notes = np.ones(len(names)), np.zeros(len(names)), []
    for number, name in enumerate(names):
        labels = truth[:, number]
        if labels.min() == labels.max():
            notes.append(f"{name}: not calibrated, validation holds one class only")
            continue
        slope, shift = platt(logit[:, number], labels)
        if slope <= 0:
            notes.append(
                f"{name}: not calibrated, on validation higher probabilities do not mean more "
                "positives"
            )
            continue
        slopes[number], shifts[number] = slope, shift
    for layer in layers:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * slopes, bias * slopes + shifts])
    return notes


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


def _by_temperature(layers: list[Any], probability: np.ndarray, truth: np.ndarray) -> list[str]:
    """Temperature scaling; arguments and result as for ``_by_platt``, the classes being the outputs."""
    scale = 1 / temperature(np.log(np.maximum(probability, _SMALLEST)), truth)
    for layer in layers:
        layer.set_weights([weights * scale for weights in layer.get_weights()])
    return []


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
