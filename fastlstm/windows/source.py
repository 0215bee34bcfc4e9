"""The interface of a dataset of windows, in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from fastlstm.windows.shared_rows import Folded


@dataclass(frozen=True)
class Windows:
    """Windows in memory.

    Attributes:
        series: series of each window, shape ``(n,)``.
        origin: time of each first target row, ``datetime64[us]`` in UTC, shape ``(n,)``.
        x: inputs, float32 ``(n, timesteps, n_features)``.
        y: targets, float32 ``(n, steps_ahead, n_targets)``.
    """

    series: np.ndarray
    origin: np.ndarray
    x: np.ndarray
    y: np.ndarray


class WindowSource(Protocol):
    """Windows of three splits, in memory or on disk; see ``WindowDataset``."""

    manifest: dict[str, Any]

    def count(self, split: str) -> int:
        """Windows in a split."""

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split."""

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches."""

    def folded(self, split: str) -> tuple[Folded, Folded] | None:
        """Inputs and targets as the rows they share; None where those are too large for memory."""

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """Weight of each window in the order ``batches`` gives them, or None."""


def require_same_shape(dataset: WindowSource, hyperparameters: Hyperparameters) -> None:
    """Refuse windows that were cut with other settings than the network is built with.

    Raises:
        ConfigError: names the setting and both values.
    """
    for setting in ("timesteps", "steps_ahead"):
        of_windows, of_network = dataset.manifest[setting], getattr(hyperparameters, setting)
        if of_windows != of_network:
            raise ConfigError(
                f"{setting}: the hyperparameters have {of_network}, the windows were cut with "
                f"{of_windows}; cut the windows again, or set {setting} to {of_windows}"
            )
