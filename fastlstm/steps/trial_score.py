"""The pipeline step that scores the network of a trial by the primary metric on validation windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import (
    CLEAN_FILE,
    MODEL_FILE,
    SERIES_SCALES_FILE,
    X_SCALER_FILE,
    Y_SCALER_FILE,
)
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import read_scalers
from fastlstm.data.tables import read_table
from fastlstm.evaluation.metrics import primary_regression_metric
from fastlstm.evaluation.regression import score_validation
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.inference import load_network
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
    series = read_table(clean / CLEAN_FILE, [SERIES])[SERIES].nunique()
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
    scalers = read_scalers(
        *(Path(scaled) / name for name in (X_SCALER_FILE, Y_SCALER_FILE, SERIES_SCALES_FILE))
    )
    targets = settings.data.targets
    rows = read_table(Path(clean) / CLEAN_FILE, [SERIES, TIME, SEGMENT, *targets])
    table = TargetTable.of(rows, rows[targets])
    served = load_network(Path(network) / MODEL_FILE)
    return score_validation(served, WindowDataset(Path(windows)), scalers, table, settings)
