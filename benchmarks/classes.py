"""Forecast labels of real tables with nothing but the defaults, beside simple and strong classifiers.

``python -m benchmarks.classes`` trains the product on every table of ``benchmarks.class_sets`` and seed,
and prints a row for each, beside the class prior, the last class, logistic regression and LightGBM on
the same test windows. ``--write`` puts the results into ``benchmarks/CLASSES.md`` and
``benchmarks/classes.json``; with ``--sets``, only those tables' rows. Seeds that another run has scored
are kept, each with its commit, so that they can be run one after another. Peers run in an environment of
their own (``benchmarks.table_environment``); they get the values of a window, its labels as indicators
and the calendar of the row to forecast.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.class_report import CALIBRATION, markdown
from benchmarks.class_sets import SETS, LabelledSet
from benchmarks.result_files import commit, merge_results
from benchmarks.table_environment import Environment, default_cache
from benchmarks.trained_run import RetrainingError, trained_run
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.calendar import calendar_features
from fastlstm.data.split import SPLITS, cut_times, split_of_windows
from fastlstm.data.time_grid import contiguous_blocks, grid_positions, microseconds
from fastlstm.network.kernel_choice import processor
from fastlstm.runs.saved_run import SavedRun
from fastlstm.windows.origins import gather, window_origins

_HOME = Path(__file__).parent
_RESULTS, _PAGE = _HOME / "classes.json", _HOME / "CLASSES.md"
_PEERS = ("logistic regression", "LightGBM")
_CALENDAR = ("hour", "weekday", "day_of_year")


@dataclass(frozen=True)
class PeerWindows:
    """The windows of a table as peers take them.

    Attributes:
        arrays: ``<split>_x`` ``(n, n_inputs)`` and ``<split>_y`` ``(n,)``, and ``classes``.
        keys: series and time of the row to forecast of each test window.
    """

    arrays: dict[str, np.ndarray]
    keys: pd.DataFrame

    @classmethod
    def of(cls, table: LabelledSet, rows: pd.DataFrame) -> PeerWindows:
        """Cut as the product does: splits by its default shares, no window across a gap."""
        rows = rows.assign(series=rows["series"] if table.series > 1 else "")
        times = rows["time"].dt.tz_localize("UTC")
        stamps = microseconds(times)
        names = rows[table.label].astype(str)
        classes = sorted(names.unique())
        number = pd.Categorical(names, categories=classes).codes.astype(np.int64)
        values = np.column_stack(
            [rows[list(table.features)].to_numpy(np.float64), np.eye(len(classes))[number]]
        )
        series, _ = pd.factorize(rows["series"])
        block = contiguous_blocks(series, grid_positions(times, table.frequency))
        origins = window_origins(block, table.look_back, 1)
        shares = Hyperparameters.model_fields
        cuts = cut_times(
            stamps, *(shares[f"{n}_size_rate"].default for n in ("train", "validation"))
        )
        calendar = np.column_stack(list(calendar_features(times, _CALENDAR).values()))
        arrays: dict[str, np.ndarray] = {"classes": np.array(len(classes))}
        parts = split_of_windows(stamps[origins], stamps[origins], cuts)
        for split in SPLITS:
            first = origins[parts[split]]
            past = gather(values, first - table.look_back, table.look_back)
            arrays[f"{split}_x"] = np.column_stack([past.reshape(len(first), -1), calendar[first]])
            arrays[f"{split}_y"] = number[first]
        tested = origins[parts["test"]]
        return cls(arrays, rows.iloc[tested][["series", "time"]].reset_index(drop=True))


def peer_losses(windows: PeerWindows, environment: Environment) -> dict[str, float]:
    """Log loss of each peer on the test windows."""
    classes, truth = int(windows.arrays["classes"]), windows.arrays["test_y"]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "windows.npz"
        np.savez(file, **windows.arrays)  # type: ignore[arg-type]
        made = environment.made("benchmarks.class_peers", [str(file)], "parquet", [file], [])
        found = pd.read_parquet(made)
    losses = {}
    for peer in _PEERS:
        probability = found[[f"{peer} {number}" for number in range(classes)]].to_numpy()
        chosen = np.clip(probability[np.arange(len(truth)), truth], 1e-7, 1)
        losses[peer] = float(-np.log(chosen).mean())
    return losses


def config(table: LabelledSet, seed: int, rows: Path, home: Path) -> dict[str, Any]:
    """The settings of a training: what describes the table, and no other."""
    return {
        "data": {
            "path": str(rows), "time": "time", "frequency": table.frequency,
            **({"series": "series"} if table.series > 1 else {}),
            "features": [table.label, *table.features], "targets": [table.label],
        },
        "hyperparameters": {
            "model_name": table.name, "LSTM_type": "classifier", "timesteps": table.look_back,
            "steps_ahead": 1, "seed": seed,
        },
        "store": str(home / "runs"),
        "work": str(home / "work"),
    }  # fmt: skip


def product(table: LabelledSet, seed: int, rows: pd.DataFrame, windows: int) -> dict[str, Any]:
    """Train once and read the scores; ``failed`` holds the reason where the table is refused."""
    made_by = {"commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    try:
        with trained_run(table.name, rows, partial(config, table, seed)) as trained:
            run = SavedRun(trained.folder)
            metrics = run.metrics
            assert metrics["windows"] == windows, "the product has other test windows"
            of_label = metrics["labels"][table.label]
            binary = len(of_label["classes"]) == 2
            (label,) = [metrics["outputs"][table.label]] if binary else [of_label]
            training = run.manifest["training"]
            return {
                "test": metrics["test"],
                **{name: found for name, found in label.items() if name in CALIBRATION},
                "seconds": trained.seconds, "promoted": trained.promoted,
                "weights": training.get("label_combination", {}).get("weights"),
                "epochs": training["epochs"], "best_epoch": training["best_epoch"], **made_by,
            }  # fmt: skip
    except RetrainingError as error:
        return {"failed": str(error), **made_by}


def result_of(table: LabelledSet, environment: Environment, seeds: list[int]) -> dict[str, Any]:
    """Everything that is kept of one table."""
    file = environment.made("benchmarks.class_sources", [table.name], "parquet", [], ["class_sets"])
    rows = pd.read_parquet(file)
    windows = PeerWindows.of(table, rows)
    tested = len(windows.keys)
    return {
        "set": table.name, "kind": table.kind, "classes": table.classes, "series": table.series,
        "rows": table.rows, "look_back": table.look_back, "test_windows": tested,
        "peers": peer_losses(windows, environment),
        "product": {str(seed): product(table, seed, rows, tested) for seed in seeds},
    }  # fmt: skip


def _line(result: dict[str, Any]) -> str:
    """One table for the terminal."""
    lines = [f"{result['set']} ({result['classes']} classes, {result['test_windows']:,} windows)"]
    lines.append("  " + ", ".join(f"{n} {loss:.4f}" for n, loss in result["peers"].items()))
    for seed, found in result["product"].items():
        if "failed" in found:
            lines.append(f"  seed {seed}: {found['failed']}")
            continue
        test = found["test"]
        losses = ", ".join(
            f"{name} {scores['log_loss']:.4f} (accuracy {scores['accuracy']:.3f})"
            for name, scores in test.items()
        )
        lines.append(
            f"  seed {seed}: {losses}; calibration {found['calibration_error']:.3f} "
            f"({found['calibration_error_by_chance']:.3f} by chance), "
            f"{found['seconds']:.0f} s, epoch {found['best_epoch']} of {found['epochs']}, "
            f"{found['weights']}, {'' if found['promoted'] else 'not '}promoted"
        )
    return "\n".join(lines)


def with_other_seeds(result: dict[str, Any], kept: list[dict[str, Any]]) -> dict[str, Any]:
    """A table's results with those of other seeds that earlier runs have kept."""
    found = {**result["product"]}
    for other in kept:
        if other["set"] == result["set"]:
            found = {**other["product"], **found}
    return {**result, "product": {seed: found[seed] for seed in sorted(found, key=int)}}


def write(results: list[dict[str, Any]]) -> None:
    """Put results into the page, beside those of other tables that it holds."""
    kept = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else []
    together = [with_other_seeds(result, kept) for result in results]
    merged = merge_results(_RESULTS, together, [table.name for table in SETS])
    _PAGE.write_text(markdown(merged, processor()), encoding="utf-8")


def main() -> None:
    """Score the tables."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("--sets", default="", help="names of tables, separated by commas")
    arguments.add_argument("--seeds", default="0,1,2", help="separated by commas")
    arguments.add_argument("--cache", type=Path, default=default_cache(), help="of the peers")
    arguments.add_argument("--write", action="store_true", help="update benchmarks/CLASSES.md")
    given = arguments.parse_args()
    names = [name for name in given.sets.split(",") if name] or [table.name for table in SETS]
    unknown = set(names) - {table.name for table in SETS}
    if unknown:
        arguments.error(f"no table is named {', '.join(sorted(unknown))}")
    environment = Environment(given.cache.absolute())
    seeds = [int(seed) for seed in given.seeds.split(",") if seed]
    results: list[dict[str, Any]] = []
    for table in SETS:
        if table.name in names:
            results.append(result_of(table, environment, seeds))
            print(_line(results[-1]), flush=True)
            if given.write:
                write(results)
    if not given.write:
        print("\n" + markdown(results, processor()))


if __name__ == "__main__":
    main()
