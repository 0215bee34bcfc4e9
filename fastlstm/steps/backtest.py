"""The pipeline steps of a backtest: evaluate a group of folds, and put the groups together."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import CLEAN_FILE, MODEL_FILE, X_SCALER_FILE, Y_SCALER_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import read_scalers, write_scalers
from fastlstm.data.tables import read_table, write_table
from fastlstm.data.time_grid import microseconds
from fastlstm.experiments.backtest import Rows, evaluate_folds
from fastlstm.experiments.backtest_summary import FoldResult, summarise, write_backtest
from fastlstm.experiments.folds import Fold, groups, plan_folds
from fastlstm.network.inference import load_network
from fastlstm.training.setup import OnEvent


def clean_rows(clean: Path, settings: RetrainConfig) -> Rows:
    """The rows of a clean table."""
    data = settings.data
    frame = read_table(
        clean / CLEAN_FILE,
        list(dict.fromkeys([SERIES, TIME, SEGMENT, *data.features, *data.targets])),
    )
    return Rows(frame[[SERIES, TIME, SEGMENT]], frame[data.features], frame[data.targets])


def count_groups(clean: Path, settings: RetrainConfig) -> int:
    """How many trainings the folds of a clean table need."""
    times = microseconds(read_table(clean / CLEAN_FILE, [TIME])[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    return len(groups(folds, settings.backtest.refit_every))


def evaluate_folds_into(
    folder: str,
    clean: str,
    config: dict[str, Any],
    part: int,
    before: str | None,
    on_event: OnEvent,
) -> dict[str, Any]:
    """Train and judge one group of folds, and write what was found into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own. ``part`` is the group's number
    from 0; ``before`` the folder of the group to begin from, or None.
    """
    settings = RetrainConfig.model_validate(config)
    rows = clean_rows(Path(clean), settings)
    times = microseconds(rows.frame[TIME])
    folds = plan_folds(times, settings.hyperparameters, settings.backtest)
    group = groups(folds, settings.backtest.refit_every)[part]
    earlier = None
    if before is not None:
        place = Path(before)
        scalers = read_scalers(place / X_SCALER_FILE, place / Y_SCALER_FILE)
        earlier = (load_network(place / MODEL_FILE), scalers)
    judged, (model, scalers) = evaluate_folds(rows, group, settings, on_event, before=earlier)
    target = Path(folder)
    with writing_to(target):
        model.save(target / MODEL_FILE)
        write_scalers(scalers, target / X_SCALER_FILE, target / Y_SCALER_FILE)
        for found in judged:
            number = found.fold.number
            write_table(found.predictions, target / f"{number:04d}.parquet")
            about = {name: getattr(found, name) for name in ("metrics", "trained_at", "epochs")}
            write_json(target / f"{number:04d}.json", {**about, "fold": asdict(found.fold)})
    return {
        "folds": [found.fold.number for found in judged],
        "windows": sum(found.metrics["windows"] for found in judged),
        "epochs": judged[0].epochs,
    }


def combine_into(folder: Path, parts: list[Path], settings: RetrainConfig) -> dict[str, Any]:
    """Put together what ``evaluate_folds_into`` wrote for each group, and write it; see ``write_backtest``."""
    judged = [found for part in parts for found in _read_fold_results(part)]
    return write_backtest(folder, summarise(judged, settings))


def _read_fold_results(folder: Path) -> list[FoldResult]:
    found = []
    for file in sorted(folder.glob("[0-9]*.json")):
        about = json.loads(file.read_text(encoding="utf-8"))
        found.append(
            FoldResult(
                Fold(**about["fold"]),
                about["metrics"],
                read_table(file.with_suffix(".parquet")),
                about["trained_at"],
                about["epochs"],
            )
        )
    return found
