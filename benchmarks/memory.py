"""How much memory a whole retraining takes: all its processes together, on a generated table."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

_MINUTE = np.timedelta64(60_000_000, "us")


def _write_source(file: Path, rows: int, series: int, features: int) -> None:
    """A Parquet table of waves and noise, its rows shared evenly by the series."""
    rng, each = np.random.default_rng(0), rows // series
    moments = np.datetime64("2000-01-01", "us") + np.arange(each) * _MINUTE
    columns: dict[str, pa.Array] = {
        "time": pa.array(np.tile(moments, series)),
        "series": pa.array(np.repeat([f"s{n:05d}" for n in range(series)], each)),
    }
    for number in range(features):
        wave = np.sin(np.arange(rows) / (300 * (number + 1)))
        columns[f"f{number}"] = pa.array(wave + rng.normal(0, 0.3, rows))
    pq.write_table(pa.table(columns), file)


def source_config(folder: Path, rows: int, series: int, features: int) -> Path:
    """A config file, and the table it names, in a folder."""
    _write_source(folder / "table.parquet", rows, series, features)
    names = [f"f{number}" for number in range(features)]
    file = folder / "config.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "data": {
                    "path": "table.parquet", "time": "time", "series": "series",
                    "frequency": "1min", "features": names, "targets": ["f0"],
                },
                "hyperparameters": {
                    "model_name": "large", "LSTM_type": "regressor", "timesteps": 20,
                    "steps_ahead": 1, "epochs": 1, "batch_size": 4096, "save_X_Y_data": False,
                },
                "store": "runs",
                "work": "work",
            }
        ),
        encoding="utf-8",
    )  # fmt: skip
    return file


def peak_of_retraining(rows: int, series: int, features: int) -> tuple[float, float]:
    """Most gigabytes at any moment, and seconds, of ``fastlstm retrain`` and all it starts."""
    with tempfile.TemporaryDirectory() as name:
        config = source_config(Path(name), rows, series, features)
        begin = time.monotonic()
        peak = peak_of([str(Path(sys.executable).with_name("fastlstm")), "retrain", str(config)])
        return peak, time.monotonic() - begin


def peak_of(command: list[str]) -> float:
    """Most gigabytes at any moment of a command and all it starts.

    Proportional set sizes, so that memory that processes share counts once.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, gigabytes_of_all(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with code {process.returncode}")
    return peak


def processes_below(process: int) -> list[int]:
    """A process and all that it, or one of these, has started."""
    found = [process]
    with suppress(OSError):  # it has ended meanwhile
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += processes_below(int(child))
    return found


def gigabytes_of_all(process: int) -> float:
    """Memory of a process and of all below it; what they share counts once."""
    return sum(map(_gigabytes, processes_below(process)))


def _gigabytes(process: int) -> float:
    """Memory of a process, of what it shares its part."""
    return _gigabytes_in(process, "smaps_rollup", "Pss")


def resident_gigabytes(process: int) -> float:
    """Memory of a process that lies in no file, so that what it maps from disk does not count."""
    return _gigabytes_in(process, "status", "RssAnon")


def _gigabytes_in(process: int, file: str, field: str) -> float:
    """A size from a file of a process in /proc; 0 once the process has ended."""
    try:
        text = Path(f"/proc/{process}/{file}").read_text()
    except OSError:
        return 0.0
    size = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
    return int(size[1]) / 1e6 if size else 0.0
