"""No circle of files: whoever changes a file need not know those that import it."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("fastlstm", "tasks", "flows", "deployments", "benchmarks")


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of our packages below a folder, by its dotted name."""
    files = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    return {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


def imports_of(file: Path, modules: dict[str, Path]) -> set[str]:
    """The modules that a file imports anywhere, within functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else str(node.module) for name in names}
    return found & set(modules)


def graph_of(root: Path) -> dict[str, set[str]]:
    """The imports of every module."""
    modules = modules_of(root)
    return {name: imports_of(file, modules) - {name} for name, file in modules.items()}


def test_no_files_import_each_other_in_a_circle():
    graph = graph_of(ROOT)
    assert len(graph) > 100 and graph["flows.cli.main"]
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_a_circle_through_a_function_is_found(tmp_path):
    (tmp_path / "fastlstm").mkdir()
    (tmp_path / "fastlstm" / "one.py").write_text("from fastlstm import two\n")
    (tmp_path / "fastlstm" / "two.py").write_text("def f():\n    from fastlstm.one import x\n")
    with pytest.raises(CycleError) as found:
        TopologicalSorter(graph_of(tmp_path)).prepare()
    assert {"fastlstm.one", "fastlstm.two"} <= set(found.value.args[1])
