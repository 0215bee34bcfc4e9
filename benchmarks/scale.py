"""A retraining of a panel of any size: rows a second to the windows, and the most memory of a process.

The source is made file by file, so that no process ever holds it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.memory import processes_below, resident_gigabytes

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
        Rows a second up to the windows, seconds of all, and the most gigabytes of any process up to the
        windows and afterwards.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        write_panel(folder / "source", rows, series)
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(_settings(shard_rows)), encoding="utf-8")
        log, peaks, begin = folder / "log", {False: 0.0, True: 0.0}, time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows", "retrain", str(config)],
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            while process.poll() is None:
                has_windows = any((folder / "work" / "windows").glob("[0-9a-f]*"))
                now = max(map(resident_gigabytes, processes_below(process.pid)), default=0.0)
                peaks[has_windows] = max(peaks[has_windows], now)
                time.sleep(0.1)
        text = log.read_text()
        if process.returncode:
            raise SystemExit(
                f"the retraining ended with code {process.returncode}:\n{text[-2000:]}"
            )
        ends = {step: float(seconds) for seconds, step in _STEP.findall(text)}
        seconds = ends["windows"] - ends["check source"]
        return {
            "rows": rows,
            "series": series,
            "rows_a_second": round(rows / seconds),
            "seconds": round(time.monotonic() - begin),
            "gigabytes_to_windows": round(peaks[False], 2),
            "gigabytes_after": round(peaks[True], 2),
            "steps": ends,
        }


def _settings(shard_rows: int) -> dict[str, Any]:
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
