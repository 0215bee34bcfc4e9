"""Every public name has one home, and ``import fastlstm`` alone offers a second path to a few."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import fastlstm

ROOT = Path(__file__).parents[2]
TOPS = ("fastlstm", "tasks", "flows", "deployments", "benchmarks", "tests")


@pytest.mark.parametrize("name", fastlstm.__all__)
def test_every_public_name_resolves_to_its_home(name: str) -> None:
    assert getattr(fastlstm, name).__module__ == fastlstm._HOMES[name]


def test_each_mapped_name_is_listed() -> None:
    assert sorted(fastlstm._HOMES) == sorted(fastlstm.__all__)


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module of the repository by its dotted name."""
    found = {}
    for top in TOPS:
        for file in (ROOT / top).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = ast.parse(file.read_text())
    return found


def defined_in(module: ast.Module) -> set[str]:
    """Names that a module defines at its top level: by def, class, assignment or type alias."""
    names: set[str] = set()
    pending: list[ast.AST] = list(module.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            pending += ast.iter_child_nodes(node)
    return names


def test_names_are_imported_from_the_module_that_defines_them() -> None:
    trees = modules()
    homes = {name: defined_in(tree) for name, tree in trees.items()}
    # The package itself maps its names to their homes.
    homes["fastlstm"] |= set(fastlstm.__all__)
    wrong = [
        f"{importer} imports {alias.name} from {node.module}"
        for importer, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in homes
        for alias in node.names
        if alias.name not in homes[node.module] and f"{node.module}.{alias.name}" not in homes
    ]
    assert wrong == []


def test_no_module_of_the_library_lists_a_name_of_another() -> None:
    listing = [
        name
        for name, tree in modules().items()
        if name.startswith("fastlstm.") and "__all__" in defined_in(tree)
    ]
    assert listing == []
