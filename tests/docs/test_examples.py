"""The settings and commands that README and docs show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from flows.cli.main import main
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_yaml_block_names_settings_that_exist(page: Path) -> None:
    known = {
        *PipelineConfig.model_fields, *ScoringConfig.model_fields, *MonitorConfig.model_fields,
        *UpkeepConfig.model_fields,
    }  # fmt: skip
    for block in _blocks(page, "yaml"):
        settings = yaml.safe_load(block.replace("…", "1"))
        assert set(settings) <= known
        for name, section in settings.items():
            field = PipelineConfig.model_fields.get(name)
            inner = getattr(field.annotation if field else None, "model_fields", None)
            if inner is not None:
                assert set(section) <= set(inner), name


@pytest.mark.parametrize(
    "page", ["README.md", "docs/how-to/describe-a-table.md", "docs/settings/index.md"]
)
def test_the_first_settings_a_reader_copies_are_valid(page: str) -> None:
    whole = [
        settings
        for block in _blocks(ROOT / page, "yaml")
        if set(settings := yaml.safe_load(block)) >= {"data", "hyperparameters"}
    ]
    assert whole
    for settings in whole:
        PipelineConfig.model_validate(settings)


def test_every_command_shown_exists_and_every_command_is_shown() -> None:
    shown = {
        name
        for page in PAGES
        for block in _blocks(page, "console")
        for name in re.findall(r"^fastlstm (\w+)", block, re.MULTILINE)
    }
    assert shown == set(main.commands)


def test_every_make_target_named_in_a_page_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]:
        named = set(
            re.findall(r"`make ([a-z0-9]+)`|^make ([a-z0-9]+)", page.read_text(), re.MULTILINE)
        )
        assert {a or b for a, b in named} <= targets, page.name


def test_every_test_file_named_by_the_guarantees_exists() -> None:
    named = re.findall(
        r"`([\w/]+\.py)`", (ROOT / "docs" / "concepts" / "reliability.md").read_text()
    )
    assert len(named) > 20
    for file in named:
        assert any((ROOT / folder / file).exists() for folder in (".", "tests/faults")), file


def test_every_file_named_by_what_to_change_where_exists() -> None:
    table = (ROOT / "docs" / "reference" / "changing.md").read_text()
    named = re.findall(r"`([\w./]+/[\w.]*|pyproject\.toml)`", table)
    assert len(named) > 15
    for file in named:
        assert (ROOT / file).exists(), file
