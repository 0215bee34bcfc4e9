"""Checks between the settings of a table, one function per subject.

A check takes the settings, each valid by itself, and returns one line per problem: the key, what was
found and what to do. A new check is one function and one entry of ``CHECKS``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from fastlstm.config.calendar import row_seconds
from fastlstm.config.column_roles import ALL_COLUMNS, RESERVED_PREFIX, ColumnRoles
from fastlstm.config.file_formats import is_csv
from fastlstm.config.locations import database_setting_problems


def _source_problems(data: ColumnRoles) -> list[str]:
    """Settings of the source against its kind."""
    content = "the SQL whose result is the table"
    problems = database_setting_problems(data.path, "query", data.query, content)
    problems += data.mark_problems(is_csv=is_csv(data.path, data.format))
    return problems


def _rules_problems(data: ColumnRoles) -> list[str]:
    """Rules of a column against those of all."""
    problems = []
    for name in data.columns:
        try:
            data.rules(name)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _arrangement_problems(data: ColumnRoles) -> list[str]:
    """Rows in time against columns and frequency."""
    problems = data.arrangement_problems(data.frequency)
    known = {*data.value_columns, ALL_COLUMNS}
    by_column = data.absent_rows if isinstance(data.absent_rows, dict) else {}
    problems += [f"absent_rows: {_unknown(name, known)}" for name in by_column if name not in known]
    if data.resample is None:
        return problems
    if data.frequency != data.resample.to:
        problems.append(
            f"frequency: {data.frequency!r}, resample makes rows of {data.resample.to!r}; remove it"
        )
    for name in data.resample.columns:
        if name not in known:
            problems.append(f"resample: {_unknown(name, known)}")
    for name in data.value_columns:
        operation = data.resample.operation(name)
        if operation is None:
            problems.append(
                f"resample: says nothing of {name!r}; add it with 'sum', 'mean', 'last' or another "
                "operation, or give '*' one"
            )
        elif data.rules(name).dtype == "category" and operation not in ("first", "last"):
            problems.append(f"resample: {name!r} is a category; give it 'last' or 'first'")
    return problems


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "remove it"
    return f"{name!r} is neither feature, target nor source; {hint}"


def _layout_problems(data: ColumnRoles) -> list[str]:
    """A wide table against the other settings."""
    if data.layout == "long":
        if data.wide_columns:
            return ["wide_columns: layout is 'long'; set it to 'wide', or remove wide_columns"]
        return []
    own = data.own_columns(data.value_columns)
    problems = []
    if data.series is None:
        problems.append(
            "series: layout is 'wide', whose columns are series; give a name for their label, such as "
            "'store'"
        )
    if len(own) != 1:
        problems.append(
            f"features, targets: layout is 'wide', whose cells are one quantity, and {len(own)} are "
            f"named ({', '.join(own[:5])}); name one, such as 'sold', and others by joins"
        )
    return problems


def _join_problems(data: ColumnRoles) -> list[str]:
    """Joined tables against the roles of columns."""
    problems, names = [], data.joined_columns
    known = {*data.value_columns}
    sources = {derived.column for derived in data.derived_targets.values()}
    for number, join in enumerate(data.joins):
        where = f"joins.{number}"
        if join.series is not None and data.series is None:
            problems.append(
                f"{where}.series: the rows have no series; set series, or remove it here"
            )
        parts = data.series_parts or ([] if data.series is None else [data.series])
        if len(join.series_names) != len(parts):
            problems += [
                f"{where}.series: {name!r} is none of the columns that name the series of the rows "
                f"({', '.join(parts)}); name one of them, or all in this order"
                for name in join.series_names if data.series is not None and name not in parts
            ]  # fmt: skip
        for name in join.columns:
            if names.count(name) > 1:
                problems.append(f"{where}.columns: {name!r} is joined twice; name it once")
            elif name in data.target_columns or name in sources:
                problems.append(
                    f"{where}.columns: {name!r} is a target, which the rows themselves hold; remove it"
                )
            elif name not in known:
                problems.append(
                    f"{where}.columns: {name!r} is not used; add it to features, static or "
                    "known_future, or remove it"
                )
            elif join.time is None and name in [*data.known_future, *data.known_ahead]:
                problems.append(
                    f"{where}.time: {name!r} is known of later rows, which have times; name the time "
                    "column"
                )
    return problems


def _rounding_problems(data: ColumnRoles) -> list[str]:
    """Rounded forecasts without a target of whole numbers."""
    if not data.round_forecasts or data.rounded_targets:
        return []
    return [
        "round_forecasts: no target has dtype 'integer' in columns; declare it, or remove "
        "round_forecasts"
    ]


def _list_problems(data: ColumnRoles) -> list[str]:
    """Names that are listed twice."""
    problems = []
    for key in (
        "features", "targets", "calendar", "known_future", "static", "embedded_series",
    ):  # fmt: skip
        given = getattr(data, key)
        names = [] if isinstance(given, str) else list(given)
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated and repeated[0] in data.indicator_columns and key == "features":
            column, category = data.indicator_columns[repeated[0]]
            problems.append(
                f"features: {repeated[0]!r} is what category {category!r} of {column!r} becomes, "
                "and another feature too; rename one of their columns"
            )
        elif repeated:
            problems.append(f"{key}: {repeated[0]!r} is listed twice; list it once")
    return problems


def _target_problems(data: ColumnRoles) -> list[str]:
    """Targets and the columns they derive from against the other columns."""
    not_targets = {
        **dict.fromkeys(data.calendar_columns, "a calendar feature"),
        **dict.fromkeys(data.ahead_columns, "a later row's value"),
        **dict.fromkeys(data.known_ahead, "in known_ahead, so it needs no forecast"),
        **dict.fromkeys(data.known_future, "in known_future, so it needs no forecast"),
        **dict.fromkeys(data.series_columns, "computed by embedded_series"),
        **dict.fromkeys(data.static, "static, so it needs no forecast"),
    }
    sources = {derived.column for derived in data.derived_targets.values()}
    problems = [
        f"targets: {name!r} is {what}; remove it there"
        for name, what in not_targets.items()
        if name in data.target_columns or name in sources
    ]
    for name in data.derived_targets:
        if name not in data.target_columns:
            problems.append(f"derived_targets: {name!r} is not in targets; add or remove it")
        if name in data.features:
            problems.append(
                f"features: {name!r} is a derived target, which depends on future rows; remove "
                "it from features"
            )
    return problems


def _covariate_problems(data: ColumnRoles) -> list[str]:
    """Known future covariates and embedded series."""
    problems = []
    for name, rows in data.known_ahead.items():
        if name not in data.read_features:
            problems.append(f"known_ahead: {name!r} is not in features; add it there")
        if rows < 1:
            problems.append(f"known_ahead: {name!r} has {rows} rows; give 1 or more")
        if name in data.known_future:
            problems.append(f"known_ahead: {name!r} is in known_future too; remove one")
    problems += [
        f"known_future: {name!r} is in static too, which is known anyway; remove it"
        for name in data.known_future
        if name in data.static
    ]
    day = 86_400
    if data.holidays and (not data.frequency or not 0 < row_seconds(data.frequency) <= day):
        problems.append(
            f"holidays: needs rows of a day or less, frequency is {data.frequency!r}; set it, or "
            "remove holidays"
        )
    if data.closed_days is not None and data.frequency not in ("B", "C"):
        problems.append(
            f"closed_days: frequency is {data.frequency!r}; set it to 'B' or 'C', or remove "
            "closed_days"
        )
    if data.embedded_series and data.series is None:
        problems.append("embedded_series: needs series, the series id column; set it")
    return problems


def _category_problems(data: ColumnRoles) -> list[str]:
    """Columns of dtype 'category' and their categories against the other settings."""
    problems = [
        f"categories: {name!r} is no column of dtype 'category'; set data.columns.{name}.dtype, or "
        "remove it"
        for name in data.categories
        if data.rules(name).dtype != "category" and name not in data.derived_targets
    ]
    for name, found in data.categories.items():
        if len(set(found)) != len(found) or not found:
            problems.append(f"categories: {name!r} has {found}; list each category once")
    problems += [
        f"features: {name!r} is what class {label!r} of target {column!r} becomes; rename one of "
        "these columns"
        for name, (column, label) in data.label_outputs.items()
        if name in data.features and name != column
    ]
    problems += [
        f"derived_targets: {name!r} derives from {derived.column!r}, a category; give a number"
        for name, derived in data.derived_targets.items()
        if data.rules(derived.column).dtype == "category"
    ]
    problems += [
        f"columns.{name}.missing: 'class' is for label columns, {name!r} is no target; use 'category'"
        for name, rules in data.columns.items()
        if rules.missing == "class" and name not in data.target_columns
    ]
    return problems


def _name_problems(data: ColumnRoles) -> list[str]:
    """Reserved names, roles of the time and series columns, and rules of unknown columns."""
    problems = [
        f"column {name!r}: names that begin with {RESERVED_PREFIX!r} are reserved; rename it"
        for name in data.source_columns + data.targets
        if name.startswith(RESERVED_PREFIX)
    ]
    for name in [data.time, *([data.series] if data.series else [])]:
        if name in [*data.features, *data.targets]:
            problems.append(
                f"features, targets: {name!r} is the time or series column; remove it there"
            )
    for name in data.series_parts:
        if name == data.time or name in [*data.features, *data.targets]:
            problems.append(
                f"series: {name!r} names series and is time, feature or target too; remove it there"
            )
    if data.time == data.series:
        problems.append(f"series: {data.series!r} is the time column; name another or none")
    known = {*data.value_columns, ALL_COLUMNS}
    problems += [f"columns: {_unknown(name, known)}" for name in data.columns if name not in known]
    return problems


CHECKS: tuple[Callable[[ColumnRoles], list[str]], ...] = (
    _rules_problems,
    _source_problems,
    _list_problems,
    _target_problems,
    _covariate_problems,
    _name_problems,
    _category_problems,
    _rounding_problems,
    _arrangement_problems,
    _layout_problems,
    _join_problems,
)
