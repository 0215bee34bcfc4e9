"""Write a trained network, its history and its facts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import CHOSEN_MODEL_FILE, HISTORY_FILE, MODEL_FILE, TRAINING_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.training.refit import copy_network
from fastlstm.training.result import Trained


def write_network(folder: Path, trained: Trained, *, compiled: bool = True) -> dict[str, Any]:
    """Write network, history and facts into a folder; return the facts.

    Args:
        folder: where to.
        trained: what to.
        compiled: save loss and optimizer too; not for a loss only the caller's code knows, which
            would keep the file from opening without that code, nor for
            the losses of ``Hyperparameters.has_stock_loss``.
    """
    kept = {MODEL_FILE: trained.model}
    if trained.refitted:
        kept[CHOSEN_MODEL_FILE] = trained.judged
    for file, model in kept.items():
        saved = model if compiled else copy_network(model, model.get_weights())
        saved.save(folder / file)
    trained.history.to_csv(folder / HISTORY_FILE, index=False)
    facts = {
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "stopped_early": trained.stopped_early,
        "interrupted": trained.interrupted,
        "parameters": trained.model.count_params(),
        "seconds": round(trained.seconds, 2),
    }
    if trained.refitted:
        facts["refit"] = True
    if trained.note:
        facts["note"] = trained.note
    if trained.warm_start is not None:
        facts["warm_start"] = trained.warm_start
    if trained.linear is not None:
        facts["linear"] = asdict(trained.linear)
    if trained.uncalibrated:
        facts["uncalibrated"] = list(trained.uncalibrated)
    if trained.skill is not None:
        facts["proof"] = {**asdict(trained.skill), "better": trained.skill.is_better()}
    write_json(folder / TRAINING_FILE, facts)
    return facts
