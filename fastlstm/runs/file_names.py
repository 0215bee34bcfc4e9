"""The names of a run's files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

# Kind of file -> (words in its name, ending). The names up to "history" are those of fastLSTM 1.0.
KINDS = {
    "model": ("LSTM MODEL", "keras"),
    "evaluated_model": ("EVALUATED LSTM MODEL", "keras"),
    "onnx": ("ONNX MODEL", "onnx"),
    "evaluated_onnx": ("EVALUATED ONNX MODEL", "onnx"),
    "x_scaler": ("SCALER FOR LSTM MODEL", "pkl"),
    "y_scaler": ("Y SCALER FOR LSTM MODEL", "pkl"),
    "x_scaler_json": ("SCALER FOR LSTM MODEL", "json"),
    "y_scaler_json": ("Y SCALER FOR LSTM MODEL", "json"),
    "series_scales": ("SERIES SCALES OF LSTM MODEL", "parquet"),
    "x_data": ("X_data FOR LSTM MODEL", "csv"),
    "y_data": ("Y_data FOR LSTM MODEL", "csv"),
    "history": ("TRAINING HISTORY OF LSTM MODEL", "csv"),
    "hyperparameters": ("HYPERPARAMETERS OF LSTM MODEL", "json"),
    "metrics": ("METRICS OF LSTM MODEL", "json"),
    "predictions": ("TEST PREDICTIONS OF LSTM MODEL", "parquet"),
    "intervals": ("PREDICTION INTERVALS OF LSTM MODEL", "parquet"),
    "spreads": ("SERIES SPREADS OF LSTM MODEL", "parquet"),
    "inputs": ("TRAIN INPUTS OF LSTM MODEL", "json"),
    "data_checks": ("DATA CHECKS OF LSTM MODEL", "json"),
    "report": ("REPORT OF LSTM MODEL", "md"),
    "page": ("REPORT OF LSTM MODEL", "html"),
    "error_by_step": ("ERROR BY STEP", "png"),
    "forecast": ("FORECAST AGAINST TRUTH", "png"),
    "coverage": ("COVERAGE OF INTERVALS", "png"),
    "confusion": ("CONFUSION MATRIX", "png"),
    "importance": ("IMPORTANCE OF INPUTS", "png"),
    "reliability": ("RELIABILITY OF PROBABILITIES", "png"),
    "precision_recall": ("PRECISION AND RECALL", "png"),
}


# Bytes of a file name on common file systems.
_LONGEST = 255

# What is no plain character of a file name somewhere, or shows a name in another order than it has.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|%\u200e\u200f\u2028-\u202e\u2066-\u2069]')


def file_name(run_id: str, kind: str, model_name: str, detail: str = "") -> str:
    """Name of a run's file, e.g. ``2026-11-24 03-00-00 - LSTM MODEL - weather.keras``.

    Args:
        run_id: the run's id.
        kind: a key of the known kinds, or ``'curve'`` for a learning curve of ``detail``.
        model_name: the model's name.
        detail: what distinguishes several files of a kind, such as a target; it is percent-encoded
            where it is no file name, and cut where it is too long, with the hash of the whole.
    """
    words, ending = (f"TRAINING {detail.upper()} CURVE", "png") if kind == "curve" else KINDS[kind]
    if not detail or kind == "curve":
        return f"{run_id} - {words} - {model_name}.{ending}"
    taken = f"{run_id} - {words}  - {model_name}.{ending}"
    room = _LONGEST - len(taken.encode())
    return f"{run_id} - {words} {_file_text(detail, room)} - {model_name}.{ending}"


def _file_text(text: str, room: int) -> str:
    """A text as part of a file name of at most ``room`` bytes; different texts stay different."""
    safe = _UNSAFE.sub(lambda found: quote(found[0], safe=""), text)
    if len(safe.encode()) <= room:
        return safe
    mark = f"~{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return safe.encode()[: room - len(mark)].decode(errors="ignore") + mark


def name_if_there(file: Path) -> str | None:
    """The name of a file, or None where it does not exist."""
    return file.name if file.exists() else None
