"""Evaluate a network trained on rows in memory, and store it as a run."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastlstm.api.prepared_rows import PreparedRows
from fastlstm.artifacts.file_names import (
    CHECKS_FILE,
    INPUTS_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.fingerprint import code_version, fingerprint
from fastlstm.artifacts.scratch import ScratchFolder
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.findings import ValidationReport
from fastlstm.data.input_summary import reference
from fastlstm.data.scaling import scaler_files, write_scalers
from fastlstm.evaluation.evaluate import evaluate, write_evaluation
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.onnx_files import write_onnx
from fastlstm.evaluation.result import Evaluation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.ensemble import members_of
from fastlstm.registry.opening import open_store
from fastlstm.runs.saved_run import SavedRun
from fastlstm.runs.writing import Parts, build_run
from fastlstm.training.files import write_network
from fastlstm.training.result import Trained

# The checks of ``row_table`` that every table passes.
_CHECKS_RUN = 5


def evaluate_and_store(
    trained: Trained, rows: PreparedRows, config: RetrainConfig, loss: Any, place: str | Path
) -> tuple[SavedRun, Evaluation]:
    """Score a trained network on the test windows and store it with all that belongs to it.

    Args:
        trained: the network and its training.
        rows: the rows it was trained on.
        config: the settings of the run.
        loss: the caller's loss object, or None where the loss is one of the hyperparameters.
        place: folder or URL of the store.

    Returns:
        The stored run, opened, and its evaluation.
    """
    table = TargetTable.of(rows.table.frame, rows.table.y[rows.targets])
    windows = rows.windows(config.hyperparameters)
    networks = EvaluatedNetworks(trained.model, trained.chosen)
    evaluated = evaluate(networks, windows, rows.scalers, table, config)
    data_hash = hashlib.sha256(rows.x_scaled.tobytes() + rows.y_scaled.tobytes()).hexdigest()
    moment = datetime.now(UTC)
    run_hash = fingerprint(
        data_hash, config.hyperparameters.model_dump(), code_version(), str(moment)
    )
    with ScratchFolder() as folder:
        write_network(
            folder, trained, compiled=_opens_anywhere(trained.model, config.hyperparameters, loss)
        )
        write_evaluation(folder, evaluated)
        write_onnx(folder, trained.model, windows)
        write_scalers(
            rows.scalers,
            *scaler_files(folder),
        )
        data = config.data
        summarised = {*data.read_features, *data.indicator_columns} & {*rows.table.x}
        features = [name for name in data.features if name in summarised]
        _write_data_files(folder, rows, table, features)

        def build(target: Path, run_id: str) -> dict[str, Any]:
            parts = Parts(folder, folder, folder, folder)
            tables = rows.table.with_index(rows.features, rows.targets)
            return build_run(target, run_id, parts, config, run_hash, data_hash, tables)

        store = open_store(place)
        model_name = config.hyperparameters.model_name
        entry = store.add_run(model_name, moment, build)
    return SavedRun(store.run_folder(model_name, entry.run_id)), evaluated


def _opens_anywhere(network: Any, hyperparameters: Hyperparameters, loss: Any) -> bool:
    """Whether the compiled network opens without the caller's code.

    An ensemble is trained by another loss than that of its output, so it is stored without one.
    """
    if loss is None:
        stock = hyperparameters.has_stock_loss
    else:
        stock = type(loss).__module__.startswith("keras.")
    return stock and members_of(network) == 1


def _write_data_files(
    folder: Path,
    rows: PreparedRows,
    table: TargetTable,
    features: list[str],
) -> None:
    """Write what a run keeps of its rows: the checks they passed and a summary of the train inputs."""
    count = len(rows.table.frame)
    found = list(rows.table.findings)
    checks = ValidationReport(count, count, _CHECKS_RUN, [], found, {}, {}, {}, {})
    write_json(folder / CHECKS_FILE, checks.to_dict())
    train = table.times < rows.cuts.validation
    write_json(folder / INPUTS_FILE, reference(rows.table.x[features], train))
