"""Products of the errors of several forecasters, summed over windows: all that a combination needs.

They are sums, so that those of parts of the windows add up to those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fastlstm.windows.source import WindowSource

# Most forecast values of a split that are looked at; evenly spaced windows where there are more.
_MOST_VALUES = 20_000_000

# Most blocks of steps; the steps of a block share their sums.
_MOST_BLOCKS = 24

# Errors below this, in units of the scaled targets, weigh alike, as squared errors do.
SMALL_ERROR = 0.02

# Inputs and targets of some windows, ``(n, timesteps, n_features)`` and ``(n, steps, n_targets)``, to
# forecasts ``(n_forecasters, n, steps, n_targets)``.
Forecasters = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ErrorSums:
    """Products of errors, each divided by the forecasters' mean absolute error in that window.

    So divided, windows of large errors weigh in proportion and not by their square, as in a mean
    absolute error, and a sum of products still gives the loss of every weighted mean of the
    forecasters. Divided value by value, one forecaster's noise would look like a gain over the others.

    Attributes:
        names: the forecasters.
        blocks: number of each step's block, ``(steps,)``.
        by_block: mean products by block of steps and target,
            ``(n_blocks, n_targets, n_forecasters, n_forecasters)``.
        by_origin: mean products over all steps by forecast origin, in order of time, and target,
            ``(n_origins, n_targets, n_forecasters, n_forecasters)``.
        first_by_origin: the same over the first steps alone.
        first: how many these are; all steps where there are two horizons of origins, else a quarter as
            many as there are origins.
        series: number of series.
        windows: of the split, those that are not looked at too.
        absolute: mean absolute errors of some weighted means of the forecasters, ``(n_means,)``.
    """

    names: Sequence[str]
    blocks: np.ndarray
    by_block: np.ndarray
    by_origin: np.ndarray
    first_by_origin: np.ndarray
    first: int
    series: int = 1
    windows: int = 1
    absolute: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def pooled(self) -> np.ndarray:
        """Mean products over all steps and targets, ``(n_forecasters, n_forecasters)``."""
        mean: np.ndarray = self.by_block.mean(axis=(0, 1))
        return mean

    @property
    def independent_origins(self) -> float:
        """How many horizons of origins there are; forecasts of nearer origins share steps."""
        return len(self.by_origin) / len(self.blocks)

    @property
    def independent_origins_each(self) -> float:
        """How many a series has, mean over the series."""
        return self.windows / self.series / len(self.blocks)


def error_sums(
    names: Sequence[str],
    forecast: Forecasters,
    dataset: WindowSource,
    split: str,
    batch_size: int,
    weights: np.ndarray | None = None,
    means: np.ndarray | None = None,
) -> ErrorSums:
    """The sums over a split.

    Args:
        names: the forecasters.
        forecast: gives their forecasts.
        dataset: the windows; no split but the named one is read.
        split: train or validation.
        batch_size: windows at once.
        weights: of each window, ``(n,)``; None where all weigh alike.
        means: weights of the forecasters in means whose absolute errors are wanted,
            ``(n_means, n_forecasters)``.
    """
    steps, targets = dataset.manifest["steps_ahead"], len(dataset.manifest["targets"])
    count = dataset.count(split)
    chosen = evenly_spaced(count, _MOST_VALUES // (steps * targets))
    windows = dataset.read(split, columns=())
    times = np.unique(windows.origin[chosen])
    origins = len(times)
    first = steps if origins >= 2 * steps else max(1, origins // 4)
    blocks = step_blocks(steps)
    by_step = np.zeros((steps, targets, len(names), len(names)))
    absolute = np.zeros(0 if means is None else len(means))
    total = 0.0
    by_origin, first_by_origin = (
        np.zeros((origins, targets, len(names), len(names))) for _ in range(2)
    )
    weight_of_origin = np.zeros(origins)
    for place, x, y in chosen_batches(dataset, split, batch_size, chosen):
        errors = (forecast(x, y) - y).astype(np.float64)
        size = np.maximum(np.abs(errors).mean(axis=(0, 2), keepdims=True), SMALL_ERROR)
        weight = np.ones(len(y)) if weights is None else weights[place].astype(np.float64)
        scaled = errors / np.sqrt(size)
        weighted = scaled * weight[:, None, None]
        by_step += np.einsum("anst,bnst->stab", weighted, scaled, optimize=True)
        total += float(weight.sum())
        for number in range(len(absolute)):
            of_mean = np.abs(np.tensordot(means[number], errors, axes=1)).mean(axis=(1, 2))  # type: ignore[index]
            absolute[number] += float((of_mean * weight).sum())
        at = np.searchsorted(times, windows.origin[place])
        for sums, some in ((by_origin, scaled), (first_by_origin, scaled[:, :, :first])):
            of_windows = np.einsum("anst,bnst->ntab", some, some, optimize=True) / some.shape[2]
            np.add.at(sums, at, of_windows * weight[:, None, None, None])
        np.add.at(weight_of_origin, at, weight)
    by_block = np.stack([by_step[blocks == block].mean(axis=0) for block in range(blocks[-1] + 1)])
    return ErrorSums(
        names,
        blocks,
        by_block / total,
        by_origin / weight_of_origin[:, None, None, None],
        first_by_origin / weight_of_origin[:, None, None, None],
        first,
        len(np.unique(windows.series)),
        count,
        absolute / total,
    )


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Numbers of so many things at most, evenly spaced among all."""
    return np.arange(0, count, -(-count // max(1, most)))


def step_blocks(steps: int) -> np.ndarray:
    """Number of each step's block, ``(steps,)``."""
    return np.arange(steps) * min(steps, _MOST_BLOCKS) // steps


def chosen_batches(
    dataset: WindowSource, split: str, size: int, chosen: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Numbers, inputs and targets of the chosen windows of a split.

    Args:
        dataset: the windows.
        split: the split.
        size: windows of a batch, before the others are left out.
        chosen: numbers of the windows, rising.
    """
    start = 0
    for x, y in dataset.batches(split, size):
        inside = chosen[(chosen >= start) & (chosen < start + len(x))]
        if len(inside):
            yield inside, x[inside - start], y[inside - start]
        start += len(x)
