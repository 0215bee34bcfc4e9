"""Train the product on a task with its defaults, and take its forecasts.

Nothing is set but columns, frequency, series column, look-back, horizon, task and seed. A training is
one whole retraining without Prefect (``benchmarks.flow``), in a process of its own. Tables are scored
by the forecasts of the run's own test windows, competitions by those of the latest window of each
series, as ``fastlstm predict`` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table_scores import KEYS, NAIVE, coverage, errors
from benchmarks.table_tasks import Task
from benchmarks.trained_run import RetrainingError, trained_run
from fastlstm.config.evaluation import EvaluationConfig
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps import worker

LEVELS: list[float] = EvaluationConfig().interval_levels


@dataclass(frozen=True)
class Forecasts:
    """What the product forecasts.

    Attributes:
        table: ``unit, start, step, value`` and bounds of the intervals.
        seconds: of the training, from the table's file to the stored run.
        promoted: whether the run was promoted.
    """

    table: pd.DataFrame
    seconds: float
    promoted: bool


def config(task: Task, seed: int, rows: Path, home: Path) -> dict[str, Any]:
    """The settings of a training: the task's own, and no other."""
    series: dict[str, Any] = {"series": "series"} if task.has_series else {}
    known = {"known_ahead": dict.fromkeys(task.known, task.horizon)} if task.known else {}
    data = {
        "path": str(rows), "time": "time", "frequency": task.frequency, **series, **known,
        "features": [*task.columns, *task.known], "targets": list(task.columns),
    }  # fmt: skip
    hyperparameters = {
        "model_name": task.name, "LSTM_type": "regressor", "timesteps": task.look_back,
        "steps_ahead": task.horizon, "seed": seed,
    }  # fmt: skip
    if not task.shares_calendar:
        hyperparameters["split"] = "by_series"
    return {
        "data": data, "hyperparameters": hyperparameters, "store": str(home / "runs"),
        "work": str(home / "work"),
    }  # fmt: skip


def forecast(task: Task, seed: int) -> Forecasts:
    """Train and forecast.

    Raises:
        RetrainingError: the training failed; it quotes the last line of its output.
    """
    with trained_run(task.name, task.rows, partial(config, task, seed)) as run:
        if task.future is None:
            table = forecasts_of_test(task, run.folder)
        else:
            table = _of_latest(task, run.folder, run.rows)
        return Forecasts(table, run.seconds, run.promoted)


def forecasts_of_test(task: Task, folder: Path) -> pd.DataFrame:
    """Forecasts of every test window of a run: ``unit, start, step, value`` and bounds.

    Args:
        task: what the run forecasts.
        folder: of the run.
    """
    table = pd.read_parquet(SavedRun(folder).path("predictions"))
    table = table.rename(columns={"origin": "start", "prediction": "value"})
    return _in_units(task, table)


def _of_latest(task: Task, folder: Path, rows: Path) -> pd.DataFrame:
    """Forecasts of the rows after the last one of each series."""
    output, intervals = folder.parent / "latest.parquet", folder.parent / "intervals.parquet"
    worker.call(
        "fastlstm.steps.forecast:forecast_latest_into",
        {"output": str(output), "run": str(folder), "source": str(rows),
         "intervals": str(intervals)},
    )  # fmt: skip
    keys = ["series", "step", "target"]
    table = pd.read_parquet(output).rename(columns={"origin": "start", "prediction": "value"})
    if intervals.exists():
        bounds = pd.read_parquet(intervals)
        for level in LEVELS:
            of_level = bounds.loc[np.isclose(bounds["level"], level), [*keys, "lower", "upper"]]
            names = {"lower": f"lower_{level:g}", "upper": f"upper_{level:g}"}
            table = table.merge(of_level.rename(columns=names), on=keys, how="left")
    return _in_units(task, table)


def _in_units(task: Task, table: pd.DataFrame) -> pd.DataFrame:
    """A table of the product's forecasts with units instead of series and targets."""
    pairs = table[["series", "target"]].drop_duplicates()
    names = {(s, t): task.unit_of(str(s), str(t)) for s, t in pairs.itertuples(index=False)}
    index = pd.MultiIndex.from_frame(table[["series", "target"]])
    bounds = [column for column in table.columns if column.startswith(("lower_", "upper_"))]
    start = pd.DatetimeIndex(table["start"]).tz_localize(None).astype("datetime64[us]")
    kept = table[["step", "value", *bounds]].assign(unit=index.map(names), start=start)
    return kept[[*KEYS, "value", *bounds]]


def score(
    task: Task, windows: pd.DataFrame, naive: dict[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Train once and score; ``failed`` holds the reason where the product refuses the table.

    Windows without a forecast of the product are counted, and scored with the last value.

    Args:
        task: what is forecast.
        windows: ``unit, start, step, truth``.
        naive: the naive forecasts of the windows.
        seed: of the training.
    """
    try:
        made = forecast(task, seed)
    except RetrainingError as error:
        return {"failed": str(error)}
    joined = windows.merge(made.table, on=KEYS, how="left")
    missing = joined["value"].isna().to_numpy()
    value = np.where(missing, naive[NAIVE], joined["value"])
    found: dict[str, Any] = {
        **errors(task, windows, value), "seconds": made.seconds, "promoted": made.promoted,
        "missing": float(missing.mean()),
    }  # fmt: skip
    if f"lower_{LEVELS[0]:g}" in joined:
        scored = joined if task.future is not None else _with_truth(task, made.table)
        found["coverage"] = coverage(scored, LEVELS)
    return found


def _with_truth(task: Task, table: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of test windows with the truth, which the table holds for all of them."""
    units, parts = task.units(), []
    for name, of_unit in table.groupby("unit"):
        unit = units[str(name)]
        first = np.searchsorted(unit.times, of_unit["start"].to_numpy("datetime64[us]"))
        parts.append(of_unit.assign(truth=unit.values[first + of_unit["step"].to_numpy() - 1]))
    return pd.concat(parts, ignore_index=True)
