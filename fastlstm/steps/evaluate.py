"""The pipeline step that evaluates a network on the test windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import (
    CLEAN_FILE,
)
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.scaling import Scalers, read_scalers, scaler_files
from fastlstm.data.shards import is_cut, read_shards
from fastlstm.evaluation.evaluate import evaluate, write_evaluation
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.onnx_files import write_onnx
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.steps.evaluate_label_shards import evaluate_label_shards_into
from fastlstm.steps.evaluate_shards import ShardedTable, evaluate_shards_into
from fastlstm.steps.forecast_shards import load_networks
from fastlstm.windows.parquet import WindowDataset


def evaluate_into(
    folder: str,
    network: str,
    windows: str,
    scaled: str,
    clean: str,
    config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None],
    outputs: str | None = None,
) -> dict[str, Any]:
    """Write metrics, test predictions and the scored network's ONNX model into ``folder``.

    Takes and returns JSON-like values, to run in a process of its own.

    Args:
        folder: where to write.
        network: folder of the trained network.
        windows: folder of the windows.
        scaled: folder of the scalers.
        clean: folder of the clean table.
        config: all settings.
        on_event: unused; an evaluation has no events.
        outputs: folder of the networks' outputs for each shard, see ``fastlstm.steps.forecast_shards``;
            None: they are computed here.
    """
    settings = RetrainConfig.model_validate(config)
    dataset = WindowDataset(Path(windows))
    scalers, networks = read_scalers(*scaler_files(Path(scaled))), load_networks(Path(network))
    known = None if outputs is None else Path(outputs)
    facts = _evaluate_into(Path(folder), networks, dataset, Path(clean), scalers, settings, known)
    with writing_to(Path(folder)):
        write_onnx(Path(folder), networks.served, dataset)
    return facts


def _evaluate_into(
    folder: Path, networks: EvaluatedNetworks, dataset: WindowDataset, clean: Path,
    scalers: Scalers, settings: RetrainConfig, outputs: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Score the network shard by shard where the table is cut; return facts for the manifest."""
    if is_cut(clean):
        cut = ShardedTable(dataset, clean, settings.data.targets, outputs)
        is_regressor = settings.hyperparameters.is_regressor
        evaluate_into_folder = evaluate_shards_into if is_regressor else evaluate_label_shards_into
        with writing_to(folder):
            return evaluate_into_folder(folder, networks, cut, scalers, settings)
    table = read_target_table(clean, settings.data.targets)
    give_back()
    evaluated = evaluate(networks, dataset, scalers, table, settings)
    with writing_to(folder):
        return write_evaluation(folder, evaluated)


def read_target_table(clean: Path, targets: list[str]) -> TargetTable:
    """The targets of the clean table in a step's folder, and no other values."""
    rows = read_shards(clean, CLEAN_FILE, [SERIES, TIME, SEGMENT, *targets])
    return TargetTable.of(rows, rows[targets])
