"""How large the store, the work folder, the memory and Prefect's database become.

``python -m benchmarks.sizes [--tables NAME …] [--nights N] [--data FOLDER]`` prints one line of Markdown
for each table, and one for what each flow adds to the database of a Prefect server.

A training lasts one epoch of few windows, of one network: what is stored depends on rows, series,
look-back and horizon, not on how long the networks learned.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.memory import peak_of
from benchmarks.table_environment import Environment, default_cache
from benchmarks.table_product import config as settings_of_task
from benchmarks.table_tasks import tasks
from deployments.local_s3 import free_ports
from fastlstm.data.files import source_files
from fastlstm.registry.folder_store import FolderStore

_ROOT = Path(__file__).parents[1]
_TABLES = ("visits_daily", "weather", "tourism_monthly", "m4_hourly")
# Prefect writes its events with a delay.
_SETTLED_SECONDS = 15.0


@dataclass(frozen=True)
class Sizes:
    """What one retraining of a table leaves behind.

    Attributes:
        rows, series: of the table.
        look_back, horizon: rows of a window.
        run: bytes of the stored run.
        run_rows: bytes of its CSV files of the rows.
        work: bytes of the work folder.
        memory: most gigabytes of all its processes.
    """

    rows: int
    series: int
    look_back: int
    horizon: int
    run: int
    run_rows: int
    work: int
    memory: float


def _bytes(files: Iterator[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose training lasts one epoch of few windows, of one network."""
    fast = {"epochs": 1, "windows_per_epoch": 2_000, "ensemble_size": 1}
    return {**settings, "hyperparameters": {**settings["hyperparameters"], **fast}}


def _write_config(name: str, home: Path, data: Path) -> dict[str, Any]:
    """The config of a table in a folder, beside its rows."""
    if name == "weather":
        file = _ROOT / "deployments" / "weather_temperature.yaml"
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        settings |= {"store": str(home / "runs"), "work": str(home / "work")}
    else:
        (task,) = tasks([name], data, Environment(default_cache()))
        task.rows.to_parquet(home / "rows.parquet", index=False)
        settings = settings_of_task(task, 0, home / "rows.parquet", home)
    settings = _short(settings)
    (home / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    return settings


def measure_sizes(name: str, data: Path) -> Sizes:
    """Retrain a table once in an empty folder.

    Args:
        name: of the table, see ``benchmarks.table_sets``; ``weather`` is the bundled example.
        data: folder of the competitions' files.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = _write_config(name, home, data)
        peak = peak_of([sys.executable, "-m", "flows", "retrain", str(home / "config.yaml")])
        store, hp = FolderStore(home / "runs"), settings["hyperparameters"]
        (entry,) = store.runs(hp["model_name"])
        run = store.run_folder(hp["model_name"], entry.run_id)
        label = settings["data"].get("series")
        (clean,) = (home / "work" / "validate").glob("[0-9a-f]*/*.parquet")
        rows = pd.read_parquet(clean)
        return Sizes(
            len(rows), rows["__series"].nunique() if label else 1, hp["timesteps"],
            hp["steps_ahead"], _bytes(run.rglob("*")), _bytes(run.glob("*_data FOR*")),
            _bytes((home / "work").rglob("*")), peak,
        )  # fmt: skip


def _database_bytes(file: Path) -> tuple[int, int]:
    """Bytes in use in Prefect's database, and those of its events."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (page,) = database.execute("PRAGMA page_size").fetchone()
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        (events,) = database.execute(
            "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name LIKE '%event%'"
        ).fetchone()
    return page * (pages - free), events


def measure_nights(nights: int) -> list[tuple[str, int, int]]:
    """Bytes that each flow adds to the database of a Prefect server, and how many of them are events.

    The flows of ``deployments.serve`` on the bundled temperature of three airports: each night the
    source has one day more, the model is trained, the newest rows are forecast, and both are monitored.

    Args:
        nights: how many.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (port,) = free_ports(1)
        settings = _write_config("weather", home, home)
        rows = _recent_weather(settings["data"]["path"])
        settings["data"] |= {"path": str(home / "rows.csv")}
        config = home / "config.yaml"
        config.write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
        model, ends = settings["hyperparameters"]["model_name"], rows["time_hour"].max()
        environment = {**os.environ, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        with _served(config, port):
            before = _settled(home)
            for night in range(nights):
                last = ends - pd.Timedelta(days=nights - night - 1)
                rows[rows["time_hour"] <= last].to_csv(home / "rows.csv", index=False)
                for deployment in _NIGHTLY:
                    subprocess.run(
                        [str(Path(sys.executable).with_name("prefect")), "--no-prompt", "deployment",
                         "run", f"{deployment}-{model}", "--watch"],
                        env=environment, stdout=subprocess.DEVNULL, check=False,
                    )  # fmt: skip
                    now = _settled(home)
                    found.append((deployment, now[0] - before[0], now[1] - before[1]))
                    before = now
    return found


_NIGHTLY = ("retrain/retrain-nightly", "predict/score-hourly", "monitor/monitor-daily")


@contextmanager
def _served(config: Path, port: int) -> Iterator[None]:
    """``deployments.serve`` of a config, its Prefect server ready."""
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.serve", str(config), "--port", str(port)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "upkeep-weekly" in line:
                break
        yield
    finally:
        process.terminate()
        process.wait()


def _recent_weather(path: str) -> pd.DataFrame:
    """The rows of the example, as if their last hour were the present one."""
    (file,) = source_files(path).files
    rows = pd.read_csv(file.path)
    times = pd.to_datetime(rows["time_hour"], utc=True)
    return rows.assign(time_hour=times + (pd.Timestamp.now("UTC").floor("h") - times.max()))


def _settled(home: Path) -> tuple[int, int]:
    time.sleep(_SETTLED_SECONDS)
    return _database_bytes(home / "fastlstm-data" / "prefect" / "prefect.db")


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.2g} MB" if size < 10e6 else f"{size / 1e6:.0f} MB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("--tables", nargs="*", default=_TABLES)
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    for name in arguments.tables:
        found = measure_sizes(name, arguments.data)
        print(
            f"| {name} | {found.rows:,} | {found.series} | {found.look_back}, {found.horizon} "
            f"| {_megabytes(found.run)} | {_megabytes(found.run - found.run_rows)} "
            f"| {_megabytes(found.work)} | {found.memory:.2g} GB |", flush=True,
        )  # fmt: skip
    for deployment, size, events in measure_nights(arguments.nights) if arguments.nights else ():
        print(
            f"{deployment}: {size / 1e6:.2f} MB, of which events {events / 1e6:.2f} MB", flush=True
        )


if __name__ == "__main__":
    main()
