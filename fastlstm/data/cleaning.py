"""Apply the policies of missing values and add the computed columns. No value uses a later row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.calendar import calendar_of
from fastlstm.data.categories import UNKNOWN, add_indicators, add_label_outputs
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.derived_targets import derive
from fastlstm.data.findings import CASES, ROWS_LEFT, Finding, literal
from fastlstm.data.known_future import ahead_values
from fastlstm.data.tables import columns_apart
from fastlstm.data.time_grid import Grid, contiguous_blocks, grid_positions


@dataclass
class CleanTable:
    """A table after the policies of missing values.

    Attributes:
        frame: the rows, with the number of their contiguous block and the computed columns.
        filled: values filled forward, by column.
        dropped: missing values whose row was dropped, by column.
        errors: what the policies could not treat.
    """

    frame: pd.DataFrame
    filled: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    errors: list[Finding] = field(default_factory=list)


@columns_apart()
def clean_table(
    frame: pd.DataFrame, ahead: pd.DataFrame, data: DataConfig, values: list[str],
    grid: Grid | None = None,
) -> CleanTable:  # fmt: skip
    """Fill and drop by policy, number the contiguous blocks, and add the computed columns.

    Args:
        frame: the rows, sorted by series and time. Its value columns are replaced where filled.
        ahead: rows after the end of a series that hold known future covariates alone.
        data: policies, frequency and computed columns.
        values: names of the value columns present.
        grid: where the grid of the frequency lies, if the rows are one shard of a table.
    """
    series, _ = pd.factorize(frame[SERIES])
    if data.frequency:
        offset = row_offset(data.frequency, data.closed_days)
        positions = grid_positions(frame[TIME], offset, data.time_zone, grid)
    else:
        positions = np.arange(len(frame))
    cleaned = CleanTable(frame)
    keep = np.ones(len(frame), bool)
    block = contiguous_blocks(series, positions)
    for name in values:
        if frame[name].isna().any():
            keep &= ~_treat_missing(cleaned, name, block, data)
    if not keep.all():
        cleaned.frame = frame[keep].reset_index(drop=True)
    if cleaned.frame.empty and not cleaned.errors:
        cleaned.errors.append(_nothing_left(cleaned.dropped, len(frame)))
    block = contiguous_blocks(series[keep], positions[keep])
    cleaned.frame.insert(2, SEGMENT, block)
    _add_computed_columns(cleaned.frame, block, ahead, data)
    return cleaned


def _treat_missing(
    cleaned: CleanTable, name: str, block: np.ndarray, data: DataConfig
) -> np.ndarray:
    """Fill a column by its policy; return the rows that still miss a value, ``(n,)``."""
    frame, rules = cleaned.frame, data.rules(name)
    missing = frame[name].isna()
    if rules.missing in ("category", "class"):
        frame[name] = frame[name].fillna(UNKNOWN)
        return np.zeros(len(frame), bool)
    if rules.missing == "forward_fill":
        frame[name] = frame[name].groupby(block).ffill(limit=rules.forward_fill_limit)
        still_missing = frame[name].isna()
        filled = int(missing.sum() - still_missing.sum())
        if filled:
            cleaned.filled[name] = filled
        if still_missing.any() and rules.beyond_limit == "error":
            cleaned.errors.append(_beyond_limit(frame, name, still_missing, data))
        missing = still_missing
    if missing.any():
        cleaned.dropped[name] = int(missing.sum())
    return missing.to_numpy()


def _beyond_limit(frame: pd.DataFrame, name: str, missing: pd.Series, data: DataConfig) -> Finding:
    """Values that 'forward_fill' leaves missing."""
    rows = np.flatnonzero(missing)
    cases = [
        {"series": frame[SERIES].iloc[r], "time": frame[TIME].iloc[r].isoformat(), "value": None}
        for r in rows[:CASES]
    ]
    template = "{} rows: " + literal(
        f"still missing after filling {data.rules(name).forward_fill_limit} rows; "
        f"raise data.columns.{name}.forward_fill_limit or set beyond_limit to 'drop'"
    )
    check = "missing beyond forward fill"
    return Finding.counted(check, name, len(rows), template, [len(rows)], cases)


def _nothing_left(dropped: dict[str, int], rows: int) -> Finding:
    """A table of which every row is dropped."""
    worst = max(dropped, key=lambda name: dropped[name])
    template = "every row was dropped, {} for this column; set " + literal(
        f"data.columns.{worst}.missing to 'forward_fill' or remove the column"
    )
    return Finding.counted(ROWS_LEFT, worst, rows, template, [dropped[worst]], [])


def _add_computed_columns(
    clean: pd.DataFrame, block: np.ndarray, ahead: pd.DataFrame, data: DataConfig
) -> None:
    """Add what is known ahead, indicators of series and derived targets."""
    add_computed_features(clean, block, ahead, data)
    for name, target in data.derived_targets.items():
        if target.column in clean:
            clean[name] = derive(clean[target.column].to_numpy(), block, target)
    add_label_outputs(clean, data)


@columns_apart()
def add_computed_features(
    clean: pd.DataFrame, block: np.ndarray, ahead: pd.DataFrame, data: DataConfig
) -> None:
    """Add the features of the calendar, of known future covariates and of series that a table lacks, and
    the indicators of categories.

    Args:
        clean: rows sorted by series and time.
        block: number of each row's contiguous block, ``(n,)``.
        ahead: rows after the end of a series that hold known future covariates alone.
        data: the settings.
    """
    for name, column in calendar_of(clean[TIME], data).items():
        if name not in clean:
            clean[name] = column
    add_indicators(clean, data)
    add_indicators(ahead, data)
    for name, (source, rows) in data.ahead_sources.items():
        if name not in clean and source in clean:
            clean[name] = ahead_values(clean, block, ahead, source, rows, data)
    for label, name in zip(data.embedded_labels, data.series_columns, strict=True):
        if name not in clean:
            clean[name] = (clean[SERIES] == label).astype(float)
