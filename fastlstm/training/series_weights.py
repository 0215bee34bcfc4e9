"""A loss that weighs the series of a panel alike, whatever their size: each by its own naive error.

With the loss 'mae' the training then minimises the mean absolute scaled error (MASE; Hyndman and Koehler
2006, "Another look at measures of forecast accuracy") with the naive forecast of one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError, DataError
from fastlstm.windows.shared_rows import Folded
from fastlstm.windows.source import Windows

if TYPE_CHECKING:
    from fastlstm.windows.source import WindowSource


def naive_errors(windows: Windows) -> dict[str, float]:
    """Mean absolute change of the target from one row to the next, by series.

    Args:
        windows: with targets ``(n, steps_ahead, 1)``, sorted by series and origin. Of each the first
            target row counts; windows with a hole between them are not compared.

    Returns:
        A scale for each series that has one above 0.
    """
    first = windows.y[:, 0, 0].astype(np.float64)
    apart = np.diff(windows.origin).astype(np.int64)
    same = windows.series[1:] == windows.series[:-1]
    if not same.any():
        return {}
    beside = same & (apart == apart[same].min())
    changes = np.abs(np.diff(first))
    names, code = np.unique(windows.series[1:][beside].astype(str), return_inverse=True)
    means = np.bincount(code, changes[beside]) / np.bincount(code)
    return {str(n): float(m) for n, m in zip(names, means, strict=True) if m > 0}


class ScaledBySeries:
    """A window source whose windows weigh by one over the naive error of their series.

    The weights average to 1 over the train windows, so that a learning rate means what it meant. A
    series without a scale (new after train, or constant in it) has the average weight.

    Args:
        dataset: the windows; the scales come from those of train alone.

    Raises:
        ConfigError: there are several targets, or the windows are too many for memory.
        DataError: no series has a scale.
    """

    def __init__(self, dataset: WindowSource) -> None:
        self.manifest = dataset.manifest
        targets = self.manifest["targets"]
        if len(targets) > 1:
            raise ConfigError(
                f"loss_scaling: 'mase' is for one target, found {len(targets)}; train a model for each, "
                "or use 'none'"
            )
        self._dataset = dataset
        train = dataset.read("train", columns=("y",))
        self._scales = naive_errors(train)
        if not self._scales:
            raise DataError(
                "loss_scaling: 'mase' finds no series whose target changes in the train windows; use "
                "'none', or give rows that change"
            )
        inverse = self._inverse(train.series)
        self._mean = float(np.nanmean(inverse))

    def _inverse(self, series: np.ndarray) -> np.ndarray:
        names, code = np.unique(series.astype(str), return_inverse=True)
        each = np.array([1 / self._scales.get(str(name), np.nan) for name in names])
        return np.asarray(each[code])

    def count(self, split: str) -> int:
        """Windows in a split."""
        return self._dataset.count(split)

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split in memory."""
        return self._dataset.read(split, columns)

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches."""
        return self._dataset.batches(split, batch_size, seed)

    def folded(self, split: str) -> tuple[Folded, Folded]:
        """Inputs and targets as the rows they share.

        Raises:
            ConfigError: those are too large for memory, where no window's place is known.
        """
        kept = self._dataset.folded(split)
        if kept is None:
            raise ConfigError(
                f"loss_scaling: 'mase' needs the {split} windows in memory, and their rows are too "
                "many; use 'none', or fewer rows or features"
            )
        return kept

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray:
        """Weight of each window, ``(n,)``, in the order ``batches`` gives them."""
        own = self._inverse(self._dataset.read(split, columns=()).series) / self._mean
        own = np.where(np.isnan(own), 1.0, own).astype(np.float32)
        if seed is not None:
            own = own[np.random.default_rng(seed).permutation(len(own))]
        given = self._dataset.weights(split, seed)
        return own if given is None else np.asarray(own * given, np.float32)


def scaled_source(dataset: WindowSource, hyperparameters: Hyperparameters) -> WindowSource:
    """The windows as the loss shall weigh them; raises what ``ScaledBySeries`` does."""
    return ScaledBySeries(dataset) if hyperparameters.loss_scaling == "mase" else dataset
