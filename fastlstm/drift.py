"""Whether inputs still look like those a run was trained on: the population stability index.

The rows a run was trained on are summarised once, by bins at their deciles; rows that are scored
later are counted into the same bins. Only train rows have a part in the bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fastlstm.loading import Columns

INPUTS_FILE = "inputs.json"
_BINS = 10


def reference(features: Columns, train: np.ndarray) -> dict[str, Any]:
    """What the features' train rows look like: bins and the share of rows in each.

    Args:
        features: the features of all rows, unscaled.
        train: which rows are train rows, ``(n,)``.

    Returns:
        For each column ``edges`` (the inner deciles, each once), ``counts`` (rows in ``(-inf, e1],
        (e1, e2], …, (ek, inf)``, then missing ones), ``mean``, ``std``, ``minimum``, ``maximum``.
    """
    out = {}
    for name in features:  # one at a time, so that the train rows are never copied as a whole
        column = features[name][train]
        values = column.dropna().to_numpy(np.float64)
        quantiles = np.quantile(values, np.arange(1, _BINS) / _BINS) if len(values) else []
        edges = np.unique(quantiles)
        out[str(name)] = {"edges": edges.tolist(), **_described(column, edges)}
    return out


def summarise(rows: pd.DataFrame, expected: dict[str, Any]) -> dict[str, Any]:
    """Rows counted into the bins of ``reference``; columns without bins are left out."""
    return {
        name: _described(rows[name], np.asarray(about["edges"]))
        for name, about in expected.items()
        if name in rows
    }


def _described(column: pd.Series, edges: np.ndarray) -> dict[str, Any]:
    values = column.dropna().to_numpy(np.float64)
    bins = np.searchsorted(edges, values, side="left")
    counts = [*np.bincount(bins, minlength=len(edges) + 1).tolist(), len(column) - len(values)]
    some = len(values) > 0
    return {
        "counts": counts,
        "mean": float(values.mean()) if some else None,
        "std": float(values.std()) if some else None,
        "minimum": float(values.min()) if some else None,
        "maximum": float(values.max()) if some else None,
    }


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
