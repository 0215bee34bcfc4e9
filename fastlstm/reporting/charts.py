"""Charts of the report's page: what each shows, and its numbers packed for the page's script.

A chart has lines over one x axis. Its numbers are those of the whole run, or of each series and target
(``values`` None), which the script then takes from the record of the chosen one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.escaping import one_line
from fastlstm.reporting.text import title

# Most curves that a page shows of one kind: learning curves, outputs of a classifier.
_MOST_CURVES = 8


def packed(values: Any) -> str:
    """Numbers as base64 of little-endian float32; NaN where one is undefined."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode("ascii")


def packed_times(times: np.ndarray) -> dict[str, Any]:
    """Rising times as ``start`` + ``unit`` times the int32 numbers ``k``, all in microseconds.

    Args:
        times: microseconds since 1970, int64 ``(n,)``.
    """
    start = int(times[0]) if len(times) else 0
    offsets = times - start
    unit = max(1, int(np.gcd.reduce(offsets))) if len(times) else 1
    while len(times) and offsets[-1] // unit >= 2**31:
        unit *= 10
    numbers = np.asarray(offsets // unit, "<i4")
    return {"start": start, "unit": unit, "k": base64.b64encode(numbers.tobytes()).decode("ascii")}


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        colour: name of a colour of the page's style.
        kind: ``'line'``, ``'dashed'``, ``'dotted'``, ``'points'`` or ``'bars'``.
    """

    name: str
    colour: str
    kind: str = "line"


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: its name.
        section: key of the section of the page that it is in.
        heading: its title.
        x: label of the x axis; empty for times.
        y: label of the y axis.
        lines: its lines.
        values: x and each line, packed; None: a record of each series has them.
        top: upper end of the y axis; None: by the values.
        zero: whether the y axis begins at zero.
        mark: an x that is marked by a vertical line, with its name.
    """

    key: str
    section: str
    heading: str
    x: str
    y: str
    lines: Sequence[Line]
    values: Sequence[str] | None = None
    top: float | None = None
    zero: bool = False
    mark: tuple[float, str] | None = None

    def facts(self) -> dict[str, Any]:
        """The chart for the page's script."""
        return asdict(self)


def learning_curves(history: pd.DataFrame, names: Sequence[str], best_epoch: int) -> list[Chart]:
    """Loss and metrics by epoch on train and validation windows.

    Args:
        history: one row per epoch with ``epoch``, and ``<name>`` and ``val_<name>`` of each.
        names: the loss and the metrics.
        best_epoch: epoch whose weights are kept.
    """
    charts = []
    for name in names[:_MOST_CURVES]:
        columns = [(name, "train", "train"), (f"val_{name}", "validation", "model")]
        there = [
            (column, Line(text, colour)) for column, text, colour in columns if column in history
        ]
        if there:
            charts.append(
                Chart(
                    f"learning {name}", "training", f"Learning curve: {title(name)}", "epoch",
                    title(name), [line for _, line in there],
                    [packed(history["epoch"]), *(packed(history[column]) for column, _ in there)],
                    mark=(float(best_epoch), "epoch kept"),
                )
            )  # fmt: skip
    return charts


def _calibration_title(name: str, error: float | None) -> str:
    return f"Calibration of {one_line(name)}" + ("" if error is None else f": error {error:.3f}")


def probability_charts(metrics: dict[str, Any]) -> list[Chart]:
    """Reliability, and precision and recall by threshold, of the outputs of a classifier."""
    named = {**metrics.get("labels", {}), **metrics.get("outputs", {})}
    charts = []
    for name, scores in list(named.items())[:_MOST_CURVES]:
        bins = scores.get("reliability") or []
        if bins:
            x = [b["probability"] for b in bins]
            charts.append(
                Chart(
                    f"reliability {name}", "calibration",
                    _calibration_title(name, scores["calibration_error"]),
                    "forecast probability", "observed frequency",
                    [Line("network", "model", "points"), Line("perfect calibration", "muted", "dotted")],
                    [packed(x), packed([b["positives"] for b in bins]), packed(x)],
                    top=1.0, zero=True,
                )
            )  # fmt: skip
    for name, scores in list(metrics.get("outputs", {}).items())[:_MOST_CURVES]:
        if curve := scores.get("precision_recall"):
            columns = [
                [point[key] for point in curve] for key in ("threshold", "precision", "recall")
            ]
            charts.append(
                Chart(
                    f"precision and recall {name}", "decisions",
                    f"Precision and recall of {one_line(name)}", "threshold", "share",
                    [Line("precision", "train"), Line("recall", "model")],
                    [packed(column) for column in columns], top=1.0, zero=True,
                    mark=(scores["threshold"], "decision threshold"),
                )
            )  # fmt: skip
    return charts
