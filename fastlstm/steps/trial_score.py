"""The pipeline step that scores the network of a trial by the primary metric on validation windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import (
    CLEAN_FILE,
    MODEL_FILE,
)
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SERIES
from fastlstm.data.scaling import read_scalers, scaler_files
from fastlstm.data.shards import read_shards
from fastlstm.evaluation.metrics import primary_regression_metric
from fastlstm.evaluation.regression import score_validation
from fastlstm.network.inference import load_network
from fastlstm.steps.evaluate import read_target_table
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
    series = read_shards(clean, CLEAN_FILE, [SERIES])[SERIES].nunique()
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
    table = read_target_table(Path(clean), settings.data.targets)
    served = load_network(Path(network) / MODEL_FILE)
    return score_validation(served, WindowDataset(Path(windows)), scalers, table, settings)
