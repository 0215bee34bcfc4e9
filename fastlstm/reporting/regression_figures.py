"""Figures of a regressor's forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastlstm.reporting.figure_style import (
    COLOURS,
    STYLE,
    date_axis,
    finish,
    forecast_colour,
    new_axes,
)
from fastlstm.reporting.text import NAMES


def error_by_step(by_step: list[dict[str, Any]], unit: str = "", ax: Axes | None = None) -> Axes:
    """Mean absolute error of the network and the baselines against the step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics.
        unit: unit of the targets, for the label; empty where they differ.
        ax: where to draw.
    """
    ax = new_axes(ax)
    steps = [row["step"] for row in by_step]
    for name in [key for key in by_step[0] if key != "step"]:
        values = [row[name]["mae"] for row in by_step]
        ax.plot(
            steps,
            [np.nan if v is None else v for v in values],
            color=forecast_colour(name),
            label=NAMES[name],
            marker="o" if len(steps) < 3 else None,
            **STYLE,
        )
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    label = f"mean absolute error ({unit})" if unit else "mean absolute error"
    return finish(ax, "Test error by step ahead", "steps ahead", label)


def forecast_against_truth(
    predictions: pd.DataFrame, target: str, unit: str = "", windows: int = 3
) -> Figure:
    """Forecast and truth of some test windows, spread evenly over the test period.

    Prediction intervals, where the table has them, are the shades around the forecast (a fan chart).

    Args:
        predictions: as in a run's test predictions.
        target: which target.
        unit: unit of the target, for the labels.
        windows: how many windows, one panel each.
    """
    mine = predictions[predictions["target"] == target]
    labels = list(dict.fromkeys(mine["series"]))
    chosen = []
    for i in range(windows):  # the panels take the series in turn
        series = labels[i % len(labels)]
        origins = mine.loc[mine["series"] == series, "origin"].unique()
        chosen.append((series, origins[len(origins) * (i + 1) // (windows + 1)]))
    figure = Figure(figsize=(6.4, 2.7 * len(chosen)), layout="constrained")
    panels = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
    marker = "o" if int(mine["step"].max()) < 3 else None
    drawn = [n for n in ("last_season", "truth", "prediction") if n in mine]
    levels = sorted(
        (n.removeprefix("lower_") for n in map(str, mine) if n.startswith("lower_")),
        key=float,
        reverse=True,  # the wide ones beneath
    )
    for ax, (series, origin) in zip(panels, chosen, strict=True):
        rows = mine[(mine["series"] == series) & (mine["origin"] == origin)]
        for number, level in enumerate(levels, start=1):
            ax.fill_between(
                rows["time"],
                rows[f"lower_{level}"],
                rows[f"upper_{level}"],
                color=COLOURS["prediction"],
                alpha=0.15 * number,
                linewidth=0,
                label=f"{float(level):.4g} interval",
            )
        for name in drawn:
            ax.plot(
                rows["time"],
                rows[name],
                color=COLOURS[name],
                label=NAMES.get(name, name),
                marker=marker,
                linestyle="--" if name == "last_season" else "-",
                **STYLE,
            )
        where = f"{series}, " if series else ""
        finish(
            ax,
            f"{where}from {origin:%Y-%m-%d %H:%M} UTC",
            "",
            f"{target} ({unit})" if unit else target,
        )
        date_axis(ax)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=11, frameon=False, ncols=3, loc="outside upper center")
    panels[-1].set_xlabel("time (UTC)", fontsize=12)
    return figure


def coverage_by_step(by_step: list[dict[str, Any]], ax: Axes | None = None) -> Axes:
    """Share of test values inside the prediction intervals against the step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics' intervals.
        ax: where to draw.
    """
    ax = new_axes(ax)
    table = pd.DataFrame(by_step)
    colours = {"conformal": COLOURS["last_value"], "adaptive": COLOURS["prediction"]}
    for level in table["level"].unique().tolist():
        of_level = table[table["level"] == level]
        ax.axhline(level, color="#555555", ls=":")
        for method, rows in of_level.groupby("method"):
            ax.plot(
                rows["step"],
                rows["coverage"],
                color=colours[str(method)],
                label=str(method) if level == table["level"].min() else None,
                marker="o" if len(rows) < 3 else None,
                **STYLE,
            )
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    return finish(ax, "Test values inside the intervals", "steps ahead", "share (nominal: dotted)")
