"""Contestants: commands as a user types them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.contest import Entry


def command(arguments: list[str]) -> Entry:
    """A command; ``python`` is this one, ``fastlstm`` the one installed with it."""
    installed = {name: str(Path(sys.executable).with_name(name)) for name in ("python", "fastlstm")}
    line = [installed.get(arguments[0], arguments[0]), *arguments[1:]]

    def work() -> None:
        subprocess.run(line, check=True, capture_output=True)

    return Entry(work, 1)


def unchanged(config: str) -> Entry:
    """The second ``fastlstm retrain`` of a config, with nothing new."""
    kept = tempfile.TemporaryDirectory()
    settings = yaml.safe_load(Path(config).read_text())
    settings |= {"store": f"{kept.name}/runs", "work": f"{kept.name}/work"}
    settings["hyperparameters"]["epochs"] = 1
    file = Path(kept.name) / "config.yaml"
    file.write_text(yaml.safe_dump(settings))

    def work() -> None:
        command(["fastlstm", "retrain", f"{kept.name}/config.yaml"]).work()

    work()
    return Entry(work, 1)
