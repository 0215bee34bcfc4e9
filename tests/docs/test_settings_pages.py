"""The pages of settings, which are made from the classes of settings."""

from __future__ import annotations

import importlib.util
import re
import sys
import typing

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from fastlstm.config.hyperparameters import Hyperparameters
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig
from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("settings_pages", ROOT / ".ci" / "settings_pages.py")
pages = importlib.util.module_from_spec(_spec)
sys.modules["settings_pages"] = pages
_spec.loader.exec_module(pages)

TABLES = [table for _, table in pages.sections()]


def _classes(model, found):
    """All classes of settings that can be reached from one."""
    if model in found:
        return found
    found.append(model)
    for field in model.model_fields.values():
        parts = [field.annotation]
        while parts:
            part = parts.pop()
            if isinstance(part, type) and issubclass(part, BaseModel):
                _classes(part, found)
            parts += typing.get_args(part)
    return found


@pytest.mark.parametrize("flow", [PipelineConfig, ScoringConfig, MonitorConfig, UpkeepConfig])
def test_every_setting_stands_in_one_table(flow):
    for model in _classes(flow, []):
        listed = [name for table in TABLES if table.model is model for name in table.fields]
        inherited = pages.Dialect.model_fields if model is pages.Join else {}
        assert sorted(listed) == sorted(set(model.model_fields) - set(inherited)), model


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_examples_are_valid_and_stand_where_the_default_shows_nothing(table):
    for name, field in table.fields.items():
        shown = pages.example(table, name)
        if pages.needs_example(table, name):
            assert shown is not None, f"{name}: add one to .ci/settings_examples.yaml"
        if shown is not None:
            kind = typing.Annotated[field.annotation, *field.metadata] if field.metadata else None
            adapter = TypeAdapter(kind or field.annotation)
            adapter.validate_python(yaml.safe_load(pages._yaml(shown)), strict=True)


def test_no_example_is_of_a_setting_that_is_gone():
    known = {model.__name__: model for table in TABLES for model in table.model.__mro__}
    for name, values in pages.examples().items():
        assert set(values) <= set(known[name].model_fields), name


def test_every_setting_has_a_row_with_type_default_and_meaning():
    for page, (title, _, tables) in pages.PAGES.items():
        text = pages.markdown(page)
        assert text.startswith(f"# {title}\n")
        rows = re.findall(r"^\| `\w+`\{ #[\w-]+ \} \| .+ \| .+ \| .*\| .+ \|$", text, re.MULTILINE)
        assert len(rows) == sum(len(table.fields) for table in tables)
        anchors = re.findall(r"\{ #([\w-]+) \}", text)
        assert len(set(anchors)) == len(anchors)


def test_a_row_shows_range_default_and_example():
    rows = {
        line.split("`")[1]: line for line in pages.markdown("hyperparameters.md").splitlines()
        if line.startswith("| `")
    }  # fmt: skip
    assert "| whole number, 1 to 100,000 | `1` | `56` | Look-back:" in rows["timesteps"]
    assert (
        "| text | by task | `huber` |" in rows["loss"]
    )  # a classifier's default is no regressor's
    assert "`at_time` or `by_series` | `at_time` |" in rows["split"]
    assert Hyperparameters.model_fields["learning_rate"].description in rows["learning_rate"]
