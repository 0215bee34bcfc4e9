"""The pipeline step that trains the network that serves on all windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import HISTORY_FILE, MODEL_FILE, TRAINING_FILE
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.evaluation.onnx_files import write_onnx
from fastlstm.network.build import use_fitting_threads
from fastlstm.network.inference import load_network
from fastlstm.training.calibration import Correction
from fastlstm.training.linear_component import Penalty
from fastlstm.training.logistic_component import LogisticPenalty
from fastlstm.training.refit_all import refit_on_all
from fastlstm.training.setup import OnEvent, TrainingSetup
from fastlstm.training.strategy import strategy_of
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset


def refit_into(
    folder: str,
    network: str,
    windows: str,
    hyperparameters: dict[str, Any],
    on_event: OnEvent,
    checkpoint: str | None = None,
    rank: int = 0,
    ranks: int = 1,
    gpus: int = 1,
) -> dict[str, Any]:
    """Train a network like the one in the folder ``network`` on all windows, and write it.

    It takes and returns JSON-like values, to run in a process of its own; see
    ``fastlstm.steps.worker.call``.

    Args:
        folder: where to write.
        network: folder of the trained network, which was scored on test.
        windows: folder of the window dataset.
        hyperparameters: network and training.
        on_event: called with progress; see ``fastlstm.training.fit.fit``.
        checkpoint: file of the state to go on from.
        rank: number of this process among those that train the network together; only 0 writes.
        ranks: number of these processes; see ``fastlstm.steps.ranks``.
        gpus: number of GPUs of each.
    """
    hp, source = Hyperparameters.model_validate(hyperparameters), Path(network)
    dataset = DrawnWindows(WindowDataset(Path(windows)))
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    use_fitting_threads(hp, *columns, dataset.count("train"))
    facts = json.loads((source / TRAINING_FILE).read_text(encoding="utf-8"))
    calibration = facts.get("calibration")
    setup = TrainingSetup(
        dataset, hp, on_event, strategy=strategy_of(ranks, gpus),
        checkpoint=Path(checkpoint) if checkpoint else None,
    )  # fmt: skip
    fitted = refit_on_all(
        setup,
        load_network(source / MODEL_FILE),
        pd.read_csv(source / HISTORY_FILE),
        facts["best_epoch"],
        _penalty(facts),
        calibration=None if calibration is None else Correction.from_facts(calibration),
        continued=facts.get("warm_start", {}).get("kept") == "champion",
    )
    if rank > 0:
        return {}
    with writing_to(Path(folder)):
        fitted.save(Path(folder) / MODEL_FILE)
        write_onnx(Path(folder), fitted, dataset)
    return {"epochs": facts["best_epoch"]}


def _penalty(facts: dict[str, Any]) -> Penalty | LogisticPenalty | None:
    """The penalty of the linear component that validation chose, by the facts of the training."""
    for key, kind in (("combination", Penalty), ("label_combination", LogisticPenalty)):
        found = (facts.get(key) or {}).get("penalty")
        if found is not None:
            return kind(**found)
    return None
