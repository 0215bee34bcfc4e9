"""Treat missing values by declared policy and add the columns made from others. Nothing looks ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.calendar import calendar_features
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.derived_targets import derive
from fastlstm.data.findings import CASES, Finding
from fastlstm.data.known_future import ahead_values
from fastlstm.data.time_grid import grid_positions, segments


def complete(
    frame: pd.DataFrame, ahead: pd.DataFrame, data: DataConfig, values: list[str]
) -> tuple[pd.DataFrame, dict[str, int], dict[str, int], list[Finding]]:
    """Fill and drop by policy, number the segments, add the features and targets made from others."""
    series, labels = pd.factorize(frame[SERIES])
    if data.frequency:
        positions = grid_positions(frame[TIME], data.frequency, data.time_zone)
    else:
        positions = np.arange(len(frame))
    stretch = segments(series, positions)
    filled, dropped, errors = {}, {}, []
    keep = np.ones(len(frame), bool)
    for name in values:
        rules = data.rules(name)
        before = frame[name].isna()
        if not before.any():
            continue
        if rules.missing == "forward_fill":
            frame[name] = frame[name].groupby(stretch).ffill(limit=rules.forward_fill_limit)
            left = frame[name].isna()
            if before.sum() > left.sum():
                filled[name] = int(before.sum() - left.sum())
            if left.any() and rules.beyond_limit == "error":
                rows = np.flatnonzero(left)
                errors.append(Finding(
                    "missing beyond forward fill", name, len(rows),
                    f"{len(rows)} rows: still missing after filling {rules.forward_fill_limit} "
                    f"rows; raise data.columns.{name}.forward_fill_limit or set beyond_limit to "
                    "'drop'",
                    [
                        {"series": labels[series[r]], "time": frame[TIME].iloc[r].isoformat(),
                         "value": None}
                        for r in rows[:CASES]
                    ],
                ))  # fmt: skip
            before = left
        if before.any():
            dropped[name] = int(before.sum())
            keep &= ~before.to_numpy()
    clean = frame if keep.all() else frame[keep].reset_index(drop=True)
    if clean.empty and not errors:
        worst = max(dropped, key=lambda n: dropped[n])
        errors.append(Finding(
            "rows left", worst, len(frame),
            f"every row was dropped, {dropped[worst]} for this column; set its missing policy to "
            "'forward_fill' or remove the column", [],
        ))  # fmt: skip
    stretch = segments(series[keep], positions[keep])
    clean.insert(2, SEGMENT, stretch)
    for name, column in calendar_features(clean[TIME], data.calendar, data.time_zone).items():
        clean[name] = column
    for name, (source, later) in zip(data.ahead_columns, data.known_ahead.items(), strict=True):
        if source in clean:
            clean[name] = ahead_values(clean, stretch, ahead, source, later, data)
    for label, name in zip(data.embedded_series, data.series_columns, strict=True):
        clean[name] = (clean[SERIES] == label).astype(float)
    for name, target in data.derived_targets.items():
        if target.column in clean:
            clean[name] = derive(clean[target.column].to_numpy(), stretch, target)
    return clean, filled, dropped, errors
