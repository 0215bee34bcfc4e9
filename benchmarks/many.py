"""Many models: the same groups retrained with one worker and with two, by the real command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fastlstm.registry.folder_store import FolderStore
from fastlstm.steps.worker_pool import WorkerPool

ROWS, EPOCHS = 2_000, 10


@dataclass(frozen=True)
class Models:
    """What was measured.

    Attributes:
        groups: number of models.
        seconds: time of the retraining of all, by number of workers.
        starts: seconds from the call of a group to its first message, of each after the first.
        same: whether all numbers of workers, and a process for one group alone, gave the same weights.
    """

    groups: int
    seconds: dict[int, float]
    starts: list[float]
    same: bool


def measure(groups: int) -> Models:
    """Retrain the models of so many groups with one worker and with two.

    Args:
        groups: number of groups, of ``ROWS`` rows each.
    """
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        _write_table(home / "table.csv", groups)
        seconds, weights = {}, []
        for workers in (1, 2):
            config = _write_config(home, f"{workers}", models_by=["region"], workers=workers)
            seconds[workers] = _retrain(config)
            weights.append(_weights(home / f"runs {workers}", "many"))
        alone = _alone(home)
        first = min(weights[0])
        same = weights[0] == weights[1] and weights[0][first] == alone
        return Models(groups, seconds, _starts(home), same)


def _write_table(file: Path, groups: int) -> None:
    """Hourly rows of each group: a daily wave, a slow walk and noise about a level of its own."""
    rng, hours = np.random.default_rng(0), np.arange(ROWS)
    times = pd.date_range("2026-01-01", periods=ROWS, freq="1h").strftime("%Y-%m-%dT%H:%M:%S")
    for number in range(groups):
        wave = 5 * np.sin(2 * np.pi * hours / 24 + number)
        walk = rng.normal(size=ROWS).cumsum() * 0.05
        part = pd.DataFrame(
            {
                "time": times,
                "region": f"r{number:03d}",
                "y": 10 * (number + 1) + wave + walk + rng.normal(0, 0.3, ROWS),
                "x": rng.normal(size=ROWS),
            }
        )
        part.to_csv(file, mode="a", header=number == 0, index=False)


def _settings(home: Path, name: str) -> dict[str, Any]:
    return {
        "data": {
            "path": str(home / "table.csv"), "time": "time", "features": ["y", "x"],
            "targets": ["y"], "frequency": "1h",
        },
        "hyperparameters": {
            "model_name": "many", "LSTM_type": "regressor", "architecture": "classic",
            "timesteps": 24, "steps_ahead": 6, "epochs": EPOCHS, "scale_targets": True,
            "early_stop_patience": EPOCHS, "ensemble_size": 1, "windows_per_epoch": None,
            "refit": False,
        },
        "evaluation": {"explain_windows": 0},
        "store": str(home / f"runs {name}"),
        "work": str(home / f"work {name}"),
    }  # fmt: skip


def _write_config(home: Path, name: str, *, models_by: list[str], workers: int) -> Path:
    file = home / f"{name}.yaml"
    settings = _settings(home, name) | {"models_by": models_by, "execution": {"workers": workers}}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def _retrain(config: Path) -> float:
    """Seconds of the command."""
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "flows", "retrain", str(config)],
        check=True,
        capture_output=True,
        env={**os.environ, "PREFECT_HOME": str(config.parent / "prefect")},
    )
    return time.monotonic() - begin


def _weights(store: Path, model: str) -> dict[str, str]:
    """Hash of the weights of each group's newest run."""
    stored = FolderStore(store)
    return {
        group: _hash(stored.run_folder(f"{model}/{group}", known.run_ids[-1]))
        for group, known in stored.groups(model).items()
        if group != "all"
    }


def _hash(run: Path) -> str:
    from fastlstm.network.inference import load_network

    (file,) = run.glob("* - LSTM MODEL - *.keras")
    values = [np.asarray(weight).tobytes() for weight in load_network(file).get_weights()]
    return hashlib.sha256(b"".join(values)).hexdigest()


def _alone(home: Path) -> str:
    """Hash of the weights of the first group, trained as the only model by a process of its own."""
    (rows,) = (home / "work 1" / "groups").glob("*/region=r000.parquet")
    settings = _settings(home, "alone")
    settings["data"]["path"] = str(rows)
    file = home / "alone.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    threads = dict.fromkeys(
        ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
    )
    environment = {**os.environ, **threads, "PREFECT_HOME": str(home / "prefect")}
    subprocess.run(
        [sys.executable, "-m", "flows", "retrain", str(file)],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    stored = FolderStore(home / "runs alone")
    return _hash(stored.run_folder("many", stored.runs("many")[-1].run_id))


def _starts(home: Path) -> list[float]:
    """Seconds from the call of a training to its first line, of each training after the first."""
    (windows, *_) = (home / "work 1" / "windows").iterdir()
    pool, found = WorkerPool(1, 1), []
    arguments = {
        "windows": str(windows), "hyperparameters": _settings(home, "")["hyperparameters"],
    }  # fmt: skip
    for number in range(4):
        begin = time.monotonic()
        entered = pool.call(
            "benchmarks.many:entered", arguments, prepare="flows.group:prepare"
        )  # fmt: skip
        if number:
            found.append(entered - begin)
    pool.close()
    return found


def entered(windows: str, hyperparameters: dict[str, Any], on_event: Any) -> float:
    """The moment at which the first gradient step of a training is about to be computed."""
    import keras

    moments: list[float] = []

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            moments.append(time.monotonic())
            self.model.stop_training = True

    from fastlstm.config.hyperparameters import Hyperparameters
    from fastlstm.network.build import use_fitting_threads
    from fastlstm.training.fit import fit
    from fastlstm.windows.parquet import WindowDataset

    hp = Hyperparameters.model_validate({**hyperparameters, "epochs": 1})
    dataset = WindowDataset(Path(windows))
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    use_fitting_threads(hp, *columns, dataset.count("train"))
    fit(dataset, hp, on_event, callbacks=[Watch()])
    return moments[0]
