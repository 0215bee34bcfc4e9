"""Shifts of the classes' logits, for classes that have become more or less frequent since train.

A weighted sum of forecasters' logits keeps the classes' frequencies of train. What is added to the
logits of each class corrects them (vector scaling; Guo et al. 2017, "On Calibration of Modern Neural
Networks", section 4.2, with the slope left to the weights). Frequencies of a few validation windows may
be gone by test, so shifts are added only where those of one half of validation, in time, make the
forecasts of the other half significantly better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.evaluation.labels import negative_log_likelihood
from fastlstm.evaluation.significance import by_origin, diebold_mariano

# Shifts are drawn to 0 by so many windows of validation, for one unit of squared distance.
_STRENGTH = 10.0


@dataclass(frozen=True)
class ColumnLogits:
    """Logits of one label column on validation windows, of all steps.

    Attributes:
        logits: ``(n, n_outputs)``.
        number: of each label's class, ``(n,)``.
        weight: of each label, ``(n,)``.
        origin: origin of its window, ``(n,)``.
    """

    logits: np.ndarray
    number: np.ndarray
    weight: np.ndarray
    origin: np.ndarray

    def of(self, chosen: np.ndarray) -> ColumnLogits:
        """Those of some labels."""
        parts = (self.logits, self.number, self.weight, self.origin)
        return ColumnLogits(*(part[chosen] for part in parts))

    def losses(self, shifts: np.ndarray) -> np.ndarray:
        """Weighted log loss of each label with these shifts, ``(n,)``."""
        loss: np.ndarray = self.weight * negative_log_likelihood(self.logits + shifts, self.number)
        return loss


def class_shifts(column: ColumnLogits, horizon: int) -> np.ndarray:
    """What is added to the logits of a label column, ``(n_outputs,)``; 0 where that is not better.

    Args:
        column: its logits on validation windows.
        horizon: rows that the labels of a window depend on.
    """
    none = np.zeros(column.logits.shape[1])
    origins = np.unique(column.origin)
    late = column.origin >= origins[len(origins) // 2]
    if late.all():
        return none
    gain = np.empty(len(late))
    for half in (late, ~late):
        own = column.of(half)
        gain[half] = own.losses(none) - own.losses(_fitted(column.of(~half)))
    better = diebold_mariano(by_origin(column.origin, gain), horizon).is_better()
    return _fitted(column) if better else none


def _fitted(column: ColumnLogits) -> np.ndarray:
    """The shifts of the lowest log loss, ``(n_outputs,)``."""
    from scipy.optimize import minimize

    strength = _STRENGTH / len(column.number)

    def objective(shifts: np.ndarray) -> float:
        return float(column.losses(shifts).mean() + strength * np.square(shifts).sum())

    shifts: np.ndarray = minimize(objective, np.zeros(column.logits.shape[1]), method="L-BFGS-B").x
    return shifts
