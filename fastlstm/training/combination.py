"""Decide by validation how a network's forecast is combined of its forecasters.

The forecast is a weighted mean of the LSTM, the linear component and the naive forecasts; see
``fastlstm.training.combination_weights``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastlstm.data.split import LEARNED
from fastlstm.network.architecture import LINEAR_REGRESSION, LSTM
from fastlstm.network.combination import has_combination, naive_forecasts, set_combination
from fastlstm.network.inference import predict_point, windows_at_once
from fastlstm.network.naive_forecasters import NAIVE
from fastlstm.training.combination_weights import (
    Weights,
    combination_weights,
    means_to_compare,
)
from fastlstm.training.error_sums import Forecasters, error_sums, step_blocks
from fastlstm.training.linear_component import (
    Penalty,
    has_linear_component,
    linear_forecaster,
    solve,
)
from fastlstm.training.selection import SelectionContext
from fastlstm.training.setup import TrainingSetup


@dataclass(frozen=True)
class Combination:
    """What a network's forecast is combined of.

    Attributes:
        forecasters: their names.
        weights: of each, mean over targets, ``(n_forecasters, steps)``.
        trust: weight of what learned beside the naive forecast, mean over steps and targets.
        gain: see ``fastlstm.training.combination_weights.Weights``.
        origins: forecast origins of validation.
        penalty: of the linear component's ridge regression; None without one.
    """

    forecasters: tuple[str, ...]
    weights: np.ndarray
    trust: float
    gain: float
    origins: int
    penalty: Penalty | None

    @property
    def by_name(self) -> dict[str, float]:
        """The weight of each forecaster, mean over the steps."""
        return dict(zip(self.forecasters, self.weights.mean(axis=1).tolist(), strict=True))

    def facts(self) -> dict[str, Any]:
        """Its entry of ``training.json``."""
        return {
            "combination": {
                "weights": {name: round(weight, 4) for name, weight in self.by_name.items()},
                "first_step": self._at(0),
                "last_step": self._at(-1),
                "trust": round(self.trust, 4),
                "gain": None if np.isnan(self.gain) else round(self.gain, 4),
                "origins": self.origins,
                "steps": self.weights.shape[1],
                "penalty": None if self.penalty is None else asdict(self.penalty),
            }
        }

    def _at(self, step: int) -> dict[str, float]:
        """The weight of each forecaster at a step."""
        at_step = self.weights[:, step].tolist()
        return {n: round(weight, 4) for n, weight in zip(self.forecasters, at_step, strict=True)}


class CombinationStep:
    """Solve the linear component, and give each forecaster the weight that validation chooses."""

    def applies(self, context: SelectionContext) -> bool:
        """Whether the network of a regressor combines forecasters."""
        is_regressor = context.setup.hyperparameters.is_regressor
        return is_regressor and has_combination(context.chosen)

    def run(self, context: SelectionContext) -> Combination:
        """Solve the chosen network's component on train windows, the refitted one's on validation
        windows too, with the same penalty; both get the same weights."""
        setup, penalty = context.setup, None
        a, dataset = setup.architecture, setup.dataset
        if has_linear_component(context.chosen):
            penalty = solve(context.chosen, dataset, "train", a, setup.weights)
            if context.refitted is not None:
                solve(context.refitted, dataset, LEARNED, a, setup.weights, penalty)
        names = [LSTM, *([LINEAR_REGRESSION] if a.linear_component else [])]
        sums = error_sums(
            [*names, *([NAIVE] if a.naive_forecasters else [])],
            _forecasts(context.chosen, setup), dataset, "validation",
            windows_at_once(dataset.manifest), setup.weights("validation"),
            means=means_to_compare(len(names) + bool(a.naive_forecasters))
            if a.linear_component else None,
        )  # fmt: skip
        weights = combination_weights(
            sums, linear=a.linear_component, naive=bool(a.naive_forecasters),
            share_calendar=setup.hyperparameters.split == "at_time",
        )  # fmt: skip
        by_step = _by_step(weights, setup)
        for network in context.networks:
            set_combination(network, by_step)
        return Combination(
            a.forecasters, by_step.mean(axis=2), float(weights.trust.mean()), weights.gain,
            len(sums.by_origin), penalty,
        )  # fmt: skip


def _forecasts(model: Any, setup: TrainingSetup) -> Forecasters:
    """Forecasts of the LSTM, which has all weight in the network, the linear component and the naive
    forecast."""
    a, steps = setup.architecture, setup.dataset.manifest["steps_ahead"]
    linear = linear_forecaster(model, a, steps)
    naive = setup.naive_weights if a.naive_forecasters else np.zeros(0)

    def forecast(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = [predict_point(model, x, y[0].size).reshape(y.shape)]
        if linear is not None:
            found.append(linear(x))
        if a.naive_forecasters:
            each = naive_forecasts(x, a, steps)
            found.append((naive[:, None] * each).sum(axis=0))
        return np.stack(found)

    return forecast


def _by_step(weights: Weights, setup: TrainingSetup) -> np.ndarray:
    """Weights of all forecasters of the network, ``(n_forecasters, steps, n_targets)``."""
    a = setup.architecture
    trust = weights.trust[step_blocks(setup.dataset.manifest["steps_ahead"])]
    parts = [((1 - weights.linear) * trust)[None]]
    if a.linear_component:
        parts.append((weights.linear * trust)[None])
    if a.naive_forecasters:
        parts.append((1 - trust) * setup.naive_weights)
    return np.concatenate(parts)
