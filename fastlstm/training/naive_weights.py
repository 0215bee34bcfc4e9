"""Weights of naive forecasts in the one that a network corrects, from their errors on train windows.

A weighted mean of forecasts that err differently is better than the best of them (Bates and Granger
1969, "The Combination of Forecasts"; Granger and Ramanathan 1984, "Improved Methods of Combining
Forecasts"). The weights here have the least absolute error, which is what networks learn and are
evaluated by: where most values are zero, or a few errors are huge, least squares would average what
should be chosen from. Least squares that are weighed anew by the errors they leave find them
(Schlossmacher 1973, "An Iterative Technique for Absolute Deviations Curve Fitting").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.network.architecture import Architecture
from fastlstm.network.combination import naive_forecasts
from fastlstm.network.inference import windows_at_once
from fastlstm.training.error_sums import SMALL_ERROR, chosen_batches, evenly_spaced, step_blocks
from fastlstm.training.simplex_weights import pooling, simplex_weights
from fastlstm.windows.source import WindowSource

# Most windows that decide, and most values of all their forecasts.
_MOST_WINDOWS, _MOST_VALUES = 4_000, 20_000_000

# How often the errors that are left weigh anew: a few times come close, and stay nearer to least squares
# where few windows decide.
_REWEIGHTINGS = 4


@dataclass(frozen=True)
class NaiveErrors:
    """Errors of naive forecasts on some windows.

    Attributes:
        errors: in units of the scaled targets, ``(n_forecasters, n, steps, n_targets)``.
        weights: of each window, ``(n,)``.
        origins: distinct forecast origins of the split.
    """

    errors: np.ndarray
    weights: np.ndarray
    origins: int

    @classmethod
    def of(
        cls, dataset: WindowSource, split: str, architecture: Architecture,
        weights: np.ndarray | None,
    ) -> NaiveErrors:  # fmt: skip
        """Those of evenly spaced windows of a split.

        Args:
            dataset: the windows; no other split is read.
            split: train.
            architecture: names the forecasts.
            weights: of each window in the loss; None where all weigh alike.
        """
        manifest, count = dataset.manifest, dataset.count(split)
        steps, names = manifest["steps_ahead"], architecture.naive_forecasters
        values = steps * len(manifest["targets"]) * len(names)
        chosen = evenly_spaced(count, min(_MOST_WINDOWS, _MOST_VALUES // values))
        batches = chosen_batches(dataset, split, windows_at_once(manifest), chosen)
        errors = [naive_forecasts(x, architecture, steps) - y for _, x, y in batches]
        return cls(
            np.concatenate(errors, axis=1),
            np.ones(len(chosen)) if weights is None else weights[chosen].astype(np.float64),
            len(np.unique(dataset.read(split, columns=()).origin)),
        )

    def least_absolute(self) -> np.ndarray:
        """Weights of the forecasts with about the least absolute error, ``(n, steps, n_targets)``.

        The first ones have the least squared error, each window's divided by the mean error in it.
        """
        size = np.abs(self.errors).mean(axis=(0, 2, 3))[:, None, None]
        found = self._least_squares(np.broadcast_to(size, self.errors.shape[1:]))
        for _ in range(_REWEIGHTINGS):
            found = self._least_squares(np.abs((found[:, None] * self.errors).sum(axis=0)))
        return found

    def _least_squares(self, divisor: np.ndarray) -> np.ndarray:
        """Weights with the least sum of squared errors, each divided by a size, ``(n, steps, targets)``.

        Those of a block of steps and a target are drawn to those of all.
        """
        factor = self.weights[:, None, None] / np.maximum(divisor, SMALL_ERROR)
        by_step = np.einsum(
            "anst,bnst->stab", self.errors * factor.astype(np.float32), self.errors, optimize=True
        ).astype(np.float64)
        steps, targets, count, _ = by_step.shape
        blocks = step_blocks(steps)
        by_block = np.stack([by_step[blocks == n].mean(axis=0) for n in range(blocks[-1] + 1)])
        strength = pooling(self.origins / steps)
        of_all = simplex_weights(by_block.mean(axis=(0, 1))[None])[0]
        of_steps = by_block.mean(axis=1)
        found = simplex_weights(
            of_steps, np.broadcast_to(of_all, of_steps.shape[:2]), strength
        )[:, None]  # fmt: skip
        if targets > 1:
            centre = np.repeat(found[:, 0], targets, axis=0)
            each = simplex_weights(by_block.reshape(-1, count, count), centre, strength)
            found = each.reshape(len(by_block), targets, count)
        return np.asarray(found[blocks].transpose(2, 0, 1))
