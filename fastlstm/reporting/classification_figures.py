"""Figures of a classifier's forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fastlstm.reporting.figure_style import COLOURS, STYLE, date_axis, figure_of, finish, new_axes


def forecast_over_time(
    predictions: pd.DataFrame, target: str, threshold: float, ax: Axes | None = None
) -> Axes:
    """Forecast probability and true labels over the last test windows of the first series.

    Args:
        predictions: as in a classifier run's test predictions.
        target: which target.
        threshold: decision threshold; drawn as a line.
        ax: where to draw.
    """
    ax = new_axes(ax)
    rows = predictions[(predictions["target"] == target) & (predictions["step"] == 1)]
    series = rows["series"].iloc[0]
    rows = rows[rows["series"] == series].tail(24 * 14)
    # A line across a hole in time would show forecasts that were never made.
    usual = rows["origin"].diff().median()
    holes = rows["origin"][rows["origin"].diff() > 1.5 * usual] - usual
    rows = pd.concat([rows, pd.DataFrame({"origin": holes})]).sort_values("origin")
    ax.fill_between(
        rows["origin"], rows["truth"], step="post", color=COLOURS["train"], alpha=0.25,
        label="truth", linewidth=0,
    )  # fmt: skip
    ax.plot(
        rows["origin"], rows["prediction"], color=COLOURS["prediction"], label="forecast", **STYLE
    )
    ax.axhline(threshold, color="#555555", ls=":", label=f"threshold {threshold:.2f}")
    ax.set_ylim(0, 1.02)
    date_axis(ax)
    figure_of(ax).legend(
        *ax.get_legend_handles_labels(),
        fontsize=11,
        frameon=False,
        ncols=3,
        loc="outside upper center",
    )
    where = f" · {series}" if series else ""
    return finish(ax, f"{target}{where}", "origin (UTC)", "probability")


def confusion_matrix(matrix: list[list[int]], labels: list[str], ax: Axes | None = None) -> Axes:
    """Counts of test windows by true and predicted class.

    Args:
        matrix: rows truth, columns prediction.
        labels: names of the classes.
        ax: where to draw.
    """
    ax = new_axes(ax, 4.6)
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
                fontsize=13,
                color="white" if share[i, j] > 0.5 else "#222222",
            )
    ax.set_xticks(range(len(labels)), labels)
    ax.set_yticks(range(len(labels)), labels)
    finish(ax, "Test windows by class (share of each row)", "predicted", "true")
    ax.grid(visible=False)
    return ax


def reliability_diagram(bins: list[dict[str, Any]], error: float, ax: Axes | None = None) -> Axes:
    """Share of positives among test windows against the probability they were given.

    Args:
        bins: ``'reliability'`` of an output's metrics.
        error: ``'calibration_error'`` of them.
        ax: where to draw.
    """
    ax = new_axes(ax, 4.6)
    windows = np.array([b["windows"] for b in bins])
    ax.plot([0, 1], [0, 1], color="#555555", ls=":", label="as said")
    ax.plot(
        [b["probability"] for b in bins],
        [b["positives"] for b in bins],
        color=COLOURS["prediction"],
        label=f"came true (error {error:.3f})",
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
        label="area: windows",
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.legend(fontsize=11, frameon=False, loc="upper left")
    return finish(ax, "Reliability on test", "forecast probability", "share of positives")


def precision_recall(
    curve: list[dict[str, float]],
    threshold: float | None,
    prior: float,
    ax: Axes | None = None,
) -> Axes:
    """Precision and recall on test windows against the decision threshold.

    Args:
        curve: ``'precision_recall'`` of an output's metrics.
        threshold: the threshold validation chose, if one.
        prior: share of positives among the train windows, the precision of saying yes always.
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
        ax.axvline(threshold, color="#555555", ls=":", label=f"chosen: {threshold:.2f}")
    ax.axhline(prior, color="#8a8f98", ls="--", label=f"prior: {prior:.2f}")
    ax.set_ylim(0, 1.02)
    ax.legend(fontsize=11, frameon=False)
    return finish(ax, "Precision and recall on test", "threshold (probability)", "share")
