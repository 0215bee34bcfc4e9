"""Check a loaded table, then treat missing values by declared policy. Nothing looks ahead.

All failures are collected at once in one report. Forward fill takes the last value before the row
within its unbroken stretch; a policy that would use later rows is not offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from fastlstm.artifacts import write_json
from fastlstm.calendar import calendar_features
from fastlstm.config import DataConfig
from fastlstm.derived import derive
from fastlstm.disk import writing_to
from fastlstm.errors import DataError
from fastlstm.known_ahead import ahead_values, is_ahead
from fastlstm.leaks import suspected_leaks
from fastlstm.loading import SERIES, TIME, is_sorted, write_table
from fastlstm.timegrid import grid_positions, segments

SEGMENT = "__segment"
CLEAN_FILE = "clean.parquet"
REPORT_FILE = "validation.json"
_CASES = 10
# Squares of values beyond this overflow, and so do means, deviations and losses.
_LARGEST = 1e150


@dataclass(frozen=True)
class Finding:
    """One check that rows failed.

    Attributes:
        check: name of the check.
        column: the column, or columns joined by a comma.
        rows: how many rows failed.
        message: what was found and what to do.
        cases: the first ten: series, time and value.
    """

    check: str
    column: str
    rows: int
    message: str
    cases: list[dict[str, Any]]

    def line(self) -> str:
        """The finding in one line."""
        return f"{self.check} · {self.column}: {self.message}"


@dataclass(frozen=True)
class ValidationReport:
    """What the checks found and what the missing-value policies changed."""

    rows_in: int
    rows_out: int
    checks_run: int
    errors: list[Finding]
    warnings: list[Finding]
    missing: dict[str, int]
    out_of_range_as_missing: dict[str, int]
    filled: dict[str, int]
    dropped: dict[str, int]

    @property
    def passed(self) -> bool:
        """Whether the rows may be used."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-like values."""
        return {
            "outcome": "passed" if self.passed else "refused",
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "checks_run": self.checks_run,
            "errors": [vars(f) for f in self.errors],
            "warnings": [vars(f) for f in self.warnings],
            "missing": self.missing,
            "out_of_range_as_missing": self.out_of_range_as_missing,
            "filled": self.filled,
            "dropped": self.dropped,
        }

    def raise_if_refused(self, kept_at: Path | str) -> None:
        """Raise the one error that tells how many checks failed, the first, and where the rest is.

        Raises:
            DataError: a check failed.
        """
        if self.errors:
            raise DataError(
                f"data refused: {len(self.errors)} of {self.checks_run} checks failed, first: "
                f"{self.errors[0].line()}; all in {kept_at}"
            )


def validate(
    frame: pd.DataFrame, data: DataConfig, *, labels: bool, rows_out_of_order: int = 0,
    skipped_series: dict[str, int] | None = None, values: list[str] | None = None,
) -> tuple[pd.DataFrame, ValidationReport]:  # fmt: skip
    """Check a table and make it complete by policy.

    Args:
        frame: as ``fastlstm.loading.load`` gives it, sorted by series and time. Rows at the end of a
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
            beyond = _beyond(frame[name], rules.minimum, rules.maximum)
            if beyond.any():
                as_missing[name] = int(beyond.sum())
                frame.loc[beyond, name] = np.nan
    errors, warnings, checks = _run_checks(frame, data, values, labels)
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
        clean, filled, dropped, beyond_limit = _complete(frame, ahead, data, values)
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


def validate_into(
    folder: Path, frame: pd.DataFrame, data: DataConfig, *, labels: bool, rows_out_of_order: int,
    skipped_series: dict[str, int], refused_report: Path,
) -> dict[str, Any]:  # fmt: skip
    """Validate and write ``clean.parquet`` and ``validation.json`` into a folder.

    Raises:
        DataError: a check failed; then only the report is kept, at ``refused_report``.
    """
    clean, report = validate(
        frame, data, labels=labels, rows_out_of_order=rows_out_of_order,
        skipped_series=skipped_series,
    )  # fmt: skip
    if not report.passed:
        with writing_to(refused_report):
            refused_report.parent.mkdir(parents=True, exist_ok=True)
            write_json(refused_report, report.to_dict())
        report.raise_if_refused(refused_report)
    write_json(folder / REPORT_FILE, report.to_dict())
    write_table(clean, folder / CLEAN_FILE)
    return {
        "rows": report.rows_out,
        "series": int(clean[SERIES].nunique()),
        "warnings": [f.line() for f in report.warnings],
        "filled": report.filled,
        "dropped": report.dropped,
        "out_of_range_as_missing": report.out_of_range_as_missing,
        "checks_run": report.checks_run,
    }


def _beyond(column: pd.Series, minimum: float | None, maximum: float | None) -> pd.Series:
    low = column < minimum if minimum is not None else False
    high = column > maximum if maximum is not None else False
    return pd.Series(low | high, index=column.index, dtype=bool)


def _repeated(frame: pd.DataFrame, same_series: pd.Series) -> pd.Series:
    """Rows whose series and time another row has too."""
    if not is_sorted(frame):
        return frame.duplicated([SERIES, TIME], keep=False)
    # In order they lie side by side; hashing ten million rows takes half a gigabyte.
    again = same_series & (frame[TIME] == frame[TIME].shift())
    return again | again.shift(-1, fill_value=False)


def _run_checks(
    frame: pd.DataFrame, data: DataConfig, values: list[str], labels: bool
) -> tuple[list[Finding], list[Finding], int]:
    must: dict[str, list[pa.Check]] = {n: [] for n in values}
    should: dict[str, list[pa.Check]] = {n: [] for n in values}
    messages: dict[str, str] = {}

    def check(column: str, name: str, test: Any, message: str, *, strict: bool = True) -> None:
        messages[f"{column}\0{name}"] = message
        (must if strict else should)[column].append(
            pa.Check(test, name=name, ignore_na=False, element_wise=False)
        )

    for name in values:
        rules = data.rules(name)
        check(
            name, "finite", lambda s: ~np.isinf(s),
            f"infinite values; correct the source or declare a range with "
            f"data.columns.{name}.out_of_range 'missing'",
        )  # fmt: skip
        check(
            name, "magnitude", lambda s: ~(np.isfinite(s) & (s.abs() > _LARGEST)),
            f"values beyond {_LARGEST:g}, with which nothing can be computed; give the column in "
            "another unit",
        )  # fmt: skip
        if (rules.minimum is not None or rules.maximum is not None) and (
            rules.out_of_range != "missing"
        ):
            check(
                name, "range",
                lambda s, r=rules: ~_beyond(s, r.minimum, r.maximum),
                f"outside [{rules.minimum}, {rules.maximum}]; correct the source or "
                f"data.columns.{name}",
                strict=rules.out_of_range == "error",
            )  # fmt: skip
        if rules.missing == "error":
            check(
                name, "missing", lambda s: s.notna(),
                f"missing values; correct the source, or set data.columns.{name}.missing to 'drop' "
                "or 'forward_fill'",
            )  # fmt: skip
        else:
            share = float(frame[name].isna().mean())
            check(
                name, "missing share",
                lambda s, most=rules.max_missing_share: s.isna().mean() <= most,
                f"{share:.1%} of the values are missing, data.columns.{name}.max_missing_share "
                f"allows {rules.max_missing_share:.1%}; correct the source or the limit",
            )  # fmt: skip
        check(
            name, "constant", lambda s: s.min() != s.max() or len(s) < 2,
            "the same value in every row; the network can learn nothing from it", strict=False,
        )  # fmt: skip
        if name in data.static:
            first = frame[name].groupby(frame[SERIES], sort=False).transform("first")
            check(
                name, "static", lambda s, of_series=first: s.isna() | (s == of_series),
                "it changes within its series; correct the source, or move it from data.static to "
                "data.features",
            )  # fmt: skip
        if labels and name in data.targets:
            check(
                name, "labels", lambda s: s.isna() | s.isin([0, 1]),
                "labels other than 0 and 1; encode each class as a column of 0 and 1, or use "
                "LSTM_type 'regressor'",
            )  # fmt: skip

    key = f"{data.series}, {data.time}" if data.series else data.time
    same_series = frame[SERIES] == frame[SERIES].shift()
    wide_must = [
        pa.Check(lambda d: ~_repeated(d, same_series), name="unique series and time"),
        pa.Check(
            lambda d: ~(same_series & (d[TIME] < d[TIME].shift())), name="time order"
        ),
    ]  # fmt: skip
    wide_should = []
    messages[f"{key}\0unique series and time"] = (
        "rows with the same series and time; keep one of each"
        if data.series else "rows with the same time; keep one of each, or name data.series"
    )  # fmt: skip
    messages[f"{key}\0time order"] = "time runs backwards within a series; sort the rows"
    if data.frequency:
        positions = grid_positions(frame[TIME], data.frequency, data.time_zone)
        on_grid = pd.Series(positions >= 0, index=frame.index)
        wide_must.append(pa.Check(lambda _: on_grid, name="frequency"))
        messages[f"{key}\0frequency"] = (
            f"times off the declared grid of {data.frequency}; correct the source or data.frequency"
        )
        steps = pd.Series(positions, index=frame.index).diff()
        after_hole = same_series & on_grid & on_grid.shift(fill_value=False) & (steps > 1)
        wide_should.append(pa.Check(lambda _: ~after_hole, name="holes in time"))
        holes = int((steps[after_hole] - 1).sum())
        messages[f"{key}\0holes in time"] = (
            f"{int(after_hole.sum())} holes, {holes} rows of {data.frequency} absent; no window "
            "crosses one"
        )
    errors = _failures(frame, must, wide_must, key, messages)
    warnings = _failures(frame, should, wide_should, key, messages)
    count = sum(map(len, [*must.values(), *should.values(), wide_must, wide_should]))
    return errors, warnings, count


def _failures(
    frame: pd.DataFrame, checks: dict[str, list[pa.Check]], wide: list[pa.Check], key: str,
    messages: dict[str, str],
) -> list[Finding]:  # fmt: skip
    schema = pa.DataFrameSchema(
        {n: pa.Column(float, c, nullable=True) for n, c in checks.items()}, checks=wide
    )
    try:
        schema.validate(frame, lazy=True, inplace=True)  # it changes nothing, so needs no copy
    except SchemaErrors as failed:
        found = []
        for item in failed.schema_errors:
            name = str(item.check.name if isinstance(item.check, pa.Check) else item.check)
            column = key if item.schema is schema else str(item.schema.name)
            passed = item.check_output
            rows: Iterable[Any] = (
                np.flatnonzero(~passed.to_numpy(dtype=bool))
                if isinstance(passed, pd.Series) and len(passed) == len(frame) else []
            )  # fmt: skip
            rows = np.asarray(rows, dtype=int)
            message = messages[f"{column}\0{name}"]
            if len(rows):
                message = f"{len(rows)} rows: {message}"
            cases = [
                {
                    "series": frame[SERIES].iloc[r],
                    "time": frame[TIME].iloc[r].isoformat(),
                    "value": _plain(frame[column].iloc[r]) if column in frame else None,
                }
                for r in rows[:_CASES]
            ]
            found.append(Finding(name, column, len(rows), message, cases))
        return found
    return []


def _plain(value: float) -> float | str | None:
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else str(value)


def _complete(
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
                        for r in rows[:_CASES]
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
