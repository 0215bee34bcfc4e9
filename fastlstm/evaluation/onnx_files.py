"""Write a scored network as an ONNX model, compared with Keras on test windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import ONNX_CHECK_FILE, ONNX_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.network.onnx_export import export_onnx
from fastlstm.windows.source import WindowSource

# Windows that are read to compare outputs on.
_WINDOWS = 256


def write_onnx(folder: Path, network: Any, dataset: WindowSource) -> None:
    """Write a network's ONNX model, or why it has none.

    Args:
        folder: where to write.
        network: the Keras network.
        dataset: the windows; test windows are read.
    """
    inputs, _ = next(dataset.batches("test", _WINDOWS))
    check = export_onnx(network, inputs, folder / ONNX_FILE)
    write_json(folder / ONNX_CHECK_FILE, check.facts())
