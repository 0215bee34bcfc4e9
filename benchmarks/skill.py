"""Forecast real series by the protocol of the papers, with the library's defaults.

``python -m benchmarks.skill --data DIR``. Each table in DIR is split by rows (hourly ETT sets: 12, 4
and 4 months of 30 days; others 7:1:2), standardised by the mean and deviation of its train rows, and
forecast in all its columns at once; every window of the test split is scored (stride 1, none dropped;
its inputs may reach back into the split before). MSE and MAE are of standardised values, averaged over
windows, steps and columns. Nothing is tuned to a set: the same rules give look-back and windows per
epoch for all, and seasons are looked for in the train rows where there are dates, as elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.fingerprint import library_versions
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.seasons import FoundSeasons, SeasonSearch, season_candidates
from fastlstm.data.split import Cuts
from fastlstm.errors import DataError
from fastlstm.evaluation.baselines import naive, seasonal_naive
from fastlstm.network.build import use_fitting_threads
from fastlstm.network.inference import predict
from fastlstm.training.combination import Combination
from fastlstm.training.fit import fit
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import target_windows

HORIZONS = (96, 192, 336, 720)
# The longest of these whose tenfold is still less than the train rows.
_LOOK_BACKS = (720, 336, 96)
# What one training may cost, the same for every set: sequences (windows times columns) of an epoch, and
# epochs. Two cores take about a minute for it.
_SEQUENCES_PER_EPOCH = 12_000
_EPOCHS = 8
_MONTH = 30 * 24


@dataclass(frozen=True)
class Table:
    """A table ready to be forecast.

    Attributes:
        name: of its file.
        values: standardised by the train rows, float32 ``(n, n_columns)``.
        cuts: first rows of validation and test.
        frequency: of its dates, a pandas offset; None for a table without dates.
    """

    name: str
    values: np.ndarray
    cuts: Cuts
    frequency: str | None

    @property
    def season(self) -> int | None:
        """Rows in the shortest season that the frequency allows."""
        return next(iter(season_candidates(self.frequency)), None)


def read(file: Path) -> Table:
    """A table of a CSV (first column ``date``), or of numbers without header, packed or not."""
    name = file.name.split(".")[0]
    first = pd.read_csv(file, nrows=1, header=None).iloc[0, 0]
    dated = str(first).strip().lower() == "date"
    frame = pd.read_csv(file, header=0 if dated else None)
    frequency = None
    if dated:
        step = pd.to_datetime(frame.pop("date")).diff().median()
        frequency = pd.tseries.frequencies.to_offset(step).freqstr
    values = frame.to_numpy(np.float64)
    if name.startswith("ETT"):
        rows_a_month = _MONTH * (4 if name.startswith("ETTm") else 1)
        train, validation = 12 * rows_a_month, 16 * rows_a_month
        values = values[: 20 * rows_a_month]
    else:
        train, validation = int(len(values) * 0.7), len(values) - int(len(values) * 0.2)
    scaled = (values - values[:train].mean(axis=0)) / values[:train].std(axis=0)
    return Table(name, scaled.astype(np.float32), Cuts(train, validation), frequency)


def hyperparameters(table: Table, horizon: int, seed: int, **given: Any) -> Hyperparameters:
    """The library's defaults, with a look-back and windows per epoch by the same rule for every set."""
    fitting = [rows for rows in _LOOK_BACKS if table.cuts.validation >= 10 * rows]
    per_epoch = max(64, _SEQUENCES_PER_EPOCH // table.values.shape[1])
    return Hyperparameters.model_validate(
        {
            "LSTM_type": "regressor",
            "timesteps": fitting[0] if fitting else _LOOK_BACKS[-1],
            "steps_ahead": horizon,
            "windows_per_epoch": per_epoch,
            "epochs": _EPOCHS,
            "seed": seed,
            **given,
        }
    )


def windows(table: Table, hp: Hyperparameters) -> RowWindows:
    """The table's windows; its columns are features and targets."""
    count = len(table.values)
    names = [f"column_{number}" for number in range(table.values.shape[1])]
    frame = pd.DataFrame(
        {
            SERIES: "",
            TIME: pd.to_datetime(np.arange(count), unit="us", utc=True),
            SEGMENT: np.zeros(count, np.int64),
        }
    )
    return RowWindows(
        frame,
        table.values,
        table.values,
        features=names,
        targets=names,
        timesteps=hp.timesteps,
        steps_ahead=hp.steps_ahead,
        cuts=table.cuts,
        time_unit="row",
        seasons=seasons(table, frame, hp.steps_ahead),
    )


def seasons(table: Table, frame: pd.DataFrame, steps_ahead: int) -> FoundSeasons:
    """The seasons that the train rows show, as the class and the pipeline look for them."""
    columns = pd.DataFrame(table.values)
    search = SeasonSearch(table.frequency, None, steps_ahead)
    return search.in_table(frame, columns, table.cuts.validation)


def errors(model: Any, dataset: RowWindows, split: str) -> tuple[float, float]:
    """MSE and MAE over a split, window by window, in bounded memory."""
    squared = absolute = 0.0
    count = 0
    for x, y in dataset.batches(split, 256):
        error = predict(model, x) - y.reshape(len(y), -1)
        squared += float(np.square(error, dtype=np.float64).sum())
        absolute += float(np.abs(error).sum(dtype=np.float64))
        count += error.size
    return squared / count, absolute / count


def naive_errors(table: Table, dataset: RowWindows, horizon: int) -> dict[str, tuple[float, float]]:
    """MSE and MAE of the last value and the last season on the test windows."""
    rows = dataset.origin_rows("test")
    values, segment = table.values, np.zeros(len(table.values), np.int64)
    sums: dict[str, np.ndarray] = {}
    for start in range(0, len(rows), 512):
        some = rows[start : start + 512]
        truth = target_windows(values, some, horizon)
        made = {"last value": naive(values, segment, some, horizon)}
        if table.season:
            made["last season"] = seasonal_naive(values, segment, some, horizon, table.season)
        for name, forecast in made.items():
            error = np.abs(forecast - truth).astype(np.float64)
            found = np.array([(error**2).sum(), error.sum()])
            sums[name] = sums.get(name, 0) + found
    size = len(rows) * horizon * values.shape[1]
    return {name: (float(s / size), float(a / size)) for name, (s, a) in sums.items()}


def score(file: str, horizon: int, seed: int) -> dict[str, Any]:
    """Train once and score every test window; to run in a process of its own.

    Of a set too short for the horizon it returns ``too_short`` instead.
    """
    begin = time.monotonic()
    table = read(Path(file))
    hp = hyperparameters(table, horizon, seed)
    about = {"set": table.name, "horizon": horizon, "seed": seed, "look_back": hp.timesteps}
    try:
        dataset = windows(table, hp)
    except DataError as error:
        return {**about, "too_short": str(error)}
    names = dataset.manifest["features"]
    use_fitting_threads(hp, names, names, dataset.count("train"))
    trained = fit(dataset, hp)
    mse, mae = errors(trained.model, dataset, "test")
    combination = trained.finding(Combination)
    return {
        **about,
        "windows": dataset.count("test"),
        "mse": mse,
        "mae": mae,
        "epochs": len(trained.history),
        "trust": 1.0 if combination is None else combination.trust,
        "naive_errors": naive_errors(table, dataset, horizon),
        "gpu": _gpu(),
        "seconds": time.monotonic() - begin,
    }


def _gpu() -> str | None:
    """Name of the GPU that TensorFlow computes on."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return (
        str(tf.config.experimental.get_device_details(found[0])["device_name"]) if found else None
    )


def _in_process_of_its_own(file: Path, horizon: int, seed: int) -> dict[str, Any]:
    """A network's graph and its threads are gone with its process."""
    code = (
        "import json, sys; from benchmarks.skill import score; "
        "print(json.dumps(score(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(horizon), str(seed)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cell(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def table_of(found: list[dict[str, Any]]) -> list[str]:
    """Markdown lines: a row for each set and horizon."""
    lines = [
        "| set | horizon | look-back | test windows | MSE | MAE | last value | last season | "
        "mean trust | seconds a seed |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    cells = sorted({(row["set"], row["horizon"]) for row in found})
    for name, horizon in cells:
        rows = [row for row in found if (row["set"], row["horizon"]) == (name, horizon)]
        first = rows[0]
        if "too_short" in first:
            lines.append(f"| {name} | {horizon} | {first['look_back']} | 0 |{' – |' * 6}")
            continue
        errors = {n: f"{s:.3f} / {a:.3f}" for n, (s, a) in first["naive_errors"].items()}
        lines.append(
            f"| {name} | {horizon} | {first['look_back']} | {first['windows']:,} | "
            f"{_cell([r['mse'] for r in rows])} | {_cell([r['mae'] for r in rows])} | "
            f"{errors['last value']} | {errors.get('last season', '–')} | "
            f"{np.mean([r['trust'] for r in rows]):.2f} | "
            f"{np.mean([r['seconds'] for r in rows]):.0f} |"
        )
    return lines


def main() -> None:
    """Score every table of a folder and write ``benchmarks/SKILL.md``."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument(
        "--data", type=Path, required=True, help="folder of CSV or .txt.gz files"
    )
    arguments.add_argument("--sets", nargs="*", help="names of files to score, without ending")
    arguments.add_argument("--horizons", nargs="*", type=int, default=list(HORIZONS))
    arguments.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2, 3, 4])
    arguments.add_argument("--output", type=Path, default=Path(__file__).with_name("SKILL.md"))
    arguments.add_argument(
        "--at-once", type=int, default=os.cpu_count() or 1,
        help="trainings at the same time, without it one for each core; 1 where a GPU is",
    )  # fmt: skip
    given = arguments.parse_args()
    begin = time.monotonic()
    files = sorted(
        file
        for file in given.data.iterdir()
        if file.name.endswith((".csv", ".csv.gz", ".txt", ".txt.gz"))
        and (not given.sets or file.name.split(".")[0] in given.sets)
    )
    if not files:
        raise SystemExit(f"{given.data}: holds no .csv or .txt file of the sets asked for")
    found: list[dict[str, Any]] = []
    gpu: str | None = None
    wanted = list(product(files, given.horizons, given.seeds))
    pool = ThreadPoolExecutor(given.at_once)
    for row in pool.map(lambda one: _in_process_of_its_own(*one), wanted):
        found.append(row)
        line = row.get("too_short")
        if line is None:
            gpu = row["gpu"]
            line = (
                f"MSE {row['mse']:.3f} MAE {row['mae']:.3f}, {row['epochs']} epochs, "
                f"{row['seconds']:.0f} s"
            )
        print(f"{row['set']} {row['horizon']} seed {row['seed']}: {line}", flush=True)
        text = [
            "# Skill on the papers' series",
            "",
            f"Made by `python -m benchmarks.skill --data DIR` on {datetime.now(UTC):%Y-%m-%d}; "
            f"{os.cpu_count()} cores, {gpu or 'no GPU'}, TensorFlow "
            f"{library_versions()['tensorflow']}; {len(found)} trainings, {given.at_once} at a time, "
            f"in {(time.monotonic() - begin) / 60:.0f} minutes. Mean and "
            f"deviation over the seeds {', '.join(map(str, given.seeds))}, on "
            "standardised values; last value and last season as MSE / MAE. Mean trust is the weight "
            "of LSTM and ridge regression in the forecast, mean over seeds, steps and columns.",
            "",
            *table_of(found),
        ]
        given.output.write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(table_of(found)))


if __name__ == "__main__":
    main()
