"""Contestants: windows to Parquet, and windows from Parquet into batches."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contest import Entry
from fastlstm.artifacts.folders import write_manifest
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.windows.parquet import WindowDataset, write_windows
from fastlstm.windows.planning import plan_windows

FEATURES = 10
BATCH = 128


def table(rows: int, series: int, features: int = FEATURES) -> tuple[pd.DataFrame, Cuts]:
    """A scaled table of daily waves and noise, one row a minute, and where it is cut."""
    rng, each = np.random.default_rng(0), rows // series
    minute = np.tile(np.arange(each), series)
    wave = np.sin(2 * np.pi * minute / 1440)[:, None] * rng.normal(size=features)
    values = (wave + 0.1 * rng.normal(size=(len(minute), features))).astype(np.float32)
    start = np.datetime64("2020-01-01", "us")
    times = start + minute.astype("timedelta64[m]").astype("timedelta64[us]")
    number = np.repeat(np.arange(series), each)
    frame = pd.DataFrame(
        {
            TIME: pd.DatetimeIndex(times).tz_localize("UTC"),
            SERIES: np.char.add("s", number.astype(str)).astype(object),
            SEGMENT: number,
            **{f"x.f{i}": values[:, i] for i in range(features)},
            "y.f0": values[:, 0],
        }
    )
    first = int(start.astype(np.int64))
    cuts = Cuts(*(first + int(each * share) * 60_000_000 for share in (0.7, 0.85)))
    return frame, cuts


def write_into(
    folder: Path, frame: pd.DataFrame, cuts: Cuts, timesteps: int, features: int = FEATURES
) -> dict[str, Any]:
    """What the pipeline's step ``windows`` does."""
    return write_windows(
        folder, frame, features=[f"f{i}" for i in range(features)], targets=["f0"],
        timesteps=timesteps, steps_ahead=1, lookahead=0, cuts=cuts,
    )  # fmt: skip


def write(rows: int, series: int, timesteps: int, features: int = FEATURES) -> Entry:
    """Windows to Parquet."""
    frame, cuts = table(rows, series, features)

    def work() -> None:
        with tempfile.TemporaryDirectory() as name:
            write_into(Path(name), frame, cuts, timesteps, features)

    # Counted without writing, so that the first round's memory is seen.
    planned = plan_windows(frame, frame["y.f0"].notna().to_numpy(), timesteps, 1, cuts)
    return Entry(work, sum(len(origins) for origins in planned.values()))


def disk_share(rows: int, timesteps: int) -> float:
    """Bytes of the windows on disk as a multiple of the scaled rows' bytes."""
    frame, cuts = table(rows, 1)
    with tempfile.TemporaryDirectory() as name:
        write_into(Path(name), frame, cuts, timesteps)
        size = sum(file.stat().st_size for file in Path(name).rglob("*.parquet"))
    return size / (rows * FEATURES * 4)


def _summed(batches: Iterator[tuple[Any, Any]]) -> np.ndarray:
    """Sums that do not depend on the order of the windows."""
    total = np.zeros(3)
    for x, y in batches:
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        total += [len(x), x.sum(), (x.sum(axis=(1, 2)) * y.reshape(len(y), -1)[:, 0]).sum()]
    return np.asarray(total / total[0])


def read_ours(rows: int, timesteps: int, epochs: int) -> Entry:
    """From Parquet, reshuffled in each epoch."""
    frame, cuts = table(rows, 1)
    kept = tempfile.TemporaryDirectory()
    folder = Path(kept.name)
    write_manifest(folder, write_into(folder, frame, cuts, timesteps))

    def work() -> None:
        dataset = WindowDataset(Path(kept.name))  # reopened, so that each round reads from disk
        for epoch in range(epochs):
            for _ in dataset.batches("train", BATCH, (0, epoch)):
                pass

    dataset = WindowDataset(folder)
    check = _summed(dataset.batches("train", BATCH, (0, 0)))
    return Entry(work, epochs * dataset.count("train"), check, 1e-3)


def _arrays(rows: int) -> tuple[np.ndarray, np.ndarray]:
    frame, cuts = table(rows, 1)
    train = frame[(frame[TIME].astype("int64") < cuts.validation).to_numpy()]
    x = train[[f"x.f{i}" for i in range(FEATURES)]].to_numpy(np.float32)
    return x, train[["y.f0"]].to_numpy(np.float32)


def read_keras(rows: int, timesteps: int, batches: int) -> Entry:
    """``keras.utils.timeseries_dataset_from_array`` over the table in memory; some of its batches."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    x, y = _arrays(rows)
    made = keras.utils.timeseries_dataset_from_array(
        x[:-1], y[timesteps:], timesteps, batch_size=BATCH, shuffle=True, seed=0
    )

    def work() -> None:
        for _ in made.take(batches):
            pass

    return Entry(work, batches * BATCH)


def read_generator(rows: int, timesteps: int, batches: int) -> Entry:
    """A Python generator of single windows over the table in memory, as fastLSTM 1.0's users had it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    x, y = _arrays(rows)

    def windows() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in np.random.default_rng(0).permutation(len(x) - timesteps):
            yield x[start : start + timesteps], y[start + timesteps]

    signature = (tf.TensorSpec((timesteps, FEATURES)), tf.TensorSpec((1,)))
    made = tf.data.Dataset.from_generator(windows, output_signature=signature).batch(BATCH)

    def work() -> None:
        for _ in made.take(batches):
            pass

    return Entry(work, batches * BATCH)
