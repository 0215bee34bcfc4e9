"""The files of one run: their names, writing them all, and opening them without trusting them."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from fastlstm.artifacts import verify, write_json
from fastlstm.config import DataConfig, RetrainConfig, describe
from fastlstm.drift import INPUTS_FILE
from fastlstm.errors import DataError, StoreError
from fastlstm.evaluation import METRICS_FILE, PREDICTIONS_FILE
from fastlstm.exports import write_export
from fastlstm.fingerprint import library_versions
from fastlstm.hyperparameters import Hyperparameters
from fastlstm.inference import load_network, point_of, predict_each
from fastlstm.intervals import INTERVALS_FILE, Pair, Radii, read_radii
from fastlstm.loading import SERIES, TIME, read_blocks, read_table
from fastlstm.report import markdown_report
from fastlstm.scaling import X_SCALER_FILE, Y_SCALER_FILE, Scalers, read_scalers
from fastlstm.training import HISTORY_FILE, MODEL_FILE, TRAINING_FILE
from fastlstm.validation import CLEAN_FILE, REPORT_FILE
from fastlstm.windows import input_windows

# Kind of file -> (words in its name, ending). The first ones are as fastLSTM 1.0 named them.
_KINDS = {
    "model": ("LSTM MODEL", "keras"),
    "x_scaler": ("SCALER FOR LSTM MODEL", "pkl"),
    "y_scaler": ("Y SCALER FOR LSTM MODEL", "pkl"),
    "x_data": ("X_data FOR LSTM MODEL", "csv"),
    "y_data": ("Y_data FOR LSTM MODEL", "csv"),
    "history": ("TRAINING HISTORY OF LSTM MODEL", "csv"),
    "hyperparameters": ("HYPERPARAMETERS OF LSTM MODEL", "json"),
    "metrics": ("METRICS OF LSTM MODEL", "json"),
    "predictions": ("TEST PREDICTIONS OF LSTM MODEL", "parquet"),
    "intervals": ("PREDICTION INTERVALS OF LSTM MODEL", "parquet"),
    "inputs": ("TRAIN INPUTS OF LSTM MODEL", "json"),
    "data_checks": ("DATA CHECKS OF LSTM MODEL", "json"),
    "report": ("REPORT OF LSTM MODEL", "md"),
    "error_by_step": ("ERROR BY STEP", "png"),
    "forecast": ("FORECAST AGAINST TRUTH", "png"),
    "coverage": ("COVERAGE OF INTERVALS", "png"),
    "confusion": ("CONFUSION MATRIX", "png"),
    "importance": ("IMPORTANCE OF INPUTS", "png"),
    "reliability": ("RELIABILITY OF PROBABILITIES", "png"),
    "precision_recall": ("PRECISION AND RECALL", "png"),
}


def file_name(run_id: str, kind: str, model_name: str, detail: str = "") -> str:
    """Name of a run's file, e.g. ``2026-11-24 03-00-00 - LSTM MODEL - weather.keras``.

    Args:
        run_id: the run's id.
        kind: a key of the known kinds, or ``'curve'`` for a learning curve of ``detail``.
        model_name: the model's name.
        detail: what distinguishes several files of a kind.
    """
    words, ending = (f"TRAINING {detail.upper()} CURVE", "png") if kind == "curve" else _KINDS[kind]
    extra = f" {detail}" if detail and kind != "curve" else ""
    return f"{run_id} - {words}{extra} - {model_name}.{ending}"


def git_commit() -> str | None:
    """The commit checked out where the run was started, or None outside a repository."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 (the git on the user's path is meant)
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


@dataclass(frozen=True)
class Parts:
    """The folders a run is put together from, as the steps wrote them."""

    clean: Path
    scaled: Path
    network: Path
    evaluation: Path


def build_run(
    folder: Path,
    run_id: str,
    parts: Parts,
    config: RetrainConfig,
    run_fingerprint: str,
    data_fingerprint: str,
    tables: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> dict[str, Any]:
    """Write every file of a run into a folder; return what its manifest tells beside the files.

    Args:
        folder: where to.
        run_id: the run's id, in front of every file name.
        parts: the folders of the steps.
        config: all settings.
        run_fingerprint: hash of data, settings, code and libraries.
        data_fingerprint: hash of the data.
        tables: unscaled features and targets with their time and series columns, to be stored as
            CSV; without them they are taken from the clean table.
    """
    hp, data = config.hyperparameters, config.data
    name = hp.model_name

    def target(kind: str, detail: str = "") -> Path:
        return folder / file_name(run_id, kind, name, detail)

    for source, kind in (
        (parts.network / MODEL_FILE, "model"),
        (parts.network / HISTORY_FILE, "history"),
        (parts.scaled / X_SCALER_FILE, "x_scaler"),
        (parts.scaled / Y_SCALER_FILE, "y_scaler"),
        (parts.evaluation / METRICS_FILE, "metrics"),
        (parts.evaluation / PREDICTIONS_FILE, "predictions"),
        (parts.evaluation / INTERVALS_FILE, "intervals"),
        (parts.clean / REPORT_FILE, "data_checks"),
        (parts.scaled / INPUTS_FILE, "inputs"),
    ):
        if source.exists():
            shutil.copyfile(source, target(kind))
    metrics = json.loads(target("metrics").read_text(encoding="utf-8"))
    checks = json.loads(target("data_checks").read_text(encoding="utf-8"))
    training = json.loads((parts.network / TRAINING_FILE).read_text(encoding="utf-8"))
    if hp.save_X_Y_data:
        for position, kind in enumerate(("x_data", "y_data")):
            blocks = [tables] if tables else _tables(parts.clean / CLEAN_FILE, data)
            write_export((block[position] for block in blocks), target(kind))
    _write_figures(target, hp, data, metrics, training)
    files = {f"{kind}_file_name": _name_if_there(target(kind)) for kind in _KINDS}
    write_json(
        target("hyperparameters"),
        {
            **hp.model_dump(),
            "model_training_datetime": run_id,
            "feature_names": data.features,
            "target_names": data.targets,
            "data": data.model_dump(),
            "evaluation": config.evaluation.model_dump(),
            # The keys fastLSTM 1.0 used, for whoever reads them.
            "model_file_name": files["model_file_name"],
            "scaler_file_name": files["x_scaler_file_name"],
            "y_scaler_file_name": files["y_scaler_file_name"],
            "training_history_file_name": files["history_file_name"],
            "X_data_df_file_name": files["x_data_file_name"],
            "Y_data_df_file_name": files["y_data_file_name"],
        },
    )
    target("report").write_text(
        markdown_report(run_id, config, metrics, training, checks), encoding="utf-8"
    )
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


def _on_same_windows(metrics: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Each baseline's primary score, and the network's on the windows the baseline is defined for."""
    name, test = metrics["primary"]["name"], metrics["test"]
    return {
        baseline: {
            "baseline": scores[name],
            "model": scores.get("model_on_same_windows", test["model"])[name],
        }
        for baseline, scores in test.items()
        if baseline != "model"
    }


def _name_if_there(file: Path) -> str | None:
    return file.name if file.exists() else None


def _tables(clean: Path, data: DataConfig) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    index = {TIME: data.time, **({SERIES: data.series} if data.series else {})}
    for block in read_blocks(clean):
        x = block[[*index, *data.features]].rename(columns=index)
        yield x, block[[*index, *data.targets]].rename(columns=index)


def _write_figures(
    target: Any, hp: Hyperparameters, data: DataConfig, metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:  # fmt: skip
    from fastlstm import plots  # which imports Matplotlib

    history = pd.read_csv(target("history"))
    predictions = read_table(target("predictions"))
    unit = "scaled units" if hp.scale_targets else ""
    for name in ["loss", *hp.metrics]:
        plots.save(
            plots.learning_curve(history, name, training["best_epoch"], unit),
            target("curve", name),
        )
    if "importance" in metrics:
        plots.write(plots.importance(metrics["importance"]), target("importance"))
    several = len(data.targets) > 1
    if hp.is_regressor:
        units = {data.rules(name).unit for name in data.targets}
        common = units.pop() if len(units) == 1 else ""
        plots.save(plots.error_by_step(metrics["by_step"], common), target("error_by_step"))
        for name in data.targets:
            figure = plots.forecast_against_truth(predictions, name, data.rules(name).unit)
            plots.write(figure, target("forecast", name if several else ""))
        if "intervals" in metrics:
            plots.save(plots.coverage_by_step(metrics["intervals"]["by_step"]), target("coverage"))
        return
    for name, scores in metrics["outputs"].items():
        detail = name if len(metrics["outputs"]) > 1 else ""
        plots.save(
            plots.confusion_matrix(scores["confusion_matrix"], [f"not {name}", name]),
            target("confusion", detail),
        )
        plots.save(
            plots.reliability(scores["reliability"], scores["calibration_error"]),
            target("reliability", detail),
        )
        if scores["precision_recall"]:
            plots.save(
                plots.precision_recall(
                    scores["precision_recall"], scores["threshold"], scores["prior"]
                ),
                target("precision_recall", detail),
            )
    for name in data.targets:
        first = name if hp.steps_ahead == 1 else f"{name}_step_1"
        plots.save(
            plots.forecast_over_time(predictions, name, metrics["outputs"][first]["threshold"]),
            target("forecast", name if several else ""),
        )


class SavedRun:
    """A stored run, opened for reading.

    Everything is checked against the manifest first; file names in its JSON may not leave the
    folder, scalers are opened by a restricted unpickler, and the network with ``safe_mode``.

    Args:
        folder: the run's folder.

    Raises:
        StoreError: the run is not whole, or holds what it must not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.manifest = verify(self.folder)
        self.run_id, self.model_name = (
            str(self.manifest.get(key)) for key in ("run_id", "model_name")
        )
        for name in (self.run_id, self.model_name):
            if Path(name).name != name:
                raise StoreError(f"{self.folder}: its manifest's name {name!r} leaves the folder")
        file = self.path("hyperparameters")
        try:
            self.settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            known = {k: v for k, v in self.settings.items() if k in Hyperparameters.model_fields}
            # Runs from before there was a choice are all of this kind.
            known.setdefault("architecture", "classic")
            self.hyperparameters = Hyperparameters.model_validate(known)
            self.data = DataConfig.model_validate(self.settings["data"])
        except ValidationError as error:
            raise StoreError(f"{file}: {describe(error)[0]}") from None
        except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
            raise StoreError(f"{file}: is no hyperparameter file ({error})") from None

    def path(self, kind: str) -> Path:
        """A file of the run by kind; it may not exist for optional kinds."""
        return self.folder / file_name(self.run_id, kind, self.model_name)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics as evaluated on test."""
        loaded: dict[str, Any] = json.loads(self.path("metrics").read_text(encoding="utf-8"))
        return loaded

    @cached_property
    def inputs(self) -> dict[str, Any] | None:
        """What the train rows looked like, by feature; None for a run from before it was kept."""
        file = self.path("inputs")
        if not file.exists():
            return None
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return loaded

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.read_csv(self.path("history"))

    @cached_property
    def scalers(self) -> Scalers:
        """The scalers fitted on the run's train rows."""
        return read_scalers(self.path("x_scaler"), self.path("y_scaler"))

    @cached_property
    def radii(self) -> dict[Pair, Radii] | None:
        """Of its intervals, by the quantiles they are built around; None where it has none."""
        file = self.path("intervals")
        return read_radii(file, self.data.targets) if file.exists() else None

    @property
    def first_test_origin(self) -> int | None:
        """Microseconds since 1970 (UTC) from which on it learned from nothing; None for row numbers."""
        told = str(self.manifest["cuts"]["first_test_origin"])
        if not told.endswith("Z"):
            return None
        return int(np.datetime64(told[:-1], "us").astype(np.int64))

    @cached_property
    def network(self) -> Any:
        """The Keras model, loaded once."""
        return load_network(self.path("model"))

    def forecast(self, features: pd.DataFrame, origins: np.ndarray) -> np.ndarray:
        """Forecasts in the targets' units for windows of a table.

        Args:
            features: unscaled rows with the feature columns, ``(n, ...)``, any column order.
            origins: row numbers the windows' targets begin at (``n`` for the row after the last);
                the ``timesteps`` rows before each are its inputs, ``(n_windows,)``.

        Returns:
            ``(n_windows, steps_ahead, n_targets)``; probabilities for a classifier.

        Raises:
            DataError: a feature column is absent, or a window's input has a missing value.
        """
        return point_of(self.forecast_each(features, origins))

    def forecast_each(self, features: pd.DataFrame, origins: np.ndarray) -> np.ndarray:
        """Forecasts with their quantiles, ``(n_windows, steps_ahead, n_targets, n_quantiles)``.

        Arguments and errors as of ``forecast``; one quantile, the forecast itself, where the network has
        no more.
        """
        hp, targets = self.hyperparameters, len(self.data.targets)
        scaled = self.scalers.features(features)
        out = []
        for start in range(0, len(origins), 4096):  # bounded memory
            x = input_windows(scaled, origins[start : start + 4096], hp.timesteps)
            if np.isnan(x).any():
                raise DataError("a window's inputs hold missing values; fill or drop them first")
            out.append(predict_each(self.network, x, hp.steps_ahead * targets))
        shape = (-1, hp.steps_ahead, targets, hp.outputs_each)
        if not out:
            return np.zeros((0, *shape[1:]))
        return self.scalers.unscale_each(np.concatenate(out).reshape(shape))
