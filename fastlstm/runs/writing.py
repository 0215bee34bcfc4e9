"""Write every file of a run into a folder."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.artifacts.file_names import (
    CHECKS_FILE,
    CLEAN_FILE,
    HISTORY_FILE,
    INPUTS_FILE,
    INTERVALS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    ONNX_CHECK_FILE,
    ONNX_FILE,
    PREDICTIONS_FILE,
    SERIES_SCALES_FILE,
    SPREADS_FILE,
    TRAINING_FILE,
    X_SCALER_FILE,
    Y_SCALER_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.fingerprint import library_versions
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.scaler_files import read_scaler, write_pickle
from fastlstm.data.shards import shards_of
from fastlstm.data.tables import read_blocks
from fastlstm.evaluation.baselines import NOT_REQUIRED
from fastlstm.reporting.markdown import markdown_report
from fastlstm.runs.csv_export import write_export
from fastlstm.runs.figures import write_figures
from fastlstm.runs.file_names import KINDS, file_name, name_if_there
from fastlstm.runs.page import RunFiles, run_page


def git_commit() -> str | None:
    """The commit checked out where the run was started, or None outside a repository."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 (whichever git is on the user's path)
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


@dataclass(frozen=True)
class Parts:
    """The folders a run is put together from, as the steps wrote them.

    Attributes:
        clean: of the clean table.
        scaled: of the scalers.
        network: of the network that was scored on test.
        evaluation: of its scores.
        served: of the network that learned from all windows and serves; None: the scored one serves.
    """

    clean: Path
    scaled: Path
    network: Path
    evaluation: Path
    served: Path | None = None


def build_run(
    folder: Path,
    run_id: str,
    parts: Parts,
    config: RetrainConfig,
    run_fingerprint: str,
    data_fingerprint: str,
    tables: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """Write every file of a run into a folder; return the entries of its manifest.

    Args:
        folder: the folder to write into; it exists.
        run_id: the run's id, with which every file name begins.
        parts: the folders of the steps.
        config: all settings.
        run_fingerprint: hash of data, settings, code and libraries.
        data_fingerprint: hash of the data.
        tables: unscaled features and targets with their time and series columns, to be stored as
            CSV; without them they are taken from the clean table.
    """
    hp, data = config.hyperparameters, config.data

    def target(kind: str, detail: str = "") -> Path:
        return folder / file_name(run_id, kind, hp.model_name, detail)

    _copy_outputs(parts, target)
    metrics = json.loads(target("metrics").read_text(encoding="utf-8"))
    checks = json.loads(target("data_checks").read_text(encoding="utf-8"))
    training = json.loads((parts.network / TRAINING_FILE).read_text(encoding="utf-8"))
    if parts.served is not None:
        training["refit"] = "all"
    onnx_check = (parts.served or parts.evaluation) / ONNX_CHECK_FILE
    training["onnx"] = json.loads(onnx_check.read_text(encoding="utf-8"))
    if hp.save_X_Y_data:
        for position, kind in enumerate(("x_data", "y_data")):
            blocks = [tables] if tables else _tables(parts.clean, data)
            write_export((block[position] for block in blocks), target(kind))
    draws = config.group is None or config.groups.figures
    if draws:
        write_figures(target, hp, data, metrics, training)
    write_json(target("hyperparameters"), _settings(run_id, config, target))
    report = markdown_report(run_id, config, metrics, training, checks)
    target("report").write_text(report, encoding="utf-8")
    run = RunFiles(config.stored_name, run_id, folder, target, hp, data, metrics, training)
    page = run_page(run, report, draws=draws)
    target("page").write_text(page, encoding="utf-8")
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": run_fingerprint,
        "data_fingerprint": data_fingerprint,
        "primary": metrics["primary"],
        "baselines": _on_same_windows(metrics),
        "training": training,
        "cuts": {
            "first_test_origin": metrics["first_origin"],
            "last_test_origin": metrics["last_origin"],
            # Microseconds since 1970 (UTC): nothing was learned from later rows.
            **metrics["cuts"],
        },
        "versions": {
            "fastlstm": metadata.version("fastlstm"),
            "python": platform.python_version(),
            **library_versions(),
        },
        "git_commit": git_commit(),
    }


def _copy_outputs(parts: Parts, target: Callable[[str], Path]) -> None:
    """Copy the steps' files that exist into the run under the names of a run's files."""
    for source, kind in (
        *_networks(parts),
        (parts.network / HISTORY_FILE, "history"),
        (parts.scaled / X_SCALER_FILE, "x_scaler_json"),
        (parts.scaled / Y_SCALER_FILE, "y_scaler_json"),
        (parts.scaled / SERIES_SCALES_FILE, "series_scales"),
        (parts.evaluation / METRICS_FILE, "metrics"),
        (parts.evaluation / PREDICTIONS_FILE, "predictions"),
        (parts.evaluation / INTERVALS_FILE, "intervals"),
        (parts.evaluation / SPREADS_FILE, "spreads"),
        (parts.clean / CHECKS_FILE, "data_checks"),
        (parts.scaled / INPUTS_FILE, "inputs"),
    ):
        if source.exists():
            shutil.copyfile(source, target(kind))
    for kind in ("x_scaler", "y_scaler"):
        if (file := target(f"{kind}_json")).exists():
            write_pickle(read_scaler(file), target(kind))


def _networks(parts: Parts) -> list[tuple[Path, str]]:
    """Files of the networks by their kind."""
    scored, scored_onnx = parts.network / MODEL_FILE, parts.evaluation / ONNX_FILE
    if parts.served is None:
        return [(scored, "model"), (scored_onnx, "onnx")]
    return [
        (parts.served / MODEL_FILE, "model"),
        (parts.served / ONNX_FILE, "onnx"),
        (scored, "evaluated_model"),
        (scored_onnx, "evaluated_onnx"),
    ]


def _settings(run_id: str, config: RetrainConfig, target: Callable[[str], Path]) -> dict[str, Any]:
    """Content of the hyperparameter file: all settings, and the names of the run's files."""
    files = {kind: name_if_there(target(kind)) for kind in KINDS}
    return {
        **config.hyperparameters.model_dump(),
        "model_training_datetime": run_id,
        "feature_names": config.data.features,
        "target_names": config.data.targets,
        "data": config.data.model_dump(),
        "evaluation": config.evaluation.model_dump(),
        # The keys of fastLSTM 1.0, for programs that read them.
        "model_file_name": files["model"],
        "scaler_file_name": files["x_scaler"],
        "y_scaler_file_name": files["y_scaler"],
        "training_history_file_name": files["history"],
        "X_data_df_file_name": files["x_data"],
        "Y_data_df_file_name": files["y_data"],
    }


def _on_same_windows(metrics: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Primary score of each baseline to beat, and the network's on the windows it is defined for."""
    name, test = metrics["primary"]["name"], metrics["test"]
    return {
        baseline: {
            "baseline": scores[name],
            "model": scores.get("model_on_same_windows", test["model"])[name],
        }
        for baseline, scores in test.items()
        if baseline != "model" and baseline not in NOT_REQUIRED
    }


def _tables(clean: Path, data: DataConfig) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Features and targets of the clean table with their time and series columns, in blocks of rows."""
    index = {TIME: data.time, **({SERIES: data.series} if data.series else {})}
    for block in (block for shard in shards_of(clean) for block in read_blocks(shard / CLEAN_FILE)):
        x = block[[*index, *data.features]].rename(columns=index)
        yield x, block[[*index, *data.targets]].rename(columns=index)
