"""Write a trained network, its history and its facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import CHOSEN_MODEL_FILE, HISTORY_FILE, MODEL_FILE, TRAINING_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.training.refit import copy_network
from fastlstm.training.result import Trained


def write_network(folder: Path, trained: Trained, *, compiled: bool = True) -> dict[str, Any]:
    """Write network, history and facts into a folder; return the facts.

    Args:
        folder: where to write.
        trained: the trained network.
        compiled: save loss and optimizer too. Not for a loss that only the caller's code knows, or one
            of this library (``Hyperparameters.has_stock_loss``): the file would not open without that
            code.
    """
    networks = {MODEL_FILE: trained.model}
    if trained.refitted:
        networks[CHOSEN_MODEL_FILE] = trained.chosen
    for file, network in networks.items():
        saved = network if compiled else copy_network(network, network.get_weights())
        saved.save(folder / file)
    trained.history.to_csv(folder / HISTORY_FILE, index=False)
    facts = trained.facts()
    write_json(folder / TRAINING_FILE, facts)
    return facts
