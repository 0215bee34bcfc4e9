"""A config file for a table, with comments on what was found and what is not certain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fastlstm.inspection.intervals import Intervals, operation_of
from fastlstm.inspection.roles import Roles
from fastlstm.inspection.text_dialect import Dialect
from fastlstm.inspection.times import Times

# Rows in a row that a last value is used for.
FILLED_ROWS = 3


@dataclass(frozen=True)
class Found:
    """Everything that is written into a config.

    Attributes:
        path: of the table, as the config names it.
        query: SQL query whose result is the table; None for files.
        rows: of the sample.
        dialect: of a CSV file.
        times: the time column.
        time_zone: IANA zone.
        frequency: distance between rows, or None.
        roles: what the columns are for.
        model_name: name of the model.
        is_label: whether the target is a label.
        horizon: rows to forecast.
        look_back: rows of past.
        skips_short_series: whether series are left out that are shorter than a window.
        doubts: what is not certain, all of it.
        layout: 'long' or 'wide'.
        keeps_last: whether rows stand twice, of which one is kept.
        intervals: rows that are made of those without regular times, or None.
        in_order: whether a clock change repeats times, whose rows follow each other.
    """

    path: str
    query: str | None
    rows: int
    dialect: Dialect
    times: Times
    time_zone: str
    frequency: str | None
    roles: Roles
    model_name: str
    is_label: bool
    horizon: int
    look_back: int
    skips_short_series: bool
    doubts: tuple[str, ...]
    layout: str = "long"
    keeps_last: bool = False
    intervals: Intervals | None = None
    in_order: bool = False


def settings_text(found: Found) -> str:
    """The config as YAML."""
    roles = found.roles
    lines = [f"# {found.path}: {found.rows:,} rows were looked at.", *_doubts(found), "data:"]
    lines += [f"  path: {_yaml(found.path)}", *_dialect(found.dialect)]
    if found.query is not None:
        lines.append(f"  query: {_yaml(found.query)}")
    if found.layout != "long":
        lines.append(f"  layout: {found.layout} # each column but the time is a series")
    parts = found.times.parts
    lines.append(f"  time: [{', '.join(map(_yaml, parts))}]" if parts
                 else f"  time: {_yaml(found.times.column)}")  # fmt: skip
    if found.times.format is not None:
        lines.append(f"  time_format: {_yaml(found.times.format)}")
    if not found.times.has_zone:
        lines.append(
            f"  time_zone: {found.time_zone} # of times without an offset; an IANA name such as "
            "Europe/Berlin"
        )
    if found.in_order:
        lines.append("  clock_changes: in_order # the hour that a clock change repeats")
    if roles.series_parts:
        lines.append(f"  series: [{', '.join(map(_yaml, roles.series_parts))}]")
    elif roles.series is not None:
        lines.append(f"  series: {_yaml(roles.series)}")
    if found.intervals is not None:
        lines += _resample(found, found.intervals)
    elif found.frequency is not None:
        lines.append(f"  frequency: {_yaml(found.frequency)}")
    else:
        lines.append("  # frequency: 1h # rows are not evenly apart; windows then may span gaps")
    if found.keeps_last:
        lines.append("  keep: last # rows that stand twice")
    if found.skips_short_series:
        lines.append(
            "  short_series: skip # some have fewer rows than look-back and horizon together"
        )
    plain = [name for name in roles.features if name not in roles.static]
    lines.append(f"  features: [{', '.join(map(_yaml, plain))}]")
    if roles.static:
        lines.append(
            f"  static: [{', '.join(map(_yaml, roles.static))}] # one value in each series"
        )
    lines.append(f"  targets: [{', '.join(map(_yaml, roles.targets))}]")
    lines.append("  # known_future: [] # features known of the rows to forecast, such as prices")
    lines += [f"  # not used: {_comment(name)}, {why}" for name, why in roles.left_out.items()]
    lines += _columns(found)
    lines += [
        "hyperparameters:",
        f"  model_name: {_yaml(found.model_name)}",
        f"  LSTM_type: {'classifier' if found.is_label else 'regressor'}",
        f"  timesteps: {found.look_back} # rows of past",
        f"  steps_ahead: {found.horizon} # rows to forecast",
        "store: runs",
        "work: .fastlstm",
    ]
    return "\n".join(lines) + "\n"


def _resample(found: Found, intervals: Intervals) -> list[str]:
    """The rows that are made of those without regular times."""
    roles, of_events = found.roles, intervals.of_events
    of_columns = {
        name: operation_of(name, roles.targets, of_events=of_events)
        for name in roles.features if name not in roles.categories
    }  # fmt: skip
    of_columns["*"] = "last"
    pairs = ", ".join(f"{_yaml(name)}: {what}" for name, what in of_columns.items())
    lines = [
        f"  resample: {{ to: {intervals.to}, columns: {{ {pairs} }} }} # rows have no regular "
        "times; see the doubts above"
    ]
    if of_events:
        lines.append("  absent_rows: zero # where there are none")
    return lines


def _doubts(found: Found) -> list[str]:
    return [f"# In doubt: {_comment(doubt)}" for doubt in found.doubts]


def _dialect(dialect: Dialect) -> list[str]:
    """The settings of a dialect that differ from their defaults."""
    lines = []
    for name in (
        "delimiter", "quote", "comment", "skip_lines", "encoding", "decimal", "thousands",
    ):  # fmt: skip
        value = getattr(dialect, name)
        if value != getattr(Dialect(), name):
            lines.append(f"  {name}: {json.dumps(value)}")
    if dialect.signs:
        lines.append(f"  signs: [{', '.join(map(_yaml, dialect.signs))}]")
    if dialect.negative_parentheses:
        lines.append("  negative_parentheses: true")
    if dialect.na_values:
        lines.append(f"  na_values: [{', '.join(map(_yaml, dialect.na_values))}]")
    return lines


def _columns(found: Found) -> list[str]:
    """Rules of columns: categories, and what is done about missing values."""
    roles, lines = found.roles, []
    for name in roles.features:
        rules: dict[str, Any] = {}
        if name in roles.categories:
            rules["dtype"] = "category"
        count = roles.missing.get(name)
        if name in roles.empty_classes:
            rules["missing"] = "class"
        elif count is not None and name in roles.targets:
            rules["missing"] = "drop"
        elif count is not None and name not in roles.categories:
            rules |= {
                "missing": "forward_fill",
                "forward_fill_limit": FILLED_ROWS,
                "beyond_limit": "drop",
            }
        if count is not None and rules.get("missing", "class") != "class":
            rules["max_missing_share"] = 0.5
        if rules:
            text = ", ".join(f"{key}: {value}" for key, value in rules.items())
            note = f" # {count:,} missing" if count is not None else ""
            lines.append(f"    {_yaml(name)}: {{ {text} }}{note}")
    return ["  columns:", *lines] if lines else []


def _yaml(text: str) -> str:
    """A text as YAML, in quotes where it could mean something else."""
    plain = text.replace("_", "a").replace("-", "a").replace("/", "a").replace(".", "a")
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}
    safe = plain.isascii() and plain.isalnum() and plain[0].isalpha() and text.lower() not in words
    return text if safe and text[0].isalpha() else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """A text within a comment, on one line."""
    return " ".join(str(text).split())
