"""Rules for columns of rows in memory, as ``data.columns`` has them for those of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.config.base import StrictSettings
from fastlstm.config.columns import ColumnRules
from fastlstm.config.data import DataConfig
from fastlstm.config.messages import describe
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.checks import out_of_range
from fastlstm.data.findings import Finding
from fastlstm.errors import ConfigError, DataError


class _Columns(StrictSettings):
    """Rules by column."""

    columns: dict[str, ColumnRules]


def column_rules(columns: Mapping[str, Any] | None) -> dict[str, ColumnRules]:
    """Rules by column, checked.

    Args:
        columns: of each column 'dtype', 'minimum', 'maximum', 'out_of_range' and 'unit'; see
            ``fastlstm.config.columns.ColumnRules``.

    Raises:
        ConfigError: a rule is not known, or is one of treatments, which rows in memory do not get.
    """
    try:
        found = _Columns.model_validate({"columns": columns or {}}).columns
    except ValidationError as error:
        raise ConfigError(describe(error, RetrainConfig)) from None
    for name, rules in found.items():
        if rules.out_of_range == "missing":
            raise ConfigError(
                f"columns.{name}.out_of_range: 'missing' given, rows in memory are not filled; drop or "
                "fill such values first, and use 'error' or 'warning'"
            )
        untreated = "category" if rules.dtype == "category" else "error"
        if rules.missing != untreated:
            raise ConfigError(
                f"columns.{name}.missing: {rules.missing!r} given, rows in memory are not filled; fill "
                "or drop missing values first, and remove it"
            )
    return found


def rules_of_run(data: DataConfig) -> dict[str, ColumnRules]:
    """The rules of a run's columns for its clean rows, on which it may be trained again.

    Limits of a derived target are those of its forecasts, for it is a column of its own there.
    """
    found: dict[str, dict[str, Any]] = {}
    limits, whole = data.forecast_limits, data.rounded_targets
    for name in [*data.read_features, *data.targets]:
        rules = data.rules(name)
        if rules.dtype == "category" or name in data.categories:
            continue
        kept = {"dtype", "unit", "minimum", "maximum", "out_of_range"} & rules.model_fields_set
        found[name] = {key: getattr(rules, key) for key in kept}
        if found[name].get("out_of_range") == "missing":
            found[name].pop("out_of_range")
        if name in data.derived_targets and name in limits:
            found[name] |= dict(zip(("minimum", "maximum"), limits[name], strict=True))
        if name in whole:
            found[name]["dtype"] = "integer"
    return {name: ColumnRules.model_validate(rules) for name, rules in found.items() if rules}


def require_rules(
    frame: pd.DataFrame, argument: str, columns: Mapping[str, ColumnRules]
) -> list[Finding]:
    """Check the columns of a table by their rules.

    Args:
        frame: the table, as given.
        argument: its name, for messages.
        columns: rules by column.

    Returns:
        Values out of range that are no error.

    Raises:
        DataError: a value is out of range or not of the declared type.
    """
    findings = []
    for name in frame:
        rules = columns.get(str(name))
        if rules is None or not pd.api.types.is_numeric_dtype(frame[name]):
            continue
        values = frame[name]
        whole = values.isin([0, 1]) if rules.dtype == "boolean" else values == np.floor(values)
        if rules.dtype in ("integer", "boolean"):
            _refuse(values, ~whole & values.notna(), f"that are no {rules.dtype}", name, argument)
        outside = out_of_range(values, rules.minimum, rules.maximum)
        low = -np.inf if rules.minimum is None else rules.minimum
        high = np.inf if rules.maximum is None else rules.maximum
        what = f"outside [{low}, {high}]"
        if rules.out_of_range == "error":
            _refuse(values, outside, what, name, argument)
        elif outside.any():
            count = int(outside.sum())
            findings.append(Finding("range", str(name), count, f"{count:,} values {what}", []))
    return findings


def _refuse(values: pd.Series, wrong: pd.Series, what: str, name: Any, argument: str) -> None:
    """Refuse values that break a rule.

    Raises:
        DataError: names the first row.
    """
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{argument}: column {name!r} has {int(wrong.sum())} values {what}, first in row {row}: "
            f"{float(values.iloc[row])!r}; correct them, or its rules in columns"
        )
