"""What a training is given: its windows, settings and options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.seasons import seasons_by_error
from fastlstm.network.architecture import Architecture, resolve
from fastlstm.training.input_pipeline import Part
from fastlstm.training.naive_weights import NaiveErrors
from fastlstm.training.series_weights import series_weights, weight_of_series
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.source import WindowSource

# Called with each progress event; see ``fastlstm.training.fit.fit``.
OnEvent = Callable[[dict[str, Any]], None]


class Champion(Protocol):
    """A stored run whose weights a training may begin from."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest, with the cuts of its splits."""

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The hyperparameters it was trained with."""

    @property
    def data(self) -> DataConfig:
        """The columns it was trained on."""

    @property
    def network(self) -> Any:
        """Its Keras network."""


@dataclass(frozen=True)
class TrainingSetup:
    """Windows, settings and options of a training; its refit and its warm start share them.

    Attributes:
        dataset: the windows; test windows are never read.
        hyperparameters: network and training.
        on_event: called with each progress event; see ``fastlstm.training.fit.fit``.
        loss: a Keras loss object in place of ``hyperparameters.loss``, or None.
        callbacks: more Keras callbacks.
        strategy: a ``tf.distribute.Strategy`` to build and train under, or None.
        verbose: Keras' own progress output.
        checkpoint: file that holds the training's state after each epoch, or None.
        champion: run whose weights a second training begins from, or None.
    """

    dataset: WindowSource
    hyperparameters: Hyperparameters
    on_event: OnEvent
    loss: Any = None
    callbacks: Sequence[Any] = ()
    strategy: Any = None
    verbose: str | int = 0
    checkpoint: Path | None = None
    champion: Champion | None = None
    _weights: dict[str, np.ndarray | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def part(self) -> Part | None:
        """The part of each batch that this process computes; None where it computes all of it."""
        strategy = self.strategy
        if strategy is None or strategy.num_replicas_in_sync == 1:
            return None
        here = len(strategy.extended.worker_devices)
        return Part(self._rank * here, here, strategy.num_replicas_in_sync)

    def scope(self) -> AbstractContextManager[Any]:
        """Where a network to train is built: under the strategy."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    @property
    def is_chief(self) -> bool:
        """Whether this process, of all that train the network together, writes what they find."""
        return self._rank == 0

    @property
    def _rank(self) -> int:
        """Number of this process among those that train the network together, from 0."""
        resolver = getattr(self.strategy, "cluster_resolver", None)
        return 0 if resolver is None else int(resolver.task_id or 0)

    @cached_property
    def architecture(self) -> Architecture:
        """The network's structure."""
        manifest = self.dataset.manifest
        return resolve(
            self.hyperparameters,
            manifest["features"],
            manifest["targets"],
            self.dataset.count("train"),
            self.seasons,
        )

    @cached_property
    def naive_weights(self) -> np.ndarray:
        """Weights of the naive forecasts in the one to improve on, by step, ``(n, steps, n_targets)``.

        Train windows decide: they are many and of many periods, and no naive forecast was fitted to
        them. Weights from validation would make the naive forecast look better there than it is, and
        so what learned look worse.
        """
        errors = NaiveErrors.of(self.dataset, "train", self.architecture, self.weights("train"))
        return errors.least_absolute()

    @property
    def seasons(self) -> list[int]:
        """Rows in the seasons found in the train rows, the best first."""
        return seasons_by_error(self.dataset.manifest)

    def weights(self, split: str) -> np.ndarray | None:
        """Weight of each window of a split in the loss, ``(n,)``; None where all weigh alike.

        The order is that of the split's windows by series and time.

        Raises:
            ConfigError: ``loss_scaling`` does not fit the targets.
            DataError: no series has a scale.
        """
        if split not in self._weights:
            own = self.dataset.weights(split)
            if self._weight_of_series is not None:
                series = self.dataset.read(split, columns=()).series
                scaled = series_weights(self._weight_of_series, series)
                own = scaled if own is None else np.asarray(scaled * own, np.float32)
            self._weights[split] = own
        return self._weights[split]

    @property
    def weigh(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Gives the weight of windows in the loss by their series; None without ``loss_scaling``.

        Raises:
            ConfigError: ``loss_scaling`` does not fit the targets.
            DataError: no series has a scale.
        """
        if self._weight_of_series is None:
            return None
        return partial(series_weights, self._weight_of_series)

    @cached_property
    def _weight_of_series(self) -> dict[str, float] | None:
        """Weight of each series in the loss by its name; None without ``loss_scaling``."""
        return weight_of_series(self.dataset) if self.weighs_series else None

    @property
    def weighs_series(self) -> bool:
        """Whether each series has a weight of its own in the loss; see ``loss_scaling``."""
        scaling, manifest = self.hyperparameters.loss_scaling, self.dataset.manifest
        if scaling != "auto":
            return scaling == "mase"
        is_panel = manifest.get("series", 1) > 1 and len(manifest["targets"]) == 1
        drawn = isinstance(self.dataset, DrawnWindows)
        return is_panel and (drawn or self.dataset.folded("train") is not None)
