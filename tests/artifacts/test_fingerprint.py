"""What the fingerprint of the code covers."""

from __future__ import annotations

from pathlib import Path

import fastlstm
from fastlstm.artifacts import fingerprint


def test_the_code_version_covers_every_file_of_the_package():
    """A change in any module must redo what it had a part in, wherever the module lies."""
    root = Path(fastlstm.__file__).parent
    every = {file.relative_to(root).as_posix() for file in root.rglob("*.py")}
    assert set(fingerprint._sources()) == every
    assert "__init__.py" in every and len({Path(name).parent for name in every}) > 1


def test_a_changed_file_in_another_package_changes_the_code_version(monkeypatch):
    fingerprint.code_version.cache_clear()
    before = fingerprint.code_version()
    right = fingerprint._sources
    changed = {**right(), "config/data.py": "0" * 64}
    monkeypatch.setattr(fingerprint, "_sources", lambda: changed)
    fingerprint.code_version.cache_clear()
    assert fingerprint.code_version() != before
    monkeypatch.undo()
    fingerprint.code_version.cache_clear()
