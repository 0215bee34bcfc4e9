"""Settings of many models: one for each group of rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from fastlstm.config.base import StrictSettings
from fastlstm.config.group_names import group_name
from fastlstm.errors import ConfigError

# Sections of which a group may have settings of its own.
_SECTIONS = ("hyperparameters", "evaluation", "data")
_NOT_OF_GROUPS = (
    "hyperparameters.model_name",
    "data.path",
    "data.query",
    "data.format",
    "data.series",
    "data.series_parts",
)


class GroupsConfig(StrictSettings):
    """Which groups have a model of their own, and their own settings."""

    minimum_rows: int | None = Field(
        None, ge=1,
        description="Least rows of a group with a model of its own. Default: ten times the rows that "
        "one window spans.",
    )  # fmt: skip
    small: Literal["pool", "refuse"] = Field(
        "pool",
        description="What becomes of a group with fewer rows. 'pool': all such groups share one model, "
        "which is named 'pooled', and each is one or several series of it. 'refuse': it has no model, "
        "and report and message name it.",
    )
    overrides: str | None = Field(
        None,
        description="CSV file of settings for single groups: the columns of models_by, and a column for "
        "each setting, named like 'hyperparameters.epochs'. An empty cell leaves the common setting.",
    )
    figures: bool = Field(
        False,
        description="Whether each run has figures, which take longer to draw than a small network to "
        "train. The report on all models always has those of the worst three.",
    )


def read_overrides(file: Path, columns: list[str]) -> dict[str, dict[str, Any]]:
    """The settings of single groups by the group's name, each as ``{'section.key': value}``.

    Args:
        file: the CSV file.
        columns: those of ``models_by``.

    Raises:
        ConfigError: the file cannot be read, lacks a column, or names a group twice or a setting that a
            group cannot have.
    """
    where = f"groups.overrides: {file}"
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{where}: cannot be read as CSV ({error}); correct the path or the file"
        ) from None
    if not rows:
        raise ConfigError(f"{where}: has no row below its header; add one, or remove overrides")
    absent = [name for name in columns if name not in rows[0]]
    if absent:
        raise ConfigError(f"{where}: has no column {absent[0]!r}, which models_by lists; add it")
    _check_settings([name for name in rows[0] if name not in (None, *columns)], where)
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ConfigError(
                f"{where}, row {number}: has not as many cells as the header; correct it"
            )
        name = group_name({column: row[column] for column in columns})
        if name in found:
            raise ConfigError(f"{where}, row {number}: {name} is given twice; keep one row")
        found[name] = {
            key: _value(cell, f"{where}, row {number}, column {key!r}")
            for key, cell in row.items()
            if key not in columns and cell.strip()
        }
    return found


def _check_settings(names: list[str], where: str) -> None:
    """Refuse columns that are no settings of a group.

    Raises:
        ConfigError: names the column.
    """
    for name in names:
        section, dot, _ = str(name).partition(".")
        if section not in _SECTIONS or not dot or name in _NOT_OF_GROUPS:
            raise ConfigError(
                f"{where}: column {name!r} is no setting that a group can have; name one of "
                f"{', '.join(f'{s}.…' for s in _SECTIONS)}, and none of {', '.join(_NOT_OF_GROUPS)}"
            )


def _value(cell: str, where: str) -> Any:
    """A cell as YAML reads it: a number, true, a list in brackets, or text.

    Raises:
        ConfigError: it is no YAML.
    """
    try:
        return yaml.safe_load(cell)
    except yaml.YAMLError:
        raise ConfigError(f"{where}: {cell!r} is no value; write it as in a config file") from None
