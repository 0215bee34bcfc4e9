"""Write a folder that serves a run's network anywhere: ONNX model, scalers as JSON, page and example."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.folders import publish
from fastlstm.config.forecast_limits import forecast_limits
from fastlstm.config.made_columns import made_columns
from fastlstm.data.column_names import SERIES
from fastlstm.errors import StoreError
from fastlstm.network.onnx_export import export_onnx
from fastlstm.network.onnx_graph import OPSET
from fastlstm.network.onnx_session import TOLERANCE
from fastlstm.runs.onnx_page import page
from fastlstm.runs.saved_run import SavedRun

# Windows that the outputs are compared on where the run holds no ONNX model.
_COMPARED = 256


def export_folder(run: SavedRun, folder: Path) -> None:
    """Write the folder, which appears whole.

    A run that holds an ONNX model gives it; of another one the network is exported, and its outputs are
    compared with Keras' on random windows.

    Args:
        run: the run.
        folder: a folder that does not exist.

    Raises:
        ConfigError: the run has no ONNX model, and TensorFlow is not installed.
        StoreError: the network has no equal in ONNX.
    """
    publish(folder, lambda target: _write(run, target))


def _write(run: SavedRun, folder: Path) -> dict[str, Any]:
    """Write the files; returns what the manifest says of the folder."""
    windows = _write_model(run, folder / "model.onnx")
    about, scalers = _about(run), _scalers(run)
    write_json(folder / "network.json", about)
    write_json(folder / "scalers.json", scalers)
    write_json(folder / "example.json", _example(run, scalers))
    shutil.copyfile(Path(__file__).with_name("onnx_example.py"), folder / "forecast.py")
    text = page(
        about, by_series=scalers["series"] is not None, windows=windows, tolerance=TOLERANCE,
        opset=OPSET,
    )  # fmt: skip
    with writing_to(folder):
        (folder / "README.md").write_text(text, encoding="utf-8")
    return {"model_name": run.model_name, "run_id": run.run_id}


def _write_model(run: SavedRun, file: Path) -> int:
    """Write the ONNX model; returns the number of windows its outputs were compared on."""
    if run.has_onnx:
        shutil.copyfile(run.path("onnx"), file)
        return int(run.manifest["training"]["onnx"]["windows"])
    check = export_onnx(run.network, _scaled_windows(run, _COMPARED), file)
    if check.reason:
        raise StoreError(
            f"{run.folder}: its network cannot be exported as ONNX ({check.reason}); forecast with "
            "'fastlstm predict'"
        )
    return check.windows


def _scaled_windows(run: SavedRun, count: int) -> np.ndarray:
    """Random walks at the scale of train rows, ``(count, timesteps, n_features)`` float32."""
    hp, rng = run.hyperparameters, np.random.default_rng(0)
    steps = rng.normal(scale=0.3, size=(count, hp.timesteps, len(run.data.features)))
    walks: np.ndarray = np.clip(steps.cumsum(axis=1), -3, 3).astype(np.float32)
    return walks


def _about(run: SavedRun) -> dict[str, Any]:
    """Content of ``network.json``."""
    hp, data = run.hyperparameters, run.data
    limits, made = forecast_limits(data, hp), made_columns(data, "")
    return {
        "model": run.model_name,
        "run": run.run_id,
        "task": "regressor" if hp.is_regressor else "classifier",
        "timesteps": hp.timesteps,
        "steps_ahead": hp.steps_ahead,
        "features": data.features,
        "targets": data.targets,
        "outputs_each": hp.outputs_each,
        "quantiles": hp.quantiles,
        "classes": hp.classes,
        "thresholds": run.settings.get("evaluation", {}).get("thresholds"),
        "scaled_targets": hp.scale_targets,
        "made": {name: made[name].text for name in data.features if name in made},
        "limits": [limits.get(target, [None, None]) for target in data.targets],
        "rounded": [target in data.rounded_targets for target in data.targets],
    }


def _scalers(run: SavedRun) -> dict[str, Any]:
    """Content of ``scalers.json``: each column's center and scale, of series their own."""
    scalers = run.plain_scalers
    by_series = scalers.series
    return {
        "features": _center_and_scale(scalers.x, run.data.features),
        "targets": None if scalers.y is None else _center_and_scale(scalers.y, run.data.targets),
        "series": None if by_series is None else {
            "columns": list(by_series.columns),
            "scales": {
                str(label): np.stack([center, scale], axis=1).tolist()
                for label, center, scale in zip(
                    by_series.labels, by_series.center, by_series.scale, strict=True
                )
            },
        },
    }  # fmt: skip


def _center_and_scale(scaler: Any, columns: list[str]) -> dict[str, list[float]]:
    """What a scaler subtracts from each column, and what it then divides by."""
    names = [str(name) for name in scaler.feature_names_in_]
    center, scale = scaler.affine()
    order = [names.index(name) for name in columns]
    return {"center": center[order].tolist(), "scale": scale[order].tolist()}


def _example(run: SavedRun, scalers: dict[str, Any]) -> dict[str, Any]:
    """One window in its own units and its forecast by this library."""
    scaled = _scaled_windows(run, 1)[0].astype(np.float64)
    of_features = scalers["features"]
    rows = scaled * of_features["scale"] + of_features["center"]
    frame = pd.DataFrame(rows, columns=run.data.features)
    label = None
    if scalers["series"] is not None:
        label, scales = next(iter(scalers["series"]["scales"].items()))
        for name, (center, scale) in zip(scalers["series"]["columns"], scales, strict=True):
            if name in frame:
                position = run.data.features.index(name)
                frame[name] = scaled[:, position] * scale + center
        frame[SERIES] = label
    forecast = run.forecast_each(frame, np.array([len(frame)]))[0]
    return {
        "series": label,
        "rows": frame[run.data.features].to_numpy().tolist(),
        "forecast": forecast.tolist(),
    }
