"""Check a loaded table, then treat missing values by declared policy.

All failures are collected in one report. No policy uses a later row: forward fill takes the last value
before the row in its contiguous block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.arranged_rows import arrangement_lines
from fastlstm.data.categories import encode, fill_missing_ahead
from fastlstm.data.checks import out_of_range, run_checks
from fastlstm.data.cleaning import CleanTable, clean_table
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.derived_targets import derive
from fastlstm.data.files import skipped_files_text
from fastlstm.data.findings import FILES_CHECK, SHORT_SERIES_CHECK, Finding, ValidationReport
from fastlstm.data.known_future import is_ahead
from fastlstm.data.leakage import comparable, leak_text, suspected_leaks
from fastlstm.data.table_facts import TableFacts

# Checks beside those of ``run_checks``: files, row order, short series, future times, suspected leakage.
_OTHER_CHECKS = 5


def validate(
    frame: pd.DataFrame, data: DataConfig, *, labels: bool, rows_out_of_order: int = 0,
    skipped_series: dict[str, int] | None = None, values: list[str] | None = None,
    skipped_files: Mapping[str, str] | None = None, arranged: Mapping[str, int] | None = None,
) -> tuple[pd.DataFrame, ValidationReport]:  # fmt: skip
    """Check a table and complete it by policy.

    Args:
        frame: as ``fastlstm.data.reading.load`` returns it, sorted by series and time. Rows at the
            end of a series that hold known future covariates alone are no rows of the result.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels, which must be 0 or 1.
        rows_out_of_order: number of rows the loader sorted; reported as a warning.
        skipped_series: series the loader left out, with their rows; reported as warnings.
        values: names of the value columns present, where rows are read to forecast from; without
            it all of ``data.value_columns``.
        skipped_files: files of the source that are not read, with the reason; reported as a warning.
        arranged: what was done to rows, see ``fastlstm.data.arranged_rows``; reported as warnings.

    Returns:
        The clean table (``__series``, ``__time``, ``__segment``, value columns, computed columns),
        sorted as before, and the report. With errors in the report the table must not be used.
    """
    known = KnownRows.of(frame, data, values)
    clean, report = validate_rows(known, known.facts, labels=labels)
    loading = LoadingFacts(
        rows_out_of_order, skipped_series or {}, skipped_files or {}, arranged or {}
    )
    report.warnings[:0] = loading.warnings(data)
    if values is None:
        report.warnings.extend(absent_series(set(known.frame[SERIES].unique()), data))
    return clean, report


@dataclass(frozen=True)
class KnownRows:
    """The rows of a table, or of one shard of it, before they are checked.

    Attributes:
        frame: the rows, values out of range missing where declared so.
        ahead: rows at the end of a series that hold known future covariates alone.
        data: types, ranges, policies, frequency.
        values: names of the value columns present.
        as_missing: number of values out of range that count as missing, by column.
        unknown: rows of categories that train rows do not teach, those of ``ahead`` included.
    """

    frame: pd.DataFrame
    ahead: pd.DataFrame
    data: DataConfig
    values: list[str]
    as_missing: dict[str, int]
    unknown: list[Finding]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, data: DataConfig, values: list[str] | None = None
    ) -> KnownRows:
        """From a loaded table; arguments as for ``validate``."""
        values = data.value_columns if values is None else values
        later = is_ahead(frame, data, values)
        frame = frame.copy(deep=False)
        unknown = encode(frame, data, values)
        ahead = frame[later]
        unknown += fill_missing_ahead(ahead, data)
        frame = frame[~later].reset_index(drop=True) if later.any() else frame
        as_missing = _out_of_range_to_missing(frame, data, values)
        return cls(frame, ahead, data, values, as_missing, unknown)

    @property
    def facts(self) -> TableFacts:
        """What the checks need to know of all rows."""
        return TableFacts.of(self.frame, self.values, self.data)


def validate_rows(
    known: KnownRows, facts: TableFacts, *, labels: bool, is_first: bool = True
) -> tuple[pd.DataFrame, ValidationReport]:
    """Check rows and complete them by policy; see ``validate``.

    Args:
        known: the rows.
        facts: of the whole table, of which the rows may be one shard.
        labels: whether plain targets are labels, which must be 0 or 1.
        is_first: whether they are the first shard, in whose rows suspected leakage is looked for.
    """
    frame, data, values = known.frame, known.data, known.values
    errors, warnings, checks = run_checks(frame, data, values, labels, facts)
    warnings = [
        *known.unknown,
        *warnings,
        *_future_times(frame, data, facts),
        *(_suspected_leakage(frame, data, values) if is_first else []),
    ]
    missing = {name: int(frame[name].isna().sum()) for name in values if frame[name].isna().any()}
    cleaned = CleanTable(frame)
    if not errors:
        cleaned = clean_table(frame, known.ahead, data, values, facts.grid)
    report = ValidationReport(
        rows_in=len(frame),
        rows_out=len(cleaned.frame),
        checks_run=checks + _OTHER_CHECKS,
        errors=errors + cleaned.errors,
        warnings=warnings,
        missing=missing,
        out_of_range_as_missing=known.as_missing,
        filled=cleaned.filled,
        dropped=cleaned.dropped,
    )
    return cleaned.frame, report


def _out_of_range_to_missing(
    frame: pd.DataFrame, data: DataConfig, values: list[str]
) -> dict[str, int]:
    """Set values out of range to missing where declared so; return how many, by column."""
    counts = {}
    for name in values:
        rules = data.rules(name)
        if rules.out_of_range == "missing":
            outside = out_of_range(frame[name], rules.minimum, rules.maximum)
            if outside.any():
                counts[name] = int(outside.sum())
                frame.loc[outside, name] = np.nan
    return counts


@dataclass(frozen=True)
class LoadingFacts:
    """What the loader changed.

    Attributes:
        rows_out_of_order: number of rows it sorted.
        skipped_series: series it left out, with their rows.
        skipped_files: files of the source that are not read, with the reason.
        arranged: what was done to rows, see ``fastlstm.data.arranged_rows.arrangement_lines``.
    """

    rows_out_of_order: int = 0
    skipped_series: Mapping[str, int] = field(default_factory=dict)
    skipped_files: Mapping[str, str] = field(default_factory=dict)
    arranged: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_manifest(cls, loaded: Mapping[str, Any]) -> LoadingFacts:
        """Those that the manifest of a loaded table holds."""
        return cls(
            loaded["rows_out_of_order"], loaded["skipped_series"], loaded["skipped_files"],
            loaded["arranged"],
        )  # fmt: skip

    def warnings(self, data: DataConfig) -> list[Finding]:
        """What the report says of it."""
        return [
            *_skipped_files(self.skipped_files),
            *(
                Finding("rows in time", data.time, number, line, [])
                for line, number in arrangement_lines(self.arranged, data)
            ),
            *_loading_warnings(data, self.rows_out_of_order, self.skipped_series),
        ]


def _skipped_files(skipped: Mapping[str, str]) -> list[Finding]:
    """Files beside those that are read."""
    if not skipped:
        return []
    return [Finding(FILES_CHECK, "data.path", 0, skipped_files_text(skipped), [])]


def _loading_warnings(
    data: DataConfig, rows_out_of_order: int, skipped_series: Mapping[str, int]
) -> list[Finding]:
    """What the loader changed."""
    found = []
    if rows_out_of_order:
        message = (
            f"{rows_out_of_order} rows came after a later row of their series; they were sorted"
        )
        found.append(Finding("row order", data.time, rows_out_of_order, message, []))
    for name, rows in skipped_series.items():
        message = f"series {name!r} with {rows} rows is shorter than a window and was left out"
        found.append(Finding(SHORT_SERIES_CHECK, data.series or "", rows, message, []))
    return found


def _future_times(frame: pd.DataFrame, data: DataConfig, facts: TableFacts) -> list[Finding]:
    """Rows later than a day from now."""
    rows = int((frame[TIME] > pd.Timestamp(datetime.now(UTC)) + pd.Timedelta("1D")).sum())
    if not rows:
        return []
    last = pd.Timestamp(facts.last or 0, unit="us")
    template = (
        f"{{}} rows lie in the future, the last at {last:%Y-%m-%d %H:%M} UTC; check "
        "data.time_zone and data.time_format, or leave out rows that have not happened"
    )
    return [Finding.counted("time", data.time, rows, template, [rows], [])]


def _suspected_leakage(frame: pd.DataFrame, data: DataConfig, values: list[str]) -> list[Finding]:
    """Features whose values are those of a target some rows later."""

    def of_column(name: str) -> np.ndarray:
        column = frame[name].to_numpy(np.float64)
        return comparable(column, data.categories[name]) if name in data.categories else column

    series, _ = pd.factorize(frame[SERIES])
    targets = {name: of_column(name) for name in data.target_columns if name in values}
    for name, derived in data.derived_targets.items():
        if derived.is_label and derived.column in values:
            label = derive(frame[derived.column].to_numpy(np.float64), series, derived)
            targets[name] = comparable(label, derived.classes) if derived.classes else label
    leaks = suspected_leaks(
        {
            name: of_column(name)
            for name in data.read_features
            if name in values and name not in data.known_future and name not in data.known_ahead
        },
        targets, series, {name: data.lookahead_of(name) for name in targets},
    )  # fmt: skip
    return [
        Finding(
            "leak suspected", leak.feature, 0,
            leak_text(leak),
            [],
        )
        for leak in leaks
    ]  # fmt: skip


def absent_series(present: set[str], data: DataConfig) -> list[Finding]:
    """Embedded series without a row among the series that are ``present``."""
    return [
        Finding(
            "embedded series", data.series or "", 0,
            f"no row is of series {label!r}, so its embedding is not trained; correct or remove it in "
            "data.embedded_series", [],
        )
        for label in data.embedded_labels if label not in present
    ]  # fmt: skip
