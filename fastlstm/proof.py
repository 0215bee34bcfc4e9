"""A network proves on validation that it is better than the naive value, which else stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.architecture import Architecture
from fastlstm.inference import predict_point
from fastlstm.layers import GATE, set_weight
from fastlstm.significance import Comparison, by_origin, diebold_mariano

if TYPE_CHECKING:
    from fastlstm.training import WindowSource


def set_gate(model: Any, opened: bool) -> None:
    """Let a network forecast, or the naive value stand for it; one without a gate stays as it is."""
    set_weight(model, GATE, float(opened))


def proven(model: Any, dataset: WindowSource, architecture: Architecture) -> Comparison:
    """Compare a network with the naive value by their absolute errors on the validation windows.

    Args:
        model: the network, its gate open.
        dataset: windows; validation alone is read.
        architecture: which rows are the naive value.
    """
    steps = dataset.manifest["steps_ahead"]
    better = []
    for x, y in dataset.batches("validation", 1024):
        naive = architecture.naive(x, steps)
        forecast = predict_point(model, x, y[0].size).reshape(y.shape)
        gain = np.abs(naive - y) - np.abs(forecast - y)
        better.append(gain.mean(axis=(1, 2), dtype=np.float64))
    origin = dataset.read("validation", columns=()).origin
    return diebold_mariano(by_origin(origin, np.concatenate(better)), steps)
