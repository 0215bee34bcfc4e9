"""A retraining and a scoring of a panel of any size: rows a second, and the most memory of a process.

The source is made file by file, so that no process ever holds it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.memory import processes_below, resident_gigabytes

_ROOT = Path(__file__).parents[1]
_FEATURES = 5
_FILE_ROWS = 2_000_000
_HOUR = np.timedelta64(3_600_000_000, "us")
# Steps of a retraining whose time counts as that to the windows.
_TO_WINDOWS = ("check source", "load", "validate", "scale", "windows")
_STEP = re.compile(r"^\s*([\d.]+) s\s+([a-z ]+?)\s{2,}", re.MULTILINE)


def write_panel(folder: Path, rows: int, series: int) -> None:
    """A folder of Parquet files with hourly rows of a panel: daily waves and noise.

    Args:
        folder: it exists.
        rows: shared evenly by the series.
        series: their number.
    """
    rng, each = np.random.default_rng(0), rows // series
    times = np.datetime64("2000-01-01", "us") + np.arange(each) * _HOUR
    waves = np.sin(np.arange(each) * 2 * np.pi / 24)
    in_file = max(1, _FILE_ROWS // each)
    for number, first in enumerate(range(0, series, in_file)):
        labels = [f"s{name:06d}" for name in range(first, min(first + in_file, series))]
        columns = {
            "time": pa.array(np.tile(times, len(labels))),
            "series": pa.array(np.repeat(labels, each)),
        }
        for feature in range(_FEATURES):
            size = rng.uniform(1, 10, (len(labels), 1))
            noise = rng.normal(0, 0.3, (len(labels), each))
            columns[f"f{feature}"] = pa.array(np.round(size * (3 + waves + noise), 3).ravel())
        pq.write_table(pa.table(columns), folder / f"part-{number:05d}.parquet")


def measure_scale(rows: int, series: int, shard_rows: int) -> dict[str, Any]:
    """Retrain a panel once, with one epoch of 200,000 drawn windows.

    Args:
        rows: rows of the panel.
        series: their series.
        shard_rows: rows of a shard.

    Returns:
        Rows a second up to the windows, seconds of the retraining and of the forecasts of all series,
        and the most gigabytes of any process up to the windows, afterwards, and of the forecasts.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        write_panel(folder / "source", rows, series)
        (folder / "config.yaml").write_text(
            yaml.safe_dump(settings_of(shard_rows)), encoding="utf-8"
        )
        retraining = _watched(folder, "retrain", "config.yaml")
        ends = {step: float(seconds) for seconds, step in _STEP.findall(retraining.text)}
        scoring = _watched(folder, "predict", "config.yaml", "--output", "forecasts.parquet")
        return {
            "rows": rows,
            "series": series,
            "rows_a_second": round(rows / (ends["windows"] - ends["check source"])),
            "seconds": round(retraining.seconds),
            "gigabytes_to_windows": round(retraining.peaks[False], 2),
            "gigabytes_after": round(retraining.peaks[True], 2),
            "steps": ends,
            "seconds_of_forecasts": round(scoring.seconds),
            "gigabytes_of_forecasts": round(max(scoring.peaks.values()), 2),
            "forecast_series": _forecast_series(folder),
        }


@dataclass(frozen=True)
class _Watched:
    """A command that has ended.

    Attributes:
        text: what it printed.
        seconds: how long it took.
        peaks: the most gigabytes of any of its processes, before there were windows and afterwards.
    """

    text: str
    seconds: float
    peaks: dict[bool, float]


def _watched(folder: Path, *words: str) -> _Watched:
    """Run a command of ours in a folder and look at the memory of its processes."""
    log, peaks, begin = folder / f"{words[0]}.log", {False: 0.0, True: 0.0}, time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", *words],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )  # fmt: skip
        while process.poll() is None:
            has_windows = any((folder / "work" / "windows").glob("[0-9a-f]*"))
            now = max(map(resident_gigabytes, processes_below(process.pid)), default=0.0)
            peaks[has_windows] = max(peaks[has_windows], now)
            time.sleep(0.1)
    text = log.read_text()
    if process.returncode:
        raise SystemExit(f"'{words[0]}' ended with code {process.returncode}:\n{text[-2000:]}")
    return _Watched(text, time.monotonic() - begin, peaks)


def _forecast_series(folder: Path) -> int:
    """Number of series with forecasts."""
    (file,) = folder.glob("*forecasts*.parquet")
    return len(pq.read_table(file, columns=["series"]).column(0).unique())


def settings_of(shard_rows: int) -> dict[str, Any]:
    """The settings of a retraining in a folder, with the source and the work there.

    Args:
        shard_rows: rows of a shard.
    """
    names = [f"f{number}" for number in range(_FEATURES)]
    return {
        "data": {
            "path": "source", "time": "time", "series": "series", "frequency": "1h",
            "features": names, "targets": ["f0"], "calendar": [],
        },
        "hyperparameters": {
            "model_name": "large", "LSTM_type": "regressor", "timesteps": 24, "steps_ahead": 1,
            "epochs": 1, "windows_per_epoch": 200_000, "batch_size": 1024, "refit": False,
            "save_X_Y_data": False,
        },
        "execution": {"shard_rows": shard_rows},
        "store": "runs",
        "work": "work",
    }  # fmt: skip


if __name__ == "__main__":
    given = [int(float(value)) for value in sys.argv[1:]]
    print(measure_scale(*given))
