"""Drift of inputs from those a run was trained on: the population stability index."""

from __future__ import annotations

import numpy as np


def population_stability_index(expected: list[int], actual: list[int]) -> float:
    """Distance of one distribution over bins from another; 0 where they are equal.

    ``sum((a - e) * ln(a / e))`` over the bins' shares (Siddiqi, Credit Risk Scorecards, 2006). Half
    a row is added to every bin, so that an empty bin does not give infinity.

    Args:
        expected: train rows in each bin.
        actual: live rows in each bin.

    Raises:
        ValueError: the numbers of bins differ.
    """
    if len(expected) != len(actual):
        raise ValueError(f"{len(expected)} bins against {len(actual)}")
    # Bins that are empty in both do not count.
    pairs = np.array([(e, a) for e, a in zip(expected, actual, strict=True) if e or a], float)
    if not len(pairs):
        return 0.0
    shares = (pairs + 0.5) / (pairs + 0.5).sum(axis=0)
    return float(((shares[:, 1] - shares[:, 0]) * np.log(shares[:, 1] / shares[:, 0])).sum())
