"""Suspected leakage: features whose values are a target's future values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from fastlstm.config.categories import MISSING

# Rows ahead that are compared, on how many rows, and on how many at first.
_AHEAD, _ROWS, _FIRST_ROWS = 48, 100_000, 2_000

# Rows back in which a feature is looked for that seems to know the future.
_BACK = 400

# A copy agrees in at least this share of the rows, and of those where the target changes, of which there
# are at least so many.
_SHARE, _CHANGES = 0.98, 20


@dataclass(frozen=True)
class Leak:
    """A feature whose value is that of a target some rows later.

    Attributes:
        feature: name of the feature.
        target: name of the target.
        ahead: how many rows later; 0 or less where the target depends on later rows than its own.
        share: share of the rows in which the two agree.
    """

    feature: str
    target: str
    ahead: int
    share: float


def suspected_leaks(
    features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], series: np.ndarray,
    lookahead: Mapping[str, int] | None = None,
) -> list[Leak]:  # fmt: skip
    """Features that equal a target shifted back in time.

    Such a feature agrees in nearly all rows, and so it does in those where the target changes. Either
    alone says little: any shift of a target that seldom changes agrees in nearly all rows, and of two
    classes that exclude each other one is there before the other comes, in every row of a change. A
    feature that equals the known past of the target as well, as with a strict period, knows no future.

    Args:
        features: values by name, ``(n,)`` each, rows sorted by series and time.
        targets: values by name, ``(n,)``.
        series: series of each row, ``(n,)``.
        lookahead: of each target the rows after its own that its value depends on; default 0.
    """
    found = []
    series = series[:_ROWS]
    for target, y in targets.items():
        y, later = y[:_ROWS], (lookahead or {}).get(target, 0)
        for feature, x in features.items():
            x = x[:_ROWS]
            for ahead in range(1 - later, min(_AHEAD, len(y) - 1) + 1):
                few = slice(_FIRST_ROWS + ahead + later)  # these rule out most pairs
                first = _Agreement.of(x[few], y[few], series[few], ahead, later)
                if first.changes >= _CHANGES and first.in_changes < _SHARE / 2 * first.changes:
                    continue
                whole = _Agreement.of(x, y, series, ahead, later)
                if whole.is_copy:
                    if not _equals_the_past(x, y, series, later, whole):
                        found.append(Leak(feature, target, ahead, whole.share))
                    break
    return found


def leak_text(leak: Leak) -> str:
    """What is suspected of a feature, and what to do."""
    when = f"{leak.ahead} rows later"
    if leak.ahead <= 0:
        ago = f"{-leak.ahead} rows before" if leak.ahead else "of the same row"
        when = f"{ago}, which depends on later rows,"
    return (
        f"it equals {leak.target!r} {when} in {leak.share:.0%} of the rows; a feature that holds future "
        "values is not available at forecast time: remove it"
    )


def _equals_the_past(
    x: np.ndarray, y: np.ndarray, series: np.ndarray, later: int, leak: _Agreement
) -> bool:
    """Whether a feature equals the known past of a target, in half as many rows or more, as often as it
    equals its future."""
    past = (
        _Agreement.of(x, y, series, -rows, later)
        for rows in range(later, min(later + _BACK, len(y) - 1))
    )
    return any(found.rows >= leak.rows / 2 and found.share >= leak.share for found in past)


def comparable(number: np.ndarray, categories: Sequence[str]) -> np.ndarray:
    """Numbers that are the same for the same name in any column, ``(n,)``; NaN for none.

    Args:
        number: of each row's category, ``(n,)``; -1 or NaN where it has none.
        categories: their names; those of numbers are these, True and False are 1 and 0.
    """
    values = np.array([*map(_number_of, categories), np.nan])
    known = ~np.isnan(number) & (number >= 0)
    return values[np.where(known, number, len(categories)).astype(np.int64)]


def _number_of(name: str) -> float:
    if name == MISSING:
        return np.nan
    try:
        return float({"True": "1", "False": "0"}.get(name, name))
    except ValueError:
        return crc32(name.encode()) + 0.5  # hardly the value of another column


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
    def of(
        cls, x: np.ndarray, y: np.ndarray, series: np.ndarray, ahead: int, later: int = 0
    ) -> _Agreement:
        """Of feature and target, ``(n,)`` each.

        Args:
            x: the feature.
            y: the target.
            series: of each row, ``(n,)``.
            ahead: how many rows later the target is.
            later: rows after its own that the target depends on; the last one known is so old.
        """
        begin, end = max(later, -ahead), len(y) - max(ahead, 0)
        if begin >= end:
            return cls(0, 0, 0, 0)

        def part(values: np.ndarray, by: int) -> np.ndarray:
            return values[begin + by : end + by]

        before, target, now = part(x, 0), part(y, ahead), part(y, -later)
        one = part(series, min(ahead, -later)) == part(series, max(ahead, 0))
        known = one & ~np.isnan(target) & ~np.isnan(before)
        changed, same = known & (target != now), known & (before == target)
        return cls(
            int(known.sum()), int(same.sum()), int(changed.sum()), int((changed & same).sum())
        )

    @property
    def share(self) -> float:
        """Share of the rows in which the two agree; 0 without rows."""
        return self.in_rows / self.rows if self.rows else 0.0

    @property
    def is_copy(self) -> bool:
        """Whether the feature is the later target."""
        enough = self.changes >= _CHANGES
        return (
            enough
            and self.in_changes >= _SHARE * self.changes
            and self.in_rows >= _SHARE * self.rows
        )
