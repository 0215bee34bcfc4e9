"""What a module defines stands before its last lines, which run it as a command."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tooling.test_imports import modules_of


def after_the_command(file: Path) -> list[int]:
    """The lines of statements behind ``if __name__ == "__main__":``, which a command never reaches."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for position, node in enumerate(body):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            return [later.lineno for later in body[position + 1 :]]
    return []


def test_nothing_stands_behind_the_lines_that_run_a_module():
    late = {name: after_the_command(file) for name, file in modules_of(ROOT).items()}
    assert "deployments.automations" in late
    assert {name: lines for name, lines in late.items() if lines} == {}


@pytest.mark.parametrize(("text", "lines"), [("", []), ("\n\ndef late(): ...\n", [6])])
def test_a_late_definition_is_found(tmp_path, text, lines):
    file = tmp_path / "module.py"
    file.write_text(f'def main(): ...\n\nif __name__ == "__main__":\n    main(){text}')
    assert after_the_command(file) == lines
