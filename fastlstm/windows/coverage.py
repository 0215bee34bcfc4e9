"""The series of a panel that have no window in a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlstm.windows.origins import Runs

# Most labels that a manifest keeps; the number is that of all.
_NAMES = 10_000


def series_without(series: np.ndarray, planned: Mapping[str, Runs]) -> dict[str, list[str]]:
    """By split, the labels of the series that have no window in it.

    Args:
        series: label of each row's series, rows sorted by series and time, ``(n,)``.
        planned: first target rows of each split's windows.
    """
    starts = np.flatnonzero(np.r_[len(series) > 0, series[1:] != series[:-1]])
    ends = np.r_[starts[1:], len(series)]
    return {
        split: series[starts[~origins.any_between(starts, ends)]].astype(str).tolist()
        for split, origins in planned.items()
    }


def facts_of_absence(without: Mapping[str, list[str]], series: int) -> dict[str, Any]:
    """The same as manifests keep it: nothing for a single series.

    Args:
        without: see ``series_without``; those of shards together.
        series: number of series.

    Returns:
        For each split in which a series has none, ``count`` and the first ``names``; ``of`` is the
        number of series.
    """
    if series < 2:
        return {}
    return {
        split: {"count": len(labels), "names": sorted(labels)[:_NAMES], "of": series}
        for split, labels in without.items()
        if labels
    }
