"""The pipeline steps of a backtest: evaluate a group of folds, and combine all groups."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import (
    CLEAN_FILE,
    MODEL_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import read_scalers, scaler_files, write_scalers
from fastlstm.data.shards import distinct_times_in, is_cut
from fastlstm.data.tables import write_blocks
from fastlstm.experiments.backtest import StartingPoint, evaluate_folds
from fastlstm.experiments.backtest_summary import FoldResult, summarise, write_backtest
from fastlstm.experiments.folds import Fold, groups, plan_folds
from fastlstm.network.inference import load_network
from fastlstm.steps.fold_shards import FoldShards, clean_rows
from fastlstm.training.setup import OnEvent


def count_groups(clean: Path, settings: RetrainConfig) -> int:
    """Number of trainings that the folds of a clean table need."""
    return len(_groups(clean, settings))


def _groups(clean: Path, settings: RetrainConfig) -> list[list[Fold]]:
    """The folds of a clean table in groups that share a training."""
    times = distinct_times_in(clean, CLEAN_FILE)
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    return groups(folds, settings.backtest.refit_every)


def evaluate_folds_into(
    folder: str,
    clean: str,
    config: dict[str, Any],
    part: int,
    before: str | None,
    on_event: OnEvent,
) -> dict[str, Any]:
    """Train one group of folds, score all of them, and write the results into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own.

    Args:
        folder: where to write.
        clean: folder of the clean table.
        config: all settings.
        part: number of the group, from 0.
        before: folder of the group whose network the training starts from; None for new weights.
        on_event: receives the events of the training.
    """
    settings = RetrainConfig.model_validate(config)
    table, target = Path(clean), Path(folder)
    group = _groups(table, settings)[part]
    start = None if before is None else _read_starting_point(Path(before))
    # Not below TMPDIR, which may be small: the windows of a large table take much of a disk.
    unfinished = target / "unfinished"
    unfinished.mkdir()
    if is_cut(table):
        shards = FoldShards(table, unfinished, settings)
        results, trained = shards.evaluate(group, start, on_event)
    else:
        rows = clean_rows(table, settings)
        results, trained = evaluate_folds(rows, group, settings, on_event, before=start)
    with writing_to(target):
        trained.network.save(target / MODEL_FILE)
        write_scalers(trained.scalers, *scaler_files(target))
        for result in results:
            _write_fold_result(target, result)
    shutil.rmtree(unfinished)
    return {
        "folds": [result.fold.number for result in results],
        "windows": sum(result.metrics["windows"] for result in results),
        "epochs": results[0].epochs,
    }


def combine_into(folder: Path, parts: list[Path], settings: RetrainConfig) -> dict[str, Any]:
    """Combine what ``evaluate_folds_into`` wrote for each group; see ``write_backtest``."""
    results = [result for part in parts for result in _read_fold_results(part)]
    return write_backtest(folder, summarise(results, settings))


def _read_starting_point(folder: Path) -> StartingPoint:
    scalers = read_scalers(*scaler_files(folder))
    return StartingPoint(load_network(folder / MODEL_FILE), scalers)


def _write_fold_result(folder: Path, result: FoldResult) -> None:
    """Write the predictions of a fold as Parquet, all else as JSON."""
    number = result.fold.number
    write_blocks(result.blocks(), folder / f"{number:04d}.parquet")
    rest = {name: getattr(result, name) for name in ("metrics", "trained_at", "epochs")}
    write_json(folder / f"{number:04d}.json", {**rest, "fold": asdict(result.fold)})


def _read_fold_results(folder: Path) -> list[FoldResult]:
    """Read what ``_write_fold_result`` wrote, in the order of the folds."""
    results = []
    for file in sorted(folder.glob("[0-9]*.json")):
        rest = json.loads(file.read_text(encoding="utf-8"))
        results.append(
            FoldResult(
                Fold(**rest["fold"]),
                rest["metrics"],
                file.with_suffix(".parquet"),
                rest["trained_at"],
                rest["epochs"],
            )
        )
    return results
