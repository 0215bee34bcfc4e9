"""The rows of every series, found in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def rows_by_series(series: Any) -> dict[str, np.ndarray]:
    """Row numbers of each series in rising order; series in order of their first row.

    Args:
        series: label of each row, ``(n,)``, in any order.
    """
    codes, labels = pd.factorize(series)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(labels))).tolist()
    starts = [0, *ends]
    return {
        str(label): order[start:end]
        for label, start, end in zip(labels, starts, ends, strict=False)
    }
