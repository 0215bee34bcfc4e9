"""One whole retraining of the product for a benchmark, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fastlstm.registry.folder_store import FolderStore


class RetrainingError(RuntimeError):
    """The product refused a table, or its training failed."""


@dataclass(frozen=True)
class TrainedRun:
    """What a retraining stored.

    Attributes:
        folder: of the run.
        rows: file of the rows it was trained on.
        seconds: of the retraining, from the table's file to the stored run.
        promoted: whether the run was promoted.
    """

    folder: Path
    rows: Path
    seconds: float
    promoted: bool


@contextmanager
def trained_run(
    model: str, rows: pd.DataFrame, config: Callable[[Path, Path], dict[str, Any]]
) -> Iterator[TrainedRun]:
    """Retrain without Prefect (``benchmarks.flow``); the files are gone after the block.

    Args:
        model: name of the model.
        rows: the table.
        config: makes the settings, but for the places of store and work, of the file of the rows.

    Raises:
        RetrainingError: the training failed; it quotes the last line of its output.
    """
    with tempfile.TemporaryDirectory(prefix=f"{model}-") as name:
        home = Path(name)
        table, settings = home / "rows.parquet", home / "config.yaml"
        rows.to_parquet(table, index=False)
        text = yaml.safe_dump(config(table, home), allow_unicode=True)
        settings.write_text(text, encoding="utf-8")
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.flow", str(settings)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - begin
        if done.returncode:
            raise RetrainingError((done.stderr.strip().splitlines() or ["no output"])[-1])
        store = FolderStore(home / "runs")
        (entry,) = store.runs(model)
        promoted = store.champion(model).champion == entry.run_id
        yield TrainedRun(store.run_folder(model, entry.run_id), table, seconds, promoted)
