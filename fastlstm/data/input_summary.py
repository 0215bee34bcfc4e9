"""A summary of features by bins at the deciles of their train rows, to compare later rows with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.data.tables import Columns

_BINS = 10
# Shares of the rows below the inner edges of the bins.
SHARES = np.arange(1, _BINS) / _BINS


def reference(features: Columns, train: np.ndarray) -> dict[str, Any]:
    """Bins of the features' train rows and the number of rows in each.

    Args:
        features: the features of all rows, unscaled.
        train: which rows are train rows, ``(n,)``.

    Returns:
        For each column ``edges`` (the inner deciles, each once), ``counts`` (rows in ``(-inf, e1],
        (e1, e2], …, (ek, inf)``, then missing ones), ``mean``, ``std``, ``minimum``, ``maximum``.
    """
    out = {}
    for name in features:  # one at a time, so that the train rows are not copied as a whole
        column = features[name][train]
        values = column.dropna().to_numpy(np.float64)
        quantiles = np.quantile(values, SHARES) if len(values) else []
        edges = np.unique(quantiles)
        out[str(name)] = {"edges": edges.tolist(), **_described(column, edges)}
    return out


def summarise(rows: pd.DataFrame, expected: dict[str, Any]) -> dict[str, Any]:
    """Rows counted into the bins of ``reference``; columns without bins are left out."""
    return {
        name: _described(rows[name], np.asarray(summary["edges"]))
        for name, summary in expected.items()
        if name in rows
    }


def merged_summaries(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The summary of the rows of all parts from those of each, see ``summarise``."""
    if len(parts) == 1:
        return parts[0]
    return {name: _merged([part[name] for part in parts]) for name in parts[0]}


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The summary of one column."""
    counts = np.sum([part["counts"] for part in parts], axis=0).tolist()
    known = [part for part in parts if part["mean"] is not None]
    if not known:
        return {**parts[0], "counts": counts}
    rows = np.array([sum(part["counts"][:-1]) for part in known])
    means, deviations = (np.array([part[key] for part in known]) for key in ("mean", "std"))
    mean = float(np.average(means, weights=rows))
    variance = np.average(deviations**2 + (means - mean) ** 2, weights=rows)
    return {
        "counts": counts,
        "mean": mean,
        "std": float(np.sqrt(variance)),
        "minimum": min(part["minimum"] for part in known),
        "maximum": max(part["maximum"] for part in known),
    }


def _described(column: pd.Series, edges: np.ndarray) -> dict[str, Any]:
    """Counts by bin and moments of one column."""
    values = column.dropna().to_numpy(np.float64)
    counts = [*binned(values, edges), len(column) - len(values)]
    some = len(values) > 0
    return {
        "counts": counts,
        "mean": float(values.mean()) if some else None,
        "std": float(values.std()) if some else None,
        "minimum": float(values.min()) if some else None,
        "maximum": float(values.max()) if some else None,
    }


def binned(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """Number of values in each bin; those of shards add up.

    Args:
        values: ``(n,)`` without NaN.
        edges: the inner edges of the bins, rising.
    """
    bins = np.searchsorted(edges, values, side="left")
    counts: list[int] = np.bincount(bins, minlength=len(edges) + 1).tolist()
    return counts
