"""What a dataset of windows is, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

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
    """Windows of three splits, wherever they lie; see ``WindowDataset``."""

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
