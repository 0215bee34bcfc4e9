"""The architectures: the part of a network between a window's sequences and its outputs.

A new architecture is a class with the interface of ``Core`` in a file of its own, an entry in ``CORES``,
and its name in ``fastlstm.config.hyperparameters.Hyperparameters.architecture``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import Architecture
from fastlstm.network.classic import ClassicCore
from fastlstm.network.seeded_layers import SeededLayers
from fastlstm.network.segment import SegmentCore


class Core(Protocol):
    """One architecture, for given hyperparameters and columns."""

    def __call__(self, layers: SeededLayers, sequences: Any, window: Any) -> Any:
        """Outputs of sequences, step-major.

        Args:
            layers: makes the layers; the last one is named ``output``.
            sequences: ``(n, timesteps, columns)``, normalized; ``n`` is the batch, or the batch times
                the targets where they share a network (``Architecture.channel_independent``).
            window: the network's input, ``(batch, timesteps, n_features)``.

        Returns:
            ``(n, steps_ahead * outputs)``; a step has an output for each target that the sequence is of,
            and quantile.
        """

    def lstm_sizes(self) -> tuple[list[int], int]:
        """Units of each LSTM layer, and the most time steps that one reads."""


# By name: makes the core of hyperparameters, their resolved architecture, and the numbers of features
# and of targets.
CORES: dict[str, Callable[[Hyperparameters, Architecture, int, int], Core]] = {
    "classic": ClassicCore,
    "segment": SegmentCore,
}
