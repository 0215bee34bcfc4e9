"""The table of steps is the one that code, documentation and work folder follow."""

from __future__ import annotations

import importlib
import re

import pytest
from prefect import Task

from tasks.step_table import FOLDERS, STEPS, as_markdown
from tests.conftest import ROOT

TASKS = {
    task.name: task
    for file in (ROOT / "tasks").glob("*.py")
    for task in vars(importlib.import_module(f"tasks.{file.stem}")).values()
    if isinstance(task, Task)
}


def test_every_step_is_a_task_and_every_task_a_step():
    assert set(TASKS) == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_tasks_have_the_retries_tags_and_caching_of_the_table(name):
    step, task = STEPS[name], TASKS[name]
    assert task.retries == step.retries and task.tags == {"fastlstm", step.group}
    assert (task.cache_key_fn is not None) == step.is_cached
    if step.settings:
        assert step.folders and step.unit


def test_messages_bear_the_name_of_a_step():
    for file in (ROOT / "tasks").glob("*.py"):
        for label in re.findall(r'\bnotify\(\s*"([^"]+)"', file.read_text()):
            assert label in STEPS, f"{file.name}: {label}"


def test_each_folder_of_the_work_folder_belongs_to_one_step():
    assert len(FOLDERS) == len(set(FOLDERS))
    source = "".join(file.read_text() for file in (ROOT / "tasks").rglob("*.py"))
    source += (ROOT / "flows" / "retrain.py").read_text()
    used = set(re.findall(r'local_work\(config\.work\) / "(\w+)"', source))
    assert used and used <= set(FOLDERS)


def test_the_documentation_holds_the_table():
    text = (ROOT / "docs" / "reference" / "steps.md").read_text()
    table = text.partition("<!-- steps -->\n")[2].partition("\n<!-- end of steps -->")[0]
    assert table == as_markdown(), "copy what tasks.step_table.as_markdown() returns"
