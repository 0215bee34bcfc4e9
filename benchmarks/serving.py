"""``fastlstm predict`` from shell to file: seconds and memory, in a process of its own each time."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.memory import source_config


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: of each round, from its start to its end.
        megabytes: most memory that its process, or one that it started, had at any moment.
    """

    seconds: list[float]
    megabytes: float

    @property
    def text(self) -> str:
        """Median, spread and memory for people."""
        middle = statistics.median(self.seconds)
        spread = (max(self.seconds) - min(self.seconds)) / 2 / middle
        return f"{middle:.2f} s ±{spread:.0%}, {self.megabytes:.0f} MB"

    def within(self, seconds: float, megabytes: float) -> bool:
        """Whether the median, and the memory, are below these."""
        return statistics.median(self.seconds) < seconds and self.megabytes < megabytes


def predict_example(config: str, rounds: int) -> Cost:
    """Forecast the source of a bundled config with a run of one epoch.

    Args:
        config: file of the config.
        rounds: how often, after one round that warms the disk's cache up.
    """
    with tempfile.TemporaryDirectory() as name:
        settings = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        file = Path(name) / "config.yaml"
        settings["hyperparameters"]["epochs"] = 1
        settings |= {"store": f"{name}/runs", "work": f"{name}/work"}
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        _train(file)
        return _cost(file, rounds, [])


def predict_panel(series: int, rows: int, rounds: int) -> Cost:
    """Forecast a generated panel, one window of each series, with prediction intervals.

    Args:
        series: number of series.
        rows: rows of each.
        rounds: see ``predict_example``.
    """
    with tempfile.TemporaryDirectory() as name:
        file = source_config(Path(name), series * rows, series, 1)
        _train(file)
        return _cost(file, rounds, ["--intervals", f"{name}/bounds.parquet"])


def _train(config: Path) -> None:
    """Store a run without Prefect."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.flow", str(config)], check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _cost(config: Path, rounds: int, options: list[str]) -> Cost:
    """Run ``fastlstm predict`` so often, with its newest run whatever its scores."""
    command = [sys.executable, "-m", "flows", "predict", str(config), *options]
    command += ["--run", _newest_run(config), "--output", str(config.with_name("forecast.csv"))]
    seconds, megabytes = [], 0.0
    for number in range(rounds + 1):
        begin = time.perf_counter()
        process = os.posix_spawn(
            sys.executable, command, os.environ, file_actions=[_silent(1), _silent(2)]
        )
        _, status, usage = os.wait4(process, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} ended with status {status}")
        if number:
            seconds.append(time.perf_counter() - begin)
            megabytes = max(megabytes, usage.ru_maxrss / 1024)
    return Cost(seconds, megabytes)


def _silent(descriptor: int) -> tuple[int, int, str, int, int]:
    """Have a process write a descriptor nowhere."""
    return os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_WRONLY, 0


def _newest_run(config: Path) -> str:
    """Id of the newest run in a config's store."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    store = config.parent / settings["store"] / settings["hyperparameters"]["model_name"]
    return str(max(folder.name for folder in store.iterdir() if folder.is_dir()))
