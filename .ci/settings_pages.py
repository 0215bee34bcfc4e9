"""MkDocs' hook that writes the pages of settings, one table for each class of settings.

Type, range, default and description come from the pydantic models; ``settings_examples.yaml``, beside
this file, has an example for settings whose default does not show how they are written.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

sys.path.insert(0, str(Path(__file__).parents[1]))

from fastlstm.config.arrangement import Arrangement, Resample
from fastlstm.config.backtest import BacktestConfig
from fastlstm.config.calendar import Holidays
from fastlstm.config.closed_days import ClosedDays
from fastlstm.config.column_roles import ColumnRoles
from fastlstm.config.columns import ColumnRules, DerivedTarget
from fastlstm.config.data import DataConfig
from fastlstm.config.dialect import Dialect
from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.groups import GroupsConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.joins import Join
from fastlstm.config.row_times import RowTimes
from fastlstm.config.source import SourceTable
from fastlstm.config.tuning import Range, TuneConfig
from tasks.settings import (
    ForecastPlace,
    MonitorConfig,
    PipelineConfig,
    RetentionSettings,
    S3Settings,
    ScoringConfig,
    SourceSettings,
    UpkeepConfig,
)

EXAMPLES = Path(__file__).with_name("settings_examples.yaml")
# Longer defaults are told by their own table, or by the description.
_LONGEST = 40


@dataclass(frozen=True)
class Section:
    """One table of settings.

    Attributes:
        title: its heading.
        model: the class of settings.
        where: the key, or keys, below which they stand in a file.
        own: only the settings that this base class of ``model`` declares.
        first: only the settings from this one on,
        last: and up to this one.
    """

    title: str
    model: type[BaseModel]
    where: str = ""
    own: type[BaseModel] | None = None
    first: str = ""
    last: str = ""

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The settings of the table by name."""
        found = dict(self.model.model_fields)
        if self.own is not None:
            declared = inspect.get_annotations(self.own)
            found = {name: field for name, field in found.items() if name in declared}
        names = list(found)
        begin = names.index(self.first) if self.first else 0
        end = names.index(self.last) + 1 if self.last else len(names)
        return {name: found[name] for name in names[begin:end]}


def _hyperparameters(title: str, first: str, last: str) -> Section:
    """A part of the hyperparameters, which follow each other by subject."""
    return Section(title, Hyperparameters, "hyperparameters", first=first, last=last)


# Page, its title, the sentence below it, its tables.
PAGES: dict[str, tuple[str, str, list[Section]]] = {
    "retraining.md": (
        "A retraining",
        "One YAML file holds the settings of a retraining, a backtest and a search: `fastlstm init` "
        "writes one, `fastlstm check` reads it. The form of a run in Prefect has the same settings.",
        [Section("Top level", PipelineConfig)],
    ),
    "data.md": (
        "Data",
        "The section `data`: where the table lies, how it is written, and what its columns are.",
        [
            Section("Source", DataConfig, "data", SourceTable),
            Section("Dialect", DataConfig, "data", Dialect),
            Section("Times", DataConfig, "data", RowTimes),
            Section("Rows in time", DataConfig, "data", Arrangement),
            Section("Roles of columns", DataConfig, "data", ColumnRoles),
            Section("Rules of a column", ColumnRules, "data.columns.NAME"),
            Section("A derived target", DerivedTarget, "data.derived_targets.NAME"),
            Section("A joined table", Join, "data.joins", Join),
            Section("Resampling", Resample, "data.resample"),
            Section("Closed days", ClosedDays, "data.closed_days"),
            Section("Holidays", Holidays, "data.holidays"),
        ],
    ),
    "hyperparameters.md": (
        "Hyperparameters",
        "The section `hyperparameters`: the network and its training. The class `fastLSTM` takes the "
        "same as arguments.",
        [
            _hyperparameters("Task and windows", "model_name", "steps_ahead"),
            _hyperparameters("Network", "architecture", "last_layer_activation"),
            _hyperparameters("Loss", "loss", "loss_scaling"),
            _hyperparameters("Training", "epochs", "refit"),
            _hyperparameters("Classes", "classes", "calibration"),
            _hyperparameters("Learning rate", "learning_rate", "learning_rate_decay"),
            _hyperparameters(
                "Choice of the epoch", "checkpoint_monitor_metric", "early_stop_patience"
            ),
            _hyperparameters("Scaling and splits", "scaler_type", "save_X_Y_data"),
        ],
    ),
    "evaluation.md": (
        "Evaluation, backtest, search",
        "How a network is scored, on how many test periods, and what a search tries.",
        [
            Section("Evaluation", EvaluationConfig, "evaluation"),
            Section("Backtest", BacktestConfig, "backtest"),
            Section("Search", TuneConfig, "tune"),
            Section("A range", Range, "tune.ranges.NAME"),
        ],
    ),
    "execution.md": (
        "Groups and execution",
        "A model for each group, and what runs the parts of a flow.",
        [
            Section("Groups", GroupsConfig, "groups"),
            Section("Execution", ExecutionConfig, "execution"),
        ],
    ),
    "storage.md": (
        "Storage",
        "How S3 is reached, and how long runs and intermediate files are kept.",
        [
            Section("S3", S3Settings, "s3"),
            Section("Retention", RetentionSettings, "retention"),
        ],
    ),
    "flows.md": (
        "Scoring, monitoring, upkeep",
        "The parameters of the flows `predict`, `monitor` and `upkeep`, as `deployments/prefect.yaml` "
        "and the form of a run in Prefect have them.",
        [
            Section("Scoring", ScoringConfig),
            Section("Monitoring", MonitorConfig),
            Section("Upkeep", UpkeepConfig),
            Section("A source", SourceSettings, "input, actuals"),
            Section("A place of forecasts", ForecastPlace, "output, forecasts"),
        ],
    ),
}


def sections() -> Iterator[tuple[str, Section]]:
    """All tables, each with its page."""
    for page, (_, _, tables) in PAGES.items():
        for table in tables:
            yield page, table


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Example values by class and setting."""
    return yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))


def anchor(section: Section, name: str) -> str:
    """The anchor of a setting on its page."""
    return re.sub(r"[^a-z0-9_]+", "-", f"{section.title}-{name}".lower())


# How a cell names a section of settings: the key it stands below, or its title.
_PAGE_TITLES = {DataConfig: "data.md", Hyperparameters: "hyperparameters.md"}


def _link(model: type[BaseModel], page: str) -> str:
    """The name of a section with a link to it; '' where no page has it."""
    if model in _PAGE_TITLES:
        return f"[settings]({_PAGE_TITLES[model]})"
    for other, section in sections():
        if section.model is model:
            heading = re.sub(r"[^a-z0-9]+", "-", section.title.lower())
            title = section.title if section.title == "S3" else section.title.lower()
            return f"[{title}]({'' if other == page else other}#{heading})"
    return ""


def type_text(annotation: Any, page: str) -> str:
    """A type in words: ``whole number``, ``list of text``, ``a or b``, with links to sections."""
    kinds = _alternatives(annotation)
    if {int, float} <= set(kinds):
        kinds.remove(int)
    return " or ".join(dict.fromkeys(_one_type(kind, page) for kind in kinds))


def _one_type(kind: Any, page: str) -> str:
    """A type without alternatives in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{_yaml(value)}`" for value in inner)
    if origin is list:
        return f"list of {type_text(inner[0], page)}"
    if origin is dict:
        return f"mapping of {type_text(inner[0], page)} to {type_text(inner[1], page)}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _link(kind, page) or "mapping"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return names.get(kind, "any value")


def _limits(field: FieldInfo) -> str:
    """The range of a field: '1 to 64', 'at least 0', 'above 0'."""
    found: dict[str, Any] = {}
    of_type = typing.get_args(field.annotation)
    for part in (*field.metadata, *(m for kind in of_type for m in getattr(kind, "metadata", ()))):
        for key in ("ge", "gt", "le", "lt"):
            if getattr(part, key, None) is not None:
                found[key] = getattr(part, key)
    shown = {
        key: f"{value:,}" if isinstance(value, int) else f"{value:g}"
        for key, value in found.items()
    }
    if {"ge", "le"} <= set(shown):
        return f"{shown['ge']} to {shown['le']}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[key]} {value}" for key, value in shown.items())


def _yaml(value: Any) -> str:
    """A value as it stands in a YAML file, on one line."""
    if value == "'":
        return '"\'"'
    text = yaml.safe_dump(
        value, default_flow_style=True, width=1_000_000, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """The properties of a class in its JSON schema."""
    found: dict[str, Any] = model.model_json_schema()["properties"]
    return found


def _default(section: Section, name: str) -> str:
    """The default in YAML; 'required' where there is none, a dash where nothing is set."""
    field = section.fields[name]
    if field.is_required():
        return "required"
    value = (
        field.get_default(call_default_factory=True)
        if field.default is PydanticUndefined
        else field.default
    )
    if section.model is Hyperparameters and "default" not in _schema(section.model)[name]:
        return "by task"
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, BaseModel):
        return "its defaults"
    text = _yaml(json.loads(json.dumps(value, default=list)))
    return f"`{text}`" if len(text) <= _LONGEST else "see the meaning"


def _alternatives(annotation: Any) -> list[Any]:
    """The types that a type allows, but for None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        inner = [_alternatives(kind) for kind in typing.get_args(annotation)]
        return [kind for kinds in inner for kind in kinds if kind is not types.NoneType]
    return [annotation]


def needs_example(section: Section, name: str) -> bool:
    """Whether neither the type nor the default of a setting shows how it is written."""
    if section.fields[name].is_required() or _default(section, name) in ("–", "by task"):
        return not all(
            kind is bool
            or typing.get_origin(kind) is Literal
            or (isinstance(kind, type) and issubclass(kind, BaseModel))
            for kind in _alternatives(section.fields[name].annotation)
        )
    return False


def example(section: Section, name: str) -> Any:
    """The example of a setting; None where its default is one."""
    for model in section.model.__mro__:
        found = examples().get(model.__name__, {})
        if name in found:
            return found[name]
    return None


def _cell(text: str) -> str:
    """A description in a cell of a Markdown table; what it quotes is code."""
    text = " ".join(re.sub(r"(?<![`\w])'([^'\s][^']*)'(?!\w)", r"`\1`", text).split())
    parts = text.replace("|", "\\|").split("`")
    # Every second part is code, in which references stay as they are.
    parts[::2] = [part.replace("<", "&lt;").replace("{", "&#123;") for part in parts[::2]]
    return "`".join(parts)


def table(section: Section, page: str) -> str:
    """The table of a section in Markdown."""
    lines = ["| Setting | Type | Default | Example | Meaning |", "| --- | --- | --- | --- | --- |"]
    for name, field in section.fields.items():
        limits = _limits(field)
        kind = type_text(field.annotation, page) + (f", {limits}" if limits else "")
        shown = example(section, name)
        text = "" if shown is None else f"`{_yaml(shown)}`".replace("|", "\\|")
        head = f"`{name}`{{ #{anchor(section, name)} }}"
        cells = (
            head,
            kind.replace("|", "\\|"),
            _default(section, name).replace("|", "\\|"),
            text,
            _cell(field.description or ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown(page: str) -> str:
    """A page of settings."""
    title, lead, tables = PAGES[page]
    parts = [f"# {title}", lead]
    for section in tables:
        parts.append(f"## {section.title}")
        if section.where:
            keys = ", ".join(f"`{key}`" for key in section.where.split(", "))
            parts.append(f"Below {keys}.")
        if section.model is Join:
            parts.append("Also all settings of the [dialect](#dialect).")
        parts.append(f'<div class="settings" markdown>\n\n{table(section, page)}\n\n</div>')
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of settings to those of the folder."""
    for page in PAGES:
        files.append(File.generated(config, f"settings/{page}", content=markdown(page)))
    return files
