"""Whether inputs still look like those a run was trained on: the population stability index."""

from __future__ import annotations

import numpy as np


def population_stability_index(expected: list[int], actual: list[int]) -> float:
    """How far one distribution over bins has moved from another; 0 where they are alike.

    ``sum((a - e) * ln(a / e))`` over the bins' shares (Siddiqi, Credit Risk Scorecards, 2006). Half
    a row is added to every bin, so that an empty one gives no infinity.

    Args:
        expected: rows in each bin then.
        actual: rows in each bin now.

    Raises:
        ValueError: other numbers of bins.
    """
    if len(expected) != len(actual):
        raise ValueError(f"{len(expected)} bins against {len(actual)}")
    # A bin that neither has rows in says nothing.
    pairs = np.array([(e, a) for e, a in zip(expected, actual, strict=True) if e or a], float)
    if not len(pairs):
        return 0.0
    shares = (pairs + 0.5) / (pairs + 0.5).sum(axis=0)
    return float(((shares[:, 1] - shares[:, 0]) * np.log(shares[:, 1] / shares[:, 0])).sum())
