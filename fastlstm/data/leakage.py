"""Suspected leakage: features whose values are a target's future values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rows ahead that are compared, on how many rows, and on how many at first.
_AHEAD, _ROWS, _FIRST_ROWS = 48, 100_000, 2_000


# A copy agrees in at least this share of the rows, and of those where the target changes, of which there
# are at least so many.
_SHARE, _CHANGES = 0.98, 20


@dataclass(frozen=True)
class Leak:
    """A feature whose value is that of a target some rows later.

    Attributes:
        feature: name of the feature.
        target: name of the target.
        ahead: how many rows later.
        share: share of the rows in which the two agree.
    """

    feature: str
    target: str
    ahead: int
    share: float


def suspected_leaks(
    features: dict[str, np.ndarray], targets: dict[str, np.ndarray], series: np.ndarray
) -> list[Leak]:
    """Features that equal a target shifted back in time.

    Such a feature agrees in nearly all rows, and so it does in those where the target changes. Either
    alone says little: any shift of a target that seldom changes agrees in nearly all rows, and of two
    classes that exclude each other one is there before the other comes, in every row of a change.

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
                first = _Agreement.of(x[few], y[few], series[few], ahead)
                if first.changes >= _CHANGES and first.in_changes < _SHARE / 2 * first.changes:
                    continue
                whole = _Agreement.of(x, y, series, ahead)
                if whole.is_copy:
                    found.append(Leak(feature, target, ahead, whole.in_rows / whole.rows))
                    break
    return found


@dataclass(frozen=True)
class _Agreement:
    """How often a feature equals a target some rows later.

    Attributes:
        rows: rows of a series whose later target is known.
        in_rows: those of them in which the two agree.
        changes: those in which the target changes by then.
        in_changes: those of the changes in which the two agree.
    """

    rows: int
    in_rows: int
    changes: int
    in_changes: int

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, series: np.ndarray, ahead: int) -> _Agreement:
        """Of feature and target, ``(n,)`` each, ``ahead`` rows apart."""
        later, now, before = y[ahead:], y[:-ahead], x[:-ahead]
        known = (series[ahead:] == series[:-ahead]) & ~np.isnan(later) & ~np.isnan(before)
        changed, same = known & (later != now), known & (before == later)
        return cls(
            int(known.sum()), int(same.sum()), int(changed.sum()), int((changed & same).sum())
        )

    @property
    def is_copy(self) -> bool:
        """Whether the feature is the later target."""
        enough = self.changes >= _CHANGES
        return (
            enough
            and self.in_changes >= _SHARE * self.changes
            and self.in_rows >= _SHARE * self.rows
        )
