"""The checks that the rows of a table must pass, run by pandera.

``COLUMN_CHECKS`` are applied to every value column, ``TABLE_CHECKS`` to the table. A new check is one
function that returns the rules it adds, and one entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Tick
from pandera.errors import SchemaErrors

from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.findings import CASES, Finding, literal
from fastlstm.data.reading import is_sorted
from fastlstm.data.table_facts import TableFacts
from fastlstm.data.time_grid import fitting_frequency, grid_positions, rows_as_given

# Squares of larger values overflow, and so do means, deviations and losses.
_LARGEST = 1e150


@dataclass(frozen=True)
class CheckedTable:
    """A table and what is declared of it.

    Attributes:
        frame: the rows, sorted by series and time.
        data: types, ranges, policies, frequency.
        has_labels: whether plain targets are labels.
        facts: of the whole table, of which the rows may be one shard.
    """

    frame: pd.DataFrame
    data: DataConfig
    has_labels: bool
    facts: TableFacts

    @cached_property
    def same_series(self) -> pd.Series:
        """Whether the row before each row is of the same series."""
        return self.frame[SERIES] == self.frame[SERIES].shift()

    @property
    def key(self) -> str:
        """Names of the columns that identify a row, for messages."""
        data = self.data
        return f"{data.series}, {data.time}" if data.series else data.time


@dataclass(frozen=True)
class Rule:
    """One condition on a column or on the table.

    Attributes:
        name: name of the check, as it stands in the report.
        passes: takes the column, or the table, and returns whether each row passes; one value
            where the condition is on all rows together.
        message: what is wrong where it fails, and what to do.
        is_error: whether a failure stops the run; else it is a warning.
        numbers: numbers of the rows at hand that take the places of ``{}`` in the message; with them
            braces have a meaning in it, see ``fastlstm.data.findings.literal``.
    """

    name: str
    passes: Callable[[Any], Any]
    message: str
    is_error: bool = True
    numbers: tuple[int, ...] = ()

    @property
    def template(self) -> str:
        """The message with the places of its numbers."""
        return self.message if self.numbers else literal(self.message)


def out_of_range(column: pd.Series, minimum: float | None, maximum: float | None) -> pd.Series:
    """Whether each value is below the minimum or above the maximum; missing values are not."""
    low = column < minimum if minimum is not None else False
    high = column > maximum if maximum is not None else False
    return pd.Series(low | high, index=column.index, dtype=bool)


def _finite(table: CheckedTable, name: str) -> list[Rule]:
    message = (
        "infinite values; correct the source, or declare a range and set "
        f"data.columns.{name}.out_of_range to 'missing'"
    )
    return [Rule("finite", lambda column: ~np.isinf(column), message)]


def _magnitude(table: CheckedTable, name: str) -> list[Rule]:
    message = f"values beyond {_LARGEST:g}, whose squares overflow; give the column in another unit"
    return [
        Rule(
            "magnitude",
            lambda column: ~(np.isfinite(column) & (column.abs() > _LARGEST)),
            message,
        )
    ]


def _range(table: CheckedTable, name: str) -> list[Rule]:
    """The declared range, where values beyond it do not count as missing."""
    rules = table.data.rules(name)
    if (rules.minimum is None and rules.maximum is None) or rules.out_of_range == "missing":
        return []
    low = -np.inf if rules.minimum is None else rules.minimum
    high = np.inf if rules.maximum is None else rules.maximum
    return [
        Rule(
            "range",
            lambda column: ~out_of_range(column, rules.minimum, rules.maximum),
            f"outside [{low}, {high}]; correct the source, or the range in data.columns.{name}",
            is_error=rules.out_of_range == "error",
        )
    ]


def _missing(table: CheckedTable, name: str) -> list[Rule]:
    """Missing values: none, or no more than the declared share."""
    rules = table.data.rules(name)
    is_label = name in table.data.target_columns
    if rules.missing == "class" or (rules.missing == "category" and not is_label):
        return []
    if rules.missing in ("error", "category"):
        message = (
            f"missing values; correct the source, or set data.columns.{name}.missing to 'drop', or "
            "to 'forward_fill' and forward_fill_limit to the rows that it may fill"
        )
        if is_label and rules.dtype == "category":
            message += ", or to 'class' where nothing happened then"
        return [Rule("missing", lambda column: column.notna(), message)]
    share = table.facts.missing_share(name)
    message = (
        f"{share:.1%} of the values are missing, data.columns.{name}.max_missing_share allows "
        f"{rules.max_missing_share:.1%}; correct the source or the limit"
    )
    return [
        Rule(
            "missing share",
            lambda column: share <= rules.max_missing_share,
            message,
        )
    ]


def _constant(table: CheckedTable, name: str) -> list[Rule]:
    message = "the same value in every row; the network learns nothing from it, remove the column"
    return [
        Rule(
            "constant",
            lambda column: not table.facts.is_constant(name),
            message,
            is_error=False,
        )
    ]


def _static(table: CheckedTable, name: str) -> list[Rule]:
    """Static covariates: one value per series."""
    if name not in table.data.static:
        return []
    by_series = table.frame[name].groupby(table.frame[SERIES], sort=False)
    first = by_series.transform("first")
    message = (
        "it changes within its series; correct the source, or move it from data.static to "
        "data.features"
    )
    return [Rule("static", lambda column: column.isna() | (column == first), message)]


def _labels(table: CheckedTable, name: str) -> list[Rule]:
    """Labels of a classifier's plain targets."""
    if not table.has_labels or name not in table.data.targets or name in table.data.categories:
        return []
    message = (
        f"labels other than 0 and 1; set data.columns.{name}.dtype to 'category', or use LSTM_type "
        "'regressor'"
    )
    return [Rule("labels", lambda column: column.isna() | column.isin([0, 1]), message)]


def _unique_rows(table: CheckedTable) -> list[Rule]:
    message = (
        "rows with the same series and time; keep one of each, by hand or by data.keep"
        if table.data.series
        else "rows with the same time; keep one of each, by hand or by data.keep, or set data.series "
        "for a panel"
    )
    return [Rule("unique series and time", lambda _: ~_repeated(table), message)]


def _repeated(table: CheckedTable) -> pd.Series:
    """Rows whose series and time another row has too."""
    frame = table.frame
    if not is_sorted(frame):
        return frame.duplicated([SERIES, TIME], keep=False)
    # Repeated rows are neighbours; a hash of ten million rows takes half a gigabyte.
    again = table.same_series & (frame[TIME] == frame[TIME].shift())
    return again | again.shift(-1, fill_value=False)


def _time_order(table: CheckedTable) -> list[Rule]:
    times = table.frame[TIME]
    return [
        Rule(
            "time order",
            lambda _: ~(table.same_series & (times < times.shift())),
            "time decreases within a series; sort the rows",
        )
    ]


def _remedy_of_times(table: CheckedTable, on_grid: pd.Series) -> str | None:
    """What to set for times that do not lie on the grid; None where nothing helps.

    Args:
        table: the whole table.
        on_grid: which rows do, ``(n,)``.
    """
    data, frame = table.data, table.frame
    if data.closed_days is not None:
        off = frame.loc[~on_grid, TIME]
        weekdays = row_offset(str(data.frequency), None)
        if (grid_positions(off, weekdays, data.time_zone) >= 0).all():
            return "the days are closed by data.closed_days; correct it, or leave the rows out"
    offset = to_offset(data.frequency)
    if isinstance(offset, Tick):
        rounded = frame[[SERIES]].assign(time=frame[TIME].dt.round(offset))
        if not rounded.duplicated().any():
            return (
                f"where the clock is not exact, set data.snap to {data.frequency!r}; else correct the "
                "source or data.frequency"
            )
    return fitting_frequency(frame[TIME], str(data.frequency), data.time_zone, "data.")


def _grid(table: CheckedTable) -> list[Rule]:
    """Times on the grid of the declared frequency, and gaps in it."""
    data, frame = table.data, table.frame
    if not data.frequency:
        return []
    offset = row_offset(data.frequency, data.closed_days)
    positions = grid_positions(frame[TIME], offset, data.time_zone, table.facts.grid)
    steps = pd.Series(positions, index=frame.index).diff()
    # A day whose midnight happens twice has one row.
    again = table.same_series & (steps == 0) & (frame[TIME] != frame[TIME].shift())
    on_grid = pd.Series(positions >= 0, index=frame.index) & ~again
    after_gap = table.same_series & on_grid & on_grid.shift(fill_value=False) & (steps > 1)
    absent = int((steps[after_gap] - 1).sum())
    remedy = "correct the source or data.frequency"
    is_whole = table.facts.rows == len(frame)  # other shards may fit another frequency
    if is_whole and not on_grid.all():
        remedy = _remedy_of_times(table, on_grid) or remedy
    closed = ""
    if data.frequency == "B" and data.closed_days is None:
        closed = "; name holidays in data.closed_days"
    rules = [
        Rule(
            "frequency",
            lambda _: on_grid,
            f"times off the declared grid of {data.frequency}; {remedy}",
        ),
        Rule(
            "gaps in time",
            lambda _: ~after_gap,
            f"{{}} gaps, {{}} rows of {literal(data.frequency)} absent; no window "
            f"crosses a gap{closed}",
            is_error=False,
            numbers=(int(after_gap.sum()), absent),
        ),
    ]
    if rows_as_given(offset):
        rules.append(
            Rule(
                "closed days",
                lambda _: False,
                "none are named, so each weekday without a row counts as closed and forecasts are for "
                "the next weekdays, holidays too; name the closed days in data.closed_days",
                is_error=False,
            )
        )
    return rules


COLUMN_CHECKS: tuple[Callable[[CheckedTable, str], list[Rule]], ...] = (
    _finite,
    _magnitude,
    _range,
    _missing,
    _constant,
    _static,
    _labels,
)


TABLE_CHECKS: tuple[Callable[[CheckedTable], list[Rule]], ...] = (_unique_rows, _time_order, _grid)


def run_checks(
    frame: pd.DataFrame, data: DataConfig, values: list[str], labels: bool, facts: TableFacts
) -> tuple[list[Finding], list[Finding], int]:
    """Run every check of a table.

    Args:
        frame: the rows, sorted by series and time.
        data: types, ranges, policies, frequency.
        values: names of the value columns.
        labels: whether plain targets are labels, which must be 0 or 1.
        facts: of the whole table, of which the rows may be one shard.

    Returns:
        Errors, warnings, and the number of rules checked.
    """
    table = CheckedTable(frame, data, labels, facts)
    of_columns = {
        name: [rule for check in COLUMN_CHECKS for rule in check(table, name)] for name in values
    }
    of_table = [rule for check in TABLE_CHECKS for rule in check(table)]
    errors, warnings = (
        _failures(
            table,
            {
                name: [rule for rule in rules if rule.is_error == is_error]
                for name, rules in of_columns.items()
            },
            [rule for rule in of_table if rule.is_error == is_error],
        )
        for is_error in (True, False)
    )
    return errors, warnings, sum(map(len, of_columns.values())) + len(of_table)


def _failures(
    table: CheckedTable, of_columns: dict[str, list[Rule]], of_table: list[Rule]
) -> list[Finding]:
    """The rules that fail, as findings."""

    def checks(rules: list[Rule]) -> list[pa.Check]:
        return [pa.Check(r.passes, name=r.name, ignore_na=False) for r in rules]

    schema = pa.DataFrameSchema(
        {
            name: pa.Column(float, checks(rules), nullable=True)
            for name, rules in of_columns.items()
        },
        checks=checks(of_table),
    )
    try:
        # pandera keeps a note of each table it checked, which goes with this view of the rows.
        schema.validate(table.frame.copy(deep=False), lazy=True, inplace=True)
    except SchemaErrors as failed:
        failed_rules = {
            (column, rule.name): rule
            for column, rules in [*of_columns.items(), (table.key, of_table)]
            for rule in rules
        }
        return [
            _finding(
                table.frame,
                table.key if item.schema is schema else str(item.schema.name),
                str(item.check.name if isinstance(item.check, pa.Check) else item.check),
                item.check_output,
                failed_rules,
            )
            for item in failed.schema_errors
        ]
    return []


def _finding(
    frame: pd.DataFrame, column: str, name: str, passed: Any, rules: dict[tuple[str, str], Rule]
) -> Finding:
    """One failed rule with its first rows.

    Args:
        frame: the table.
        column: the column, or the key of the table.
        name: name of the rule.
        passed: whether each row passes, or one value for all rows.
        rules: rules by column and name.
    """
    rows = np.zeros(0, int)
    if isinstance(passed, pd.Series) and len(passed) == len(frame):
        rows = np.flatnonzero(~passed.to_numpy(dtype=bool))
    rule = rules[column, name]
    template, numbers = rule.template, rule.numbers
    if len(rows):
        template, numbers = "{} rows: " + template, (len(rows), *numbers)
    cases = [
        {
            "series": frame[SERIES].iloc[row],
            "time": frame[TIME].iloc[row].isoformat(),
            "value": _json_number(frame[column].iloc[row]) if column in frame else None,
        }
        for row in rows[:CASES]
    ]
    return Finding.counted(name, column, len(rows), template, numbers, cases)


def _json_number(value: float) -> float | str | None:
    """A value as JSON has it: None where missing, text where infinite."""
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else str(value)
