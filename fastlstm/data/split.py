"""Chronological cuts, at one time or by series, and which split a window belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import DataError

SPLITS = ("train", "validation", "test")


# Names of the train and validation windows together, and of all windows; see ``parts_of``.
LEARNED, EVERY = "train and validation", "train, validation and test"


@dataclass(frozen=True)
class Cuts:
    """The first time of validation and of test, in microseconds since 1970 (UTC)."""

    validation: int
    test: int

    def of_rows(self, rows: np.ndarray) -> Cuts:
        """Those of some rows of a table, which are the same for all."""
        return self

    def facts(self) -> dict[str, int]:
        """As manifests keep them."""
        return {"validation": int(self.validation), "test": int(self.test)}


@dataclass(frozen=True)
class SeriesCuts:
    """The same of each series, for each row of a table, ``(n,)``."""

    validation: np.ndarray
    test: np.ndarray

    def of_rows(self, rows: np.ndarray) -> SeriesCuts:
        """Those of some rows of the table."""
        return SeriesCuts(self.validation[rows], self.test[rows])

    def facts(self) -> dict[str, int]:
        """The latest times, as manifests keep them: no series is cut later."""
        return {"validation": int(self.validation.max()), "test": int(self.test.max())}


# Where the splits of a table begin.
SplitCuts = Cuts | SeriesCuts


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


def cuts_of(times: np.ndarray, series: np.ndarray | None, hp: Hyperparameters) -> SplitCuts:
    """The cuts of a table, by ``split`` and the shares of the splits.

    Args:
        times: time of each row in microseconds since 1970 (UTC), ``(n,)``.
        series: label or number of each row's series, rows sorted by series and time, ``(n,)``; needed
            where series are cut each by itself.
        hp: ``split``, ``train_size_rate`` and ``validation_size_rate``.

    Raises:
        DataError: too few distinct times for three splits.
    """
    rates = hp.train_size_rate, hp.validation_size_rate
    if hp.split == "by_series" and series is not None:
        return series_cuts(times, series, *rates)
    return cut_times(times, *rates)


def cuts_from(facts: Mapping[str, Any], times: np.ndarray, series: np.ndarray) -> SplitCuts:
    """The cuts of a table, or of whole series of it, by the manifest of the step that scaled it.

    Args:
        facts: ``cuts`` and, where series are cut each by itself, ``series_shares``; see
            ``facts_of_cuts``.
        times: see ``cuts_of``.
        series: see ``cuts_of``.
    """
    if shares := facts.get("series_shares"):
        return series_cuts(times, series, *shares)
    return Cuts(**facts["cuts"])


def facts_of_cuts(cuts: SplitCuts, hp: Hyperparameters) -> dict[str, Any]:
    """What a manifest keeps of cuts, from which ``cuts_from`` gives them again."""
    shares = None
    if isinstance(cuts, SeriesCuts):
        shares = [hp.train_size_rate, hp.validation_size_rate]
    return {"cuts": cuts.facts(), "series_shares": shares}


def series_cuts(
    times: np.ndarray, series: np.ndarray, train_size_rate: float, validation_size_rate: float
) -> SeriesCuts:
    """Cuts after the given shares of each series' own rows, for each row, ``(n,)``.

    A series too short for a split has no rows in it.

    Args:
        times: see ``cuts_of``.
        series: see ``cuts_of``.
        train_size_rate: share of the rows before the first cut.
        validation_size_rate: share between the cuts; the rest is test.
    """
    starts = np.flatnonzero(np.r_[len(series) > 0, series[1:] != series[:-1]])
    lengths = np.diff(np.r_[starts, len(series)])
    cuts = []
    for rate in (train_size_rate, train_size_rate + validation_size_rate):
        # Without the small term, 0.7 x 10 would round down to 6.
        before = (lengths * rate + 1e-9).astype(np.int64)
        first = times[starts + np.minimum(before, lengths - 1)] + (before >= lengths)
        cuts.append(np.repeat(first, lengths))
    return SeriesCuts(*cuts)


def part_of_rows(times: np.ndarray, cuts: SplitCuts) -> np.ndarray:
    """Number in ``SPLITS`` of the split that each row's time lies in, ``(n,)``.

    Args:
        times: microseconds since 1970 (UTC), ``(n,)``.
        cuts: the cut times, one or for each row.
    """
    part: np.ndarray = (times >= cuts.validation).astype(np.int64) + (times >= cuts.test)
    return part


def split_of_windows(first: np.ndarray, last: np.ndarray, cuts: SplitCuts) -> dict[str, np.ndarray]:
    """Positions of the windows of each split.

    A window belongs to the split that holds all its target rows, and to none if a cut lies between
    them. Its inputs may lie before a cut.

    Args:
        first: time of each window's first target row, shape ``(n_windows,)``.
        last: time of the last row any of its targets depends on, shape ``(n_windows,)``.
        cuts: the cut times, one or for each window.
    """
    return {
        "train": np.flatnonzero(last < cuts.validation),
        "validation": np.flatnonzero((first >= cuts.validation) & (last < cuts.test)),
        "test": np.flatnonzero(first >= cuts.test),
    }
