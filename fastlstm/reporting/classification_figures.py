"""Figures of a classifier's forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fastlstm.reporting.figure_style import (
    COLOURS,
    STYLE,
    date_axis,
    figure_legend,
    figure_of,
    finish,
    legend,
    name_text,
    new_axes,
)


def forecast_over_time(
    predictions: pd.DataFrame, target: str, threshold: float, ax: Axes | None = None
) -> Axes:
    """Forecast probability and observed labels of the last test windows of the first series.

    Args:
        predictions: the test predictions of a classifier's run.
        target: which target.
        threshold: decision threshold, drawn as a line.
        ax: where to draw.
    """
    ax = new_axes(ax)
    rows = predictions[(predictions["target"] == target) & (predictions["step"] == 1)]
    series = rows["series"].iloc[0]
    rows = rows[rows["series"] == series].tail(24 * 14)
    # Missing rows break the line at gaps in time.
    usual = rows["origin"].diff().median()
    gaps = rows["origin"][rows["origin"].diff() > 1.5 * usual] - usual
    rows = pd.concat([rows, pd.DataFrame({"origin": gaps})]).sort_values("origin")
    ax.fill_between(
        rows["origin"], rows["truth"], step="post", color=COLOURS["train"], alpha=0.25,
        label="observed", linewidth=0,
    )  # fmt: skip
    ax.plot(
        rows["origin"], rows["prediction"], color=COLOURS["prediction"], label="forecast", **STYLE
    )
    ax.axhline(threshold, color="#555555", ls=":", label=f"threshold {threshold:.2f}")
    ax.set_ylim(0, 1.02)
    date_axis(ax)
    figure_legend(figure_of(ax), *ax.get_legend_handles_labels())
    where = f" · {name_text(series)}" if series else ""
    return finish(ax, f"{name_text(target)}{where}", "time (UTC)", "probability")


def confusion_matrix(matrix: list[list[int]], labels: list[str], ax: Axes | None = None) -> Axes:
    """Confusion matrix of the test windows.

    Args:
        matrix: counts; rows are observed classes, columns predicted ones.
        labels: names of the classes.
        ax: where to draw.
    """
    ax = new_axes(ax, max(4.6, 0.9 * len(labels)))
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i in range(len(labels)):
        for j in range(len(labels)):
            ax.text(
                j,
                i,
                f"{counts[i, j]:,}\n{share[i, j]:.0%}",
                ha="center",
                va="center",
                fontsize=13 if len(labels) < 5 else 8,
                color="white" if share[i, j] > 0.5 else "#222222",
            )
    names = [name_text(label) for label in labels]
    ax.set_xticks(range(len(labels)), names)
    if len(labels) > 4:
        ax.tick_params(axis="x", labelrotation=30)
    ax.set_yticks(range(len(labels)), names)
    finish(ax, "Confusion matrix on test (share of each row)", "predicted", "observed")
    ax.grid(visible=False)
    return ax


def reliability_diagram(bins: list[dict[str, Any]], error: float, ax: Axes | None = None) -> Axes:
    """Reliability diagram: observed frequency by forecast probability on test.

    Args:
        bins: ``'reliability'`` of an output's metrics.
        error: ``'calibration_error'`` of them.
        ax: where to draw.
    """
    ax = new_axes(ax, 4.6)
    windows = np.array([b["windows"] for b in bins])
    ax.plot([0, 1], [0, 1], color="#555555", ls=":", label="perfect calibration")
    ax.plot(
        [b["probability"] for b in bins],
        [b["positives"] for b in bins],
        color=COLOURS["prediction"],
        label=f"network (calibration error {error:.3f})",
        zorder=3,
        **STYLE,
    )
    ax.scatter(
        [b["probability"] for b in bins],
        [b["positives"] for b in bins],
        s=12 + 220 * windows / windows.max(),
        color=COLOURS["prediction"],
        alpha=0.5,
        linewidth=0,
        label="number of windows (area)",
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    legend(ax, loc="upper left")
    return finish(ax, "Reliability diagram on test", "forecast probability", "observed frequency")


def precision_recall(
    curve: list[dict[str, float]],
    threshold: float | None,
    prior: float,
    ax: Axes | None = None,
) -> Axes:
    """Precision and recall on test by decision threshold.

    Args:
        curve: ``'precision_recall'`` of an output's metrics.
        threshold: the threshold chosen on validation, if any.
        prior: share of positives among the train windows, the precision of an always positive forecast.
        ax: where to draw.
    """
    ax = new_axes(ax)
    x = [point["threshold"] for point in curve]
    ax.plot(
        x,
        [p["precision"] for p in curve],
        color=COLOURS["train"],
        label="precision",
        **STYLE,
    )
    ax.plot(
        x,
        [p["recall"] for p in curve],
        color=COLOURS["prediction"],
        label="recall",
        **STYLE,
    )
    if threshold is not None:
        ax.axvline(threshold, color="#555555", ls=":", label=f"decision threshold {threshold:.2f}")
    ax.axhline(prior, color="#8a8f98", ls="--", label=f"class prior {prior:.2f}")
    ax.set_ylim(0, 1.02)
    legend(ax)
    return finish(ax, "Precision and recall on test", "threshold", "precision, recall")
