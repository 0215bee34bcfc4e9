"""Where a retraining spends its time, by what the command tells of its stages."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

# A line of the console when a stage has ended: seconds since the first line, and its name.
_ENDED = re.compile(r"^\s*(\d+\.\d) s  ([a-z ]+?)\s{2,}(.*)$")


@dataclass(frozen=True)
class Stages:
    """A retraining's seconds by stage.

    Attributes:
        seconds: of each stage, in their order; the first is Prefect's start, the last its end.
        error: what the line of the evaluation tells, e.g. 'MAE 4.28 on 3,891 test windows'.
        whole: seconds of the command.
    """

    seconds: dict[str, float]
    error: str
    whole: float


def stages_of(lines: list[tuple[float, str]], whole: float) -> Stages:
    """Seconds by stage, of lines of the console.

    Args:
        lines: when each was printed, in seconds since the command began, and its text.
        whole: seconds of the command.
    """
    seconds: dict[str, float] = {}
    before, error = 0.0, ""
    for at, line in lines:
        found = _ENDED.match(line)
        if not found:
            continue
        name = found[2] if seconds else "start"
        seconds[name] = seconds.get(name, 0.0) + at - before
        before = at
        if name == "evaluate":
            error = found[3]
    seconds["end"] = whole - before
    return Stages(seconds, error, whole)


def retrain_by_stage(config: str) -> Stages:
    """Retrain with an empty work folder and store.

    Args:
        config: file of the settings.

    Raises:
        subprocess.CalledProcessError: the command fails.
    """
    settings = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config.yaml"
        own = {"store": f"{name}/runs", "work": f"{name}/work"}
        file.write_text(yaml.safe_dump({**settings, **own}), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("fastlstm")), "retrain", str(file)]
        begin, lines = time.monotonic(), []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append((time.monotonic() - begin, line.rstrip()))
        whole = time.monotonic() - begin
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return stages_of(lines, whole)
