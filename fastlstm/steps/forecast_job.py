"""Decide where newest rows are forecast: in this process, or in one of their own.

A process of its own can be killed for lack of memory without its caller, and TensorFlow needs it; it
takes seconds to start. So a small job of a run with an ONNX model, or of a baseline, is done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastlstm.network.keras_import import require_tensorflow
from fastlstm.steps import worker

FORECAST = "fastlstm.steps.forecast:forecast_latest_into"

# Bytes of a source whose rows are forecast in this process; as a table it takes some times as many.
_SMALL_BYTES = 64 << 20


def needs_tensorflow(run: Path, baseline: str | None) -> bool:
    """Whether a run's forecasts need TensorFlow: its network does where it has no ONNX model.

    Args:
        run: folder of the run.
        baseline: key of the naive baseline that forecasts in place of the network.
    """
    return baseline is None and not any(run.glob("* - ONNX MODEL - *.onnx"))


def preparation(arguments: dict[str, Any]) -> str:
    """The function that imports, in a process of an engine, what a forecast needs.

    Args:
        arguments: keywords of ``fastlstm.steps.forecast.forecast_latest_into``.
    """
    by_tensorflow = needs_tensorflow(Path(arguments["run"]), arguments.get("baseline"))
    return f"fastlstm.steps.{'train' if by_tensorflow else 'forecast'}:prepare"


def forecast_newest(arguments: dict[str, Any]) -> dict[str, Any]:
    """Call ``fastlstm.steps.forecast.forecast_latest_into`` where it suits the job.

    Args:
        arguments: keywords of the function, without ``on_event``.

    Raises:
        ConfigError: the run has no ONNX model, and TensorFlow is not installed.
        FastLSTMError: see the function.
    """
    by_tensorflow = needs_tensorflow(Path(arguments["run"]), arguments.get("baseline"))
    if by_tensorflow:
        require_tensorflow()
    if by_tensorflow or _bytes_of(Path(arguments["source"])) > _SMALL_BYTES:
        found: dict[str, Any] = worker.call(FORECAST, arguments)
        return found
    from fastlstm.steps.forecast import forecast_latest_into

    return forecast_latest_into(**arguments, on_event=lambda _: None)


def _bytes_of(source: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [source] if source.is_file() else source.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
