"""Every command of the pages on backups, moves, upgrades and changed columns is run, in this order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fastlstm.registry.folder_store import FolderStore
from flows.cli.main import main
from tests.conftest import ROOT, build_settings

PAGES = [
    ROOT / "docs" / "how-to" / f"{name}.md" for name in ("back-up", "upgrade", "changed-columns")
]
STORED = ROOT / "tests" / "stored_runs" / "small"


@pytest.fixture
def installation(tmp_path, monkeypatch):
    """A folder with a config, a store with two champions after each other, and a bucket like it."""
    shutil.copytree(STORED, tmp_path / "runs" / "small")
    store = FolderStore(tmp_path / "runs")
    for entry in store.runs("small"):
        store.update_champion("small", lambda r, run=entry.run_id: r.promoted(run, "better"))
    settings = {**build_settings(tmp_path), "store": "runs", "work": "work"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    shutil.copytree(tmp_path / "runs", tmp_path / "acme-models" / "production")
    monkeypatch.chdir(tmp_path)
    for remote in ("LIVE", "SAFE"):
        monkeypatch.setenv(f"RCLONE_CONFIG_{remote}_TYPE", "local")
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/null")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def commands():
    text = "".join(page.read_text() for page in PAGES)
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def run(command):
    """Run a command, of this project in this process."""
    name, *arguments = shlex.split(command)
    if name == "fastlstm":
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, f"{command}: {done.output}"
        return done.output
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_commands_that_train_nothing(installation):
    listed = [command for command in commands() if not command.startswith("fastlstm retrain")]
    assert len(listed) > 12
    outputs = {command: run(command) for command in listed}
    first, second = sorted(path.name for path in STORED.iterdir() if path.is_dir())
    assert "2 whole runs of 1 models, 0 problems" in outputs["fastlstm verify backup"]
    assert f"champion of 'small': {first}" in outputs["fastlstm rollback my.yaml"]
    promoted = next(text for command, text in outputs.items() if " promote " in command)
    assert f"champion of 'small': {second}" in promoted
    copied = FolderStore(installation / "acme-backup" / "production")
    assert copied.champion("small").champion == second and len(copied.runs("small")) == 2


@pytest.mark.soak
def test_all_commands_as_a_user_runs_them(installation):
    for command in commands():
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
