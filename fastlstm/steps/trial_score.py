"""The pipeline step that scores the network of a trial by the primary metric on validation windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import MODEL_FILE
from fastlstm.artifacts.folders import read_manifest
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.scaling import read_scalers, scaler_files
from fastlstm.data.shards import is_cut
from fastlstm.evaluation.metrics import primary_regression_metric
from fastlstm.evaluation.regression import score_validation
from fastlstm.network.inference import load_network
from fastlstm.steps.evaluate import read_target_table
from fastlstm.steps.evaluate_shards import ShardedTable, score_validation_shards
from fastlstm.windows.parquet import WindowDataset


def trial_metric(clean: Path, settings: RetrainConfig) -> str | None:
    """Key of the primary metric that scores trials; None where the metric of the best epoch does.

    That is so for classifiers, and for one series of one target unless the settings name a metric:
    errors in scaled units rank trials there as those in the target's unit do.

    Args:
        clean: folder of the clean table.
        settings: all settings.
    """
    if not settings.hyperparameters.is_regressor:
        return None
    series = int(read_manifest(clean)["series"])
    setting, targets = settings.evaluation.primary_metric, len(settings.data.targets)
    if setting == "auto" and series == targets == 1:
        return None
    return primary_regression_metric(setting, targets, series)


def score_trial(
    network: str,
    windows: str,
    scaled: str,
    clean: str,
    config: dict[str, Any],
    on_event: Callable[[dict[str, Any]], None],
) -> float | None:
    """The primary metric of a network on validation windows; None where it is undefined.

    Takes and returns JSON-like values, to run in a process of its own.

    Args:
        network: folder of the trained network.
        windows: folder of the windows.
        scaled: folder of the scalers.
        clean: folder of the clean table.
        config: all settings.
        on_event: unused; scoring has no events.
    """
    settings = RetrainConfig.model_validate(config)
    scalers = read_scalers(*scaler_files(Path(scaled)))
    served, dataset = load_network(Path(network) / MODEL_FILE), WindowDataset(Path(windows))
    if is_cut(Path(clean)):
        shards = ShardedTable(dataset, Path(clean), settings.data.targets)
        return score_validation_shards(served, shards, scalers, settings)
    table = read_target_table(Path(clean), settings.data.targets)
    return score_validation(served, dataset, scalers, table, settings)
