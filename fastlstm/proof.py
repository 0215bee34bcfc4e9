"""A network proves on validation that it is better than the naive value, which else stands for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.architecture import Architecture
from fastlstm.inference import predict_point
from fastlstm.layers import GATE, set_weight
from fastlstm.significance import Comparison, by_origin, diebold_mariano

if TYPE_CHECKING:
    from fastlstm.training import WindowSource


# How much lower, relatively, the error must be where the forecasts are too few for a test of all steps.
_WIDE_MARGIN = 0.1


def set_gate(model: Any, opened: bool) -> None:
    """Let a network forecast, or the naive value stand for it; one without a gate stays as it is."""
    set_weight(model, GATE, float(opened))


@dataclass(frozen=True)
class Proof(Comparison):
    """A network beside the naive value: the test of ``Comparison``, over the steps that allow one.

    Attributes:
        steps: first steps ahead whose mean loss is compared.
        margin: what ``difference`` must exceed; 0 where these are all steps.
        of_all_steps: ``difference`` over all steps.
    """

    steps: int
    margin: float
    of_all_steps: float

    def is_better(self, level: float = 0.05) -> bool:
        """Whether the network is better beyond chance and margin, and over all steps better at all."""
        return super().is_better(level) and self.difference > self.margin and self.of_all_steps > 0


def proven(model: Any, dataset: WindowSource, architecture: Architecture) -> Proof:
    """Compare a network with the naive value by their absolute errors on the validation windows.

    Where there are fewer than two horizons of origins, forecasts of all steps are too few to tell. Those
    of the first steps are tested then, a quarter as many as there are origins. Four horizons tell little
    still, and a trend that lasts for all of them looks like skill, so the error must also be a tenth
    lower there than the naive value's, and lower over all steps.

    Args:
        model: the network, its gate open.
        dataset: windows; validation alone is read.
        architecture: which rows are the naive value.
    """
    steps = dataset.manifest["steps_ahead"]
    origin = dataset.read("validation", columns=()).origin
    origins = len(np.unique(origin))
    tested = steps if origins >= 2 * steps else max(1, origins // 4)
    means = []
    for x, y in dataset.batches("validation", 1024):
        naive = np.abs(architecture.naive(x, steps) - y)
        gain = naive - np.abs(predict_point(model, x, y[0].size).reshape(y.shape) - y)
        parts = gain[:, :tested], naive[:, :tested], gain
        means.append([part.mean(axis=(1, 2), dtype=np.float64) for part in parts])
    gains, costs, gains_of_all = (by_origin(origin, each) for each in np.concatenate(means, axis=1))
    return Proof(
        **asdict(diebold_mariano(gains, tested)),
        steps=tested,
        margin=0.0 if tested == steps else _WIDE_MARGIN * float(costs.mean()),
        of_all_steps=float(gains_of_all.mean()),
    )
