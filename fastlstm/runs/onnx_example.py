"""Forecast with an exported network: numpy and onnxruntime are all that this file needs.

The folder around it holds ``model.onnx``, ``network.json`` with the names and the order of the
columns, ``scalers.json``, and ``example.json``, one window with its forecast. ``python forecast.py``
forecasts the window again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Network:
    """The network in a folder.

    Args:
        folder: holds the files named above.
    """

    def __init__(self, folder: Path) -> None:
        self.about = _read(folder / "network.json")
        self.scalers = _read(folder / "scalers.json")
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"))

    def forecast(self, rows: Any, series: str | None = None) -> np.ndarray:
        """Forecast the rows after a window.

        Args:
            rows: the last ``timesteps`` rows, oldest first, each with the features in the order of
                ``network.json``, in their own units.
            series: label of the rows' series, where ``scalers.json`` has scales by series.

        Returns:
            ``(steps_ahead, targets, outputs)`` in the targets' units: an output for each quantile, or
            one. Those of a classifier are probabilities.
        """
        about = self.about
        window = np.array(rows, np.float64)
        center, scale = self._scale("features", series)
        window = ((window - center) / scale).astype(np.float32)
        (outputs,) = self.session.run(None, {"window": window[None]})
        by_step = outputs.reshape(about["steps_ahead"], len(about["targets"]), -1)
        if self.scalers["targets"] is not None:
            center, scale = self._scale("targets", series)
            by_step = by_step * scale[:, None] + center[:, None]
        lower, upper = np.array(about["limits"], np.float64).T[:, :, None]  # None becomes NaN
        whole = np.array(about["rounded"])[:, None]
        rounded = np.where(whole, np.rint(by_step), by_step)
        return np.asarray(np.fmin(np.fmax(rounded, lower), upper))

    def _scale(self, kind: str, series: str | None) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted from each column of a kind, and what it is then divided by."""
        center, scale = (np.array(self.scalers[kind][part]) for part in ("center", "scale"))
        by_series = self.scalers["series"]
        if by_series is None:
            return center, scale
        if series not in by_series["scales"]:
            raise ValueError(f"series {series!r} has no scale in scalers.json")
        for column, (of_center, of_scale) in zip(
            by_series["columns"], by_series["scales"][series], strict=True
        ):
            for position, name in enumerate(self.about[kind]):
                if name == column:
                    center[position], scale[position] = of_center, of_scale
        return center, scale


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def main() -> None:
    """Forecast the example again and compare."""
    folder = Path(__file__).parent
    network, example = Network(folder), _read(folder / "example.json")
    found = network.forecast(example["rows"], example["series"])
    print(found)
    if not np.allclose(found, example["forecast"], rtol=1e-4, atol=1e-6):
        raise SystemExit("the forecast differs from that of example.json")
    print("as in example.json")


if __name__ == "__main__":
    main()
