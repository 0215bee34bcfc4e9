"""Evaluate a classifier on a table that is cut into shards, with one shard in memory at a time.

Train windows of all shards give what the baselines know, validation windows the thresholds; then the
test windows of each shard are forecast and scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts.file_names import METRICS_FILE, PREDICTIONS_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import Scalers
from fastlstm.data.tables import write_blocks
from fastlstm.evaluation.classification import ScoredLabels, TrainLabels, validation_labels
from fastlstm.evaluation.importance import explain
from fastlstm.evaluation.label_tally import joined_outputs
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.predictions import prediction_table
from fastlstm.steps.evaluate_shards import ShardedTable
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.source import require_same_shape


def evaluate_label_shards_into(
    folder: Path, networks: EvaluatedNetworks, table: ShardedTable, scalers: Scalers,
    settings: RetrainConfig,
) -> dict[str, Any]:  # fmt: skip
    """Write metrics and predictions of a classifier; see ``fastlstm.steps.evaluate``.

    Args:
        folder: where to write.
        networks: the network that is scored, and the one that gives thresholds and feature importance.
        table: windows and rows.
        scalers: of the features.
        settings: all settings.

    Returns:
        What the manifest keeps.
    """
    require_same_shape(table.dataset, settings.hyperparameters)
    train = TrainLabels.joined(
        [
            TrainLabels.of(shard.windows, shard.rows, settings)
            for shard in table
            if shard.windows.count("train")
        ]
    )
    validation = joined_outputs(
        validation_labels(
            networks, shard.windows, scalers, shard.rows, settings, shard.outputs("validation")
        )
        for shard in table
        if shard.windows.count("validation")
    )
    scored = ScoredLabels(train, settings)
    write_blocks(
        _forecast(scored, networks, table, scalers, settings.data.targets),
        folder / PREDICTIONS_FILE,
    )
    metrics = scored.metrics(validation, table.dataset)
    if settings.evaluation.explain_windows:
        sample = DrawnWindows(table.dataset, always=True)
        metrics["importance"] = explain(networks, sample, settings)
    write_json(folder / METRICS_FILE, metrics)
    return {key: metrics[key] for key in ("primary", "windows")}


def _forecast(
    scored: ScoredLabels, networks: EvaluatedNetworks, table: ShardedTable, scalers: Scalers,
    targets: list[str],
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """The test predictions of one shard after another; ``scored`` collects their scores."""
    for shard in table:
        if shard.windows.count("test"):
            rows, outputs = shard.rows, shard.outputs("test")
            target_rows, columns = scored.add(networks, shard.windows, scalers, rows, outputs)
            yield prediction_table(rows, target_rows, targets, columns)
