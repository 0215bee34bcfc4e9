"""Forecasts of the windows of a split, in the targets' units and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fastlstm.data.scaling import Scalers
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.inference import predict_each, windows_at_once
from fastlstm.windows.source import WindowSource


def forecast_split(
    model: Any, dataset: WindowSource, split: str, scalers: Scalers
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, origin and forecast ``(n, steps, n_targets, n_quantiles)`` in the targets' units."""
    steps, targets = dataset.manifest["steps_ahead"], len(dataset.manifest["targets"])
    batches = dataset.batches(split, windows_at_once(dataset.manifest))
    outputs = [predict_each(model, x, steps * targets) for x, _ in batches]
    flat = np.concatenate(outputs)
    named = dataset.read(split, columns=())
    forecast = scalers.unscale_each(flat.reshape(len(flat), steps, targets, -1))
    return named.series, named.origin, forecast


def describe_windows(dataset: WindowSource, origin: np.ndarray) -> dict[str, Any]:
    def told(moment: np.datetime64) -> str:
        if dataset.manifest.get("time_unit") == "row":
            return f"row {moment.astype('datetime64[us]').astype(np.int64)}"
        return f"{moment}Z"

    return {
        "windows": len(origin),
        "first_origin": told(origin.min()),
        "last_origin": told(origin.max()),
        "cuts": dataset.manifest["cuts"],
        "split_windows": dataset.manifest["windows"],
    }


def long_format(
    table: TargetTable,
    rows: np.ndarray,
    targets: list[str],
    steps: int,
    columns: dict[str, np.ndarray],
) -> pd.DataFrame:
    """One line per window, step and target."""
    n, each = len(rows), steps * len(targets)
    step = np.tile(np.repeat(np.arange(steps), len(targets)), n)
    stamp = pd.to_datetime(np.repeat(table.times[rows], each), unit="us", utc=True)
    time = pd.to_datetime(table.times[np.repeat(rows, each) + step], unit="us", utc=True)
    return pd.DataFrame(
        {
            "series": np.repeat(table.series(rows), each),
            "origin": stamp.as_unit("us"),
            "step": (step + 1).astype(np.int32),
            "time": time.as_unit("us"),
            "target": np.tile(np.asarray(targets, dtype=object), n * steps),
            **{name: values.reshape(-1) for name, values in columns.items()},
        }
    )
