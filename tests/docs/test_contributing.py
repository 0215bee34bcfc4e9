"""The map of CONTRIBUTING.md against the folders of the repository."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Folders with a map of their own folders; `docs` and the like have one line each.
MAPPED = ("fastlstm", "tasks", "flows", "tests")


def _map_text() -> str:
    """The lines of the map."""
    block = re.search(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert block is not None
    return block[1]


def _map() -> dict[str, list[str]]:
    """Each top folder of the map, with the folders that stand below it, in order."""
    folders: dict[str, list[str]] = {}
    for line in _map_text().splitlines():
        if found := re.match(r"( *)(\w+)/ ", line):
            if found[1]:
                folders[list(folders)[-1]].append(found[2])
            else:
                folders[found[2]] = []
    return folders


def _folders(top: str) -> set[str]:
    """The folders of ``top`` that hold files of the repository."""
    return {
        child.name
        for child in (ROOT / top).iterdir()
        if child.is_dir() and child.name != "__pycache__" and not child.name.startswith(".")
        and any(file.suffix != ".pyc" for file in child.rglob("*") if file.is_file())
    }  # fmt: skip


def test_the_map_names_every_folder_and_no_other() -> None:
    folders = _map()
    named_like_a_package = set(folders) | set(folders["fastlstm"])
    for top in MAPPED:
        found = _folders(top) - (named_like_a_package if top == "tests" else set())
        assert set(folders[top]) == found, top


def test_each_line_of_the_map_has_a_description() -> None:
    for line in re.findall(r"^ *\w+/.*$", _map_text(), re.MULTILINE):
        assert re.fullmatch(r" *\w+/ +\S.{10,}", line), line


def test_the_blocks_of_the_map_are_the_layers_that_lint_checks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in settings["contracts"] if c.get("containers") == ["fastlstm"])
    library = re.search(r"^fastlstm/.*?(?=^\w)", _map_text(), re.DOTALL | re.MULTILINE)
    assert library is not None
    blocks = [re.findall(r"^  (\w+)/", block, re.MULTILINE) for block in library[0].split("\n\n")]
    assert [sorted(block) for block in blocks if block] == [
        sorted(layer.split(" | "))
        for layer in layers
        if layer not in ("errors", "escaping | redaction")
    ]
