"""Check a loaded table, then treat missing values by declared policy. Nothing looks ahead.

All failures are collected at once in one report. Forward fill takes the last value before the row
within its unbroken stretch; a policy that would use later rows is not offered.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.checks import out_of_range, run_checks
from fastlstm.data.cleaning import complete
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.findings import Finding, ValidationReport
from fastlstm.data.known_future import is_ahead
from fastlstm.data.leakage import suspected_leaks


def validate(
    frame: pd.DataFrame, data: DataConfig, *, labels: bool, rows_out_of_order: int = 0,
    skipped_series: dict[str, int] | None = None, values: list[str] | None = None,
) -> tuple[pd.DataFrame, ValidationReport]:  # fmt: skip
    """Check a table and make it complete by policy.

    Args:
        frame: as ``fastlstm.data.reading.load`` gives it, sorted by series and time. Rows at the end of a
            series that hold values of ``known_ahead`` alone are no rows of the result.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels, which must be 0 or 1.
        rows_out_of_order: as the loader counted them; told as a warning.
        skipped_series: as the loader left them out; told as a warning.
        values: the value columns present; without it all of ``data.value_columns``.

    Returns:
        The clean table (``__series``, ``__time``, ``__segment``, value columns, calendar features,
        derived targets), sorted as before, and the report. With errors in the report the table must not
        be used.
    """
    # A table to forecast from holds some of the series, and of the columns.
    to_learn = values is None
    values = data.value_columns if values is None else values
    later = is_ahead(frame, data, values)
    ahead = frame[later]
    frame = frame[~later].reset_index(drop=True) if later.any() else frame.copy(deep=False)
    as_missing = {}
    for name in values:
        rules = data.rules(name)
        if rules.out_of_range == "missing":
            beyond = out_of_range(frame[name], rules.minimum, rules.maximum)
            if beyond.any():
                as_missing[name] = int(beyond.sum())
                frame.loc[beyond, name] = np.nan
    errors, warnings, checks = run_checks(frame, data, values, labels)
    if rows_out_of_order:
        warnings.insert(0, Finding(
            "row order", data.time, rows_out_of_order,
            f"{rows_out_of_order} rows stood before an earlier one of their series; they were "
            "sorted", [],
        ))  # fmt: skip
    for name, rows in (skipped_series or {}).items():
        warnings.append(Finding(
            "short series", data.series or "", rows,
            f"series {name!r} with {rows} rows is shorter than a window and was left out", [],
        ))  # fmt: skip
    warnings += _doubts(frame, data, values)
    if to_learn:
        warnings += _absent_series(frame, data)
    missing = {n: int(frame[n].isna().sum()) for n in values if frame[n].isna().any()}
    filled: dict[str, int] = {}
    dropped: dict[str, int] = {}
    clean = frame
    if not errors:
        clean, filled, dropped, beyond_limit = complete(frame, ahead, data, values)
        errors += beyond_limit
    report = ValidationReport(
        len(frame), len(clean), checks + 4, errors, warnings, missing, as_missing, filled, dropped
    )
    return clean, report


def _doubts(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> list[Finding]:
    """What may be right, but more often is a mistake."""
    doubts = []
    now = pd.Timestamp(datetime.now(UTC))
    ahead = int((frame[TIME] > now + pd.Timedelta("1D")).sum())
    if ahead:
        doubts.append(Finding(
            "time", data.time, ahead,
            f"{ahead} rows lie in the future, the last at {frame[TIME].max():%Y-%m-%d %H:%M} UTC; "
            "check data.time_zone and data.time_format, or leave rows out that have not happened",
            [],
        ))  # fmt: skip
    plain = [n for n in data.targets if n in values]
    leaks = suspected_leaks(
        {n: frame[n].to_numpy() for n in data.read_features if n in values},
        {n: frame[n].to_numpy() for n in plain},
        pd.factorize(frame[SERIES])[0],
    )
    for leak in leaks:
        doubts.append(Finding(
            "leak suspected", leak.feature, 0,
            f"it equals {leak.target!r} {leak.ahead} rows later in {leak.share:.0%} of the rows; a "
            "feature that knows the future is not there when you forecast: remove it",
            [],
        ))  # fmt: skip
    return doubts


def _absent_series(frame: pd.DataFrame, data: DataConfig) -> list[Finding]:
    there = set(frame[SERIES].unique()) if data.embedded_series else set()
    return [
        Finding(
            "embedded series", data.series or "", 0,
            f"no row is of series {label!r}, so nothing is learned of it; correct or remove it in "
            "data.embedded_series", [],
        )
        for label in data.embedded_series if label not in there
    ]  # fmt: skip
