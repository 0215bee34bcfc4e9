"""Choose by validation how much of the forecast is the linear component's.

The forecast is a mean of the LSTM's and the linear component's. Forecasters that err differently do
better together than either (Bates and Granger 1969, "The Combination of Forecasts"), and equal weights
are hard to improve on (Timmermann 2006, "Forecast Combinations"), so each has half unless validation
shows one of them to be far better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastlstm.data.split import LEARNED
from fastlstm.network.fixed_weights import LINEAR_WEIGHT, set_weight
from fastlstm.training.linear_component import (
    LINEAR_WEIGHTS,
    Penalty,
    has_linear_component,
    solve,
)
from fastlstm.training.selection import SelectionContext

# How much worse than the best weight, relatively, a weight may be on validation.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class LinearWeight:
    """What validation chose for a linear component.

    Attributes:
        penalty: of its ridge regression.
        weight: of it in the forecast, from 0 to 1; the LSTM has the rest.
    """

    penalty: Penalty
    weight: float

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        return {"linear": {"penalty": asdict(self.penalty), "share": self.weight}}


class LinearWeightStep:
    """Solve the linear component, and give it the weight in the forecast that validation chooses."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether the network has a linear component."""
        return has_linear_component(context.chosen)

    def run(self, context: SelectionContext) -> LinearWeight:
        """Solve the chosen network's on train windows, the refitted one's on validation windows too,
        with the same penalty and weight."""
        setup = context.setup
        penalty = solve(context.chosen, setup.dataset, "train", setup.architecture, setup.weights)
        if context.refitted is not None:
            solve(
                context.refitted, setup.dataset, LEARNED, setup.architecture, setup.weights, penalty
            )
        errors = {
            weight: found.all_steps for weight, found in context.validation_errors.network.items()
        }
        weight = best_linear_weight(errors, setup.weights("validation"))
        for network in context.networks:
            set_linear_weight(network, weight)
        return LinearWeight(penalty, weight)


def set_linear_weight(model: Any, weight: float) -> None:
    """Set the linear component's weight in the forecast; 0 while the LSTM is trained."""
    set_weight(model, LINEAR_WEIGHT, weight)


def best_linear_weight(errors: Mapping[float, np.ndarray], weights: np.ndarray | None) -> float:
    """The weight nearest to half among those whose absolute error on validation is about the lowest.

    Args:
        errors: by each of ``LINEAR_WEIGHTS``, the error of every validation window, ``(n,)``.
        weights: of the windows, ``(n,)``; None where all weigh alike.
    """
    means = [np.average(errors[weight], weights=weights) for weight in LINEAR_WEIGHTS]
    return LINEAR_WEIGHTS[int(np.argmax(np.array(means) <= (1 + _TOLERANCE) * min(means)))]
