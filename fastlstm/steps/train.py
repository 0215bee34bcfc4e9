"""The pipeline step that trains a network on a dataset of windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.build import use_fitting_threads
from fastlstm.network.keras_import import import_keras
from fastlstm.runs.saved_run import SavedRun
from fastlstm.training.callbacks import OnEvent
from fastlstm.training.class_weights import require_both_classes
from fastlstm.training.files import write_network
from fastlstm.training.fit import fit
from fastlstm.training.warm_start import warm_started
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
) -> dict[str, Any]:
    """Train on the dataset folder ``windows`` and write network, history and facts into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own
    (``fastlstm.steps.worker.call``). ``checkpoint`` is the file to go on from; see ``fit``. ``champion``
    is the folder of a run to train on from too; see ``fastlstm.training.warm_start``.
    """
    hp = Hyperparameters.model_validate(hyperparameters)
    dataset = WindowDataset(Path(windows))
    if not hp.is_regressor:
        require_both_classes(dataset)
    file = Path(checkpoint) if checkpoint else None
    columns = dataset.manifest["features"], dataset.manifest["targets"]
    use_fitting_threads(hp, *columns, dataset.count("train"))
    trained = fit(dataset, hp, on_event, checkpoint=file)
    if champion is not None:
        trained = warm_started(trained, dataset, hp, SavedRun(Path(champion)), on_event, file)
    with writing_to(Path(folder)):
        return write_network(Path(folder), trained, compiled=hp.has_stock_loss)
