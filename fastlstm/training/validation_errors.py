"""Errors of a network and of the naive forecast on each validation window, from one pass over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.network.architecture import Architecture
from fastlstm.network.inference import predict_point, windows_at_once
from fastlstm.training.linear_component import LINEAR_WEIGHTS, linear_forecaster

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource


@dataclass(frozen=True)
class WindowErrors:
    """Absolute errors of one forecaster by window, mean over the targets and some steps.

    Attributes:
        all_steps: over all steps ahead, ``(n,)``.
        first_steps: over the first of them, ``(n,)``.
    """

    all_steps: np.ndarray
    first_steps: np.ndarray


@dataclass(frozen=True)
class ValidationErrors:
    """Absolute errors on the validation windows.

    Attributes:
        network: by each weight of the linear component; by 0 alone where there is none.
        naive: of the naive forecast; None where the network is used without a skill test.
        origin: time of each window's first target row, ``(n,)``.
        steps: steps ahead.
        first: how many of them ``first_steps`` are.
    """

    network: dict[float, WindowErrors]
    naive: WindowErrors | None
    origin: np.ndarray
    steps: int
    first: int


def validation_errors(
    model: Any, dataset: WindowSource, architecture: Architecture
) -> ValidationErrors:
    """Forecast the validation windows by a network's LSTM, its linear component and naively.

    Where the windows have fewer than two horizons of origins, forecasts of all steps are too few for a
    test; ``first`` is then a quarter as many as there are origins.

    Args:
        model: the network, its gate open, its linear component solved and without weight.
        dataset: windows; validation alone is read.
        architecture: the network's.
    """
    steps, size = dataset.manifest["steps_ahead"], windows_at_once(dataset.manifest)
    origin = dataset.read("validation", columns=()).origin
    origins = len(np.unique(origin))
    first = steps if origins >= 2 * steps else max(1, origins // 4)
    linear = linear_forecaster(model, architecture, steps)
    network: dict[float, list[np.ndarray]] = {0.0: []}
    if linear is not None:
        network = {weight: [] for weight in LINEAR_WEIGHTS}
    naive: list[np.ndarray] = []

    def means(error: np.ndarray) -> np.ndarray:
        """Mean absolute error over all steps and over the first ones, ``(2, n)``."""
        absolute = np.abs(error)
        return np.array(
            [part.mean(axis=(1, 2), dtype=np.float64) for part in (absolute, absolute[:, :first])]
        )

    for x, y in dataset.batches("validation", size):
        lstm = predict_point(model, x, y[0].size).reshape(y.shape)
        difference = 0.0 if linear is None else linear(x) - lstm
        for weight, parts in network.items():
            parts.append(means(lstm + weight * difference - y))
        if architecture.naive_unless_better:
            naive.append(means(architecture.naive(x, steps) - y))

    def joined(parts: list[np.ndarray]) -> WindowErrors:
        return WindowErrors(*np.concatenate(parts, axis=1))

    return ValidationErrors(
        {weight: joined(parts) for weight, parts in network.items()},
        joined(naive) if naive else None,
        origin,
        steps,
        first,
    )
