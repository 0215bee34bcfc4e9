"""Chronological cuts, the same for every series, and which split a window belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.errors import DataError

SPLITS = ("train", "validation", "test")


# Names of the train and validation windows together, and of all windows; see ``parts_of``.
LEARNED, EVERY = "train and validation", "train, validation and test"


@dataclass(frozen=True)
class Cuts:
    """The first time of validation and of test, in microseconds since 1970 (UTC)."""

    validation: int
    test: int


def parts_of(split: str) -> tuple[str, ...]:
    """The splits of a name: one of ``SPLITS``, both of ``LEARNED``, or all of ``EVERY``.

    Raises:
        ValueError: no split is named so.
    """
    if split == LEARNED:
        return SPLITS[:2]
    if split == EVERY:
        return SPLITS
    if split not in SPLITS:
        raise ValueError(
            f"no split is named {split!r}; choose one of {', '.join(SPLITS)}, {LEARNED}"
        )
    return (split,)


def cut_times(times: np.ndarray, train_size_rate: float, validation_size_rate: float) -> Cuts:
    """Cut times that split the distinct times of all series by the given shares.

    Args:
        times: time of each row in microseconds since 1970 (UTC), shape ``(n,)``, any order.
        train_size_rate: share of the distinct times before the first cut.
        validation_size_rate: share between the cuts; the rest is test.

    Raises:
        DataError: too few distinct times for three splits.
    """
    distinct = distinct_times(times)
    # Without the small term, 0.7 x 10 would round down to 6.
    train = int(len(distinct) * train_size_rate + 1e-9)
    validation = int(len(distinct) * (train_size_rate + validation_size_rate) + 1e-9)
    if not 0 < train < validation < len(distinct):
        raise DataError(
            f"{len(distinct)} distinct times cannot be split into train, validation and test by "
            f"train_size_rate {train_size_rate} and validation_size_rate {validation_size_rate}; "
            "give more rows, or change the rates"
        )
    return Cuts(int(distinct[train]), int(distinct[validation]))


def distinct_times(times: np.ndarray) -> np.ndarray:
    """Each time once, rising."""
    ordered = np.sort(times)  # np.unique takes several times the memory
    distinct: np.ndarray = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return distinct


def split_of_windows(first: np.ndarray, last: np.ndarray, cuts: Cuts) -> dict[str, np.ndarray]:
    """Positions of the windows of each split.

    A window belongs to the split that holds all its target rows, and to none if a cut lies between
    them. Its inputs may lie before a cut.

    Args:
        first: time of each window's first target row, shape ``(n_windows,)``.
        last: time of the last row any of its targets depends on, shape ``(n_windows,)``.
        cuts: the cut times.
    """
    return {
        "train": np.flatnonzero(last < cuts.validation),
        "validation": np.flatnonzero((first >= cuts.validation) & (last < cuts.test)),
        "test": np.flatnonzero(first >= cuts.test),
    }
