"""Suspected leakage: features whose values are a target's future values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rows ahead that are compared, on how many rows, and on how many at first.
_AHEAD, _ROWS, _FIRST_ROWS = 48, 100_000, 2_000


# A copy agrees in at least this share of the rows where the target changes, if there are so many.
_SHARE, _CHANGES = 0.98, 20


@dataclass(frozen=True)
class Leak:
    """A feature whose value is that of a target some rows later.

    Attributes:
        feature: name of the feature.
        target: name of the target.
        ahead: how many rows later.
        share: share of the rows in which the two agree, of those in which the target changes.
    """

    feature: str
    target: str
    ahead: int
    share: float


def suspected_leaks(
    features: dict[str, np.ndarray], targets: dict[str, np.ndarray], series: np.ndarray
) -> list[Leak]:
    """Features that equal a target shifted back in time.

    Only rows count in which the target changes, as any shift agrees elsewhere.

    Args:
        features: values by name, ``(n,)`` each, rows sorted by series and time.
        targets: values by name, ``(n,)``.
        series: series of each row, ``(n,)``.
    """
    found = []
    series = series[:_ROWS]
    for target, y in targets.items():
        y = y[:_ROWS]
        for feature, x in features.items():
            x = x[:_ROWS]
            for ahead in range(1, min(_AHEAD, len(y) - 1) + 1):
                few = slice(_FIRST_ROWS + ahead)  # these rule out most pairs
                agree, changes = _agreement(x[few], y[few], series[few], ahead)
                if changes >= _CHANGES and agree < _SHARE / 2 * changes:
                    continue
                agree, changes = _agreement(x, y, series, ahead)
                if changes >= _CHANGES and agree >= _SHARE * changes:
                    found.append(Leak(feature, target, ahead, agree / changes))
                    break
    return found


def _agreement(x: np.ndarray, y: np.ndarray, series: np.ndarray, ahead: int) -> tuple[int, int]:
    """Rows in which ``x`` equals ``y`` ``ahead`` rows later, and rows in which ``y`` changes by then."""
    later, now = y[ahead:], y[:-ahead]
    counted = (series[ahead:] == series[:-ahead]) & (later != now)
    counted &= ~np.isnan(later) & ~np.isnan(x[:-ahead])
    return int((x[:-ahead] == later)[counted].sum()), int(counted.sum())
