"""Reports of forecasts output by output, as text and as data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report


def classification_text(truth: pd.DataFrame, decided: pd.DataFrame) -> tuple[str, dict[str, Any]]:
    """scikit-learn's report of every output.

    Args:
        truth: labels 0 and 1, one column per output.
        decided: decisions 0 and 1, the same columns.

    Returns:
        The text, and scikit-learn's dict for one output, or that dict by output name.
    """
    texts, reports = [], {}
    for name in truth:
        given = {"y_true": truth[name], "y_pred": decided[name], "zero_division": 0}
        text = classification_report(**given)
        texts.append(text if truth.shape[1] == 1 else f"{name}\n{text}")
        reports[str(name)] = classification_report(**given, output_dict=True)
    only = next(iter(reports.values()))
    return "\n".join(texts), only if len(reports) == 1 else reports


def regression_table(
    truth: pd.DataFrame, forecast: pd.DataFrame
) -> tuple[str, dict[str, dict[str, float]]]:
    """Errors of every output in the targets' own units.

    Args:
        truth: one column per output (target and step).
        forecast: the same columns.

    Returns:
        The text, and ``mae``, ``rmse`` and ``r2`` by output name.
    """
    rows = {}
    for name in truth:
        error = (forecast[name] - truth[name]).to_numpy()
        spread = ((truth[name] - truth[name].mean()) ** 2).sum()
        rows[str(name)] = {
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt((error**2).mean())),
            "r2": float(1 - (error**2).sum() / spread) if spread > 0 else float("nan"),
        }
    text = pd.DataFrame(rows).T.to_string(float_format=lambda v: f"{v:.4g}")
    return text, rows
