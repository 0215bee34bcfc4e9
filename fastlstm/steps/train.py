"""The pipeline step that trains a network on a dataset of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import use_fitting_threads
from fastlstm.network.keras_import import import_keras
from fastlstm.runs.saved_run import SavedRun
from fastlstm.training.class_weights import require_both_classes
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.training.setup import OnEvent
from fastlstm.training.strategy import strategy_of
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset


def prepare() -> None:
    """Import what a training needs, which takes seconds; see ``fastlstm.steps.worker.start_ahead``."""
    import_keras()


def train_into(
    folder: str,
    windows: str,
    hyperparameters: dict[str, Any],
    on_event: OnEvent,
    checkpoint: str | None = None,
    champion: str | None = None,
    rank: int = 0,
    ranks: int = 1,
    gpus: int = 1,
) -> dict[str, Any]:
    """Train on the dataset folder ``windows`` and write network, history and facts into ``folder``.

    It takes and returns JSON-like values, to run in a process of its own; see
    ``fastlstm.steps.worker.call``.

    Args:
        folder: where to write.
        windows: folder of the window dataset.
        hyperparameters: network and training.
        on_event: called with progress; see ``fastlstm.training.fit.fit``.
        checkpoint: file of the state to go on from; see ``fastlstm.training.fit.fit``.
        champion: folder of a run whose weights a second training begins from; see
            ``fastlstm.training.warm_start``.
        rank: number of this process among those that train the network together; only 0 writes.
        ranks: number of these processes; see ``fastlstm.steps.ranks``.
        gpus: number of GPUs of each.

    Returns:
        The content of ``training.json``; nothing of other ranks than 0.
    """
    hp = Hyperparameters.model_validate(hyperparameters)
    dataset = DrawnWindows(WindowDataset(Path(windows)))
    if not hp.is_regressor:
        require_both_classes(dataset, hp)
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    use_fitting_threads(hp, *columns, dataset.count("train"))
    strategy = strategy_of(ranks, gpus)
    trained = fit(
        dataset,
        hp,
        on_event,
        checkpoint=Path(checkpoint) if checkpoint else None,
        champion=SavedRun(Path(champion)).evaluated if champion else None,
        strategy=strategy,
    )
    if rank > 0:
        return {}
    with writing_to(Path(folder)):
        return write_network(Path(folder), trained, compiled=hp.has_stock_loss)
