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
    fan_chart,
    figure_legend,
    finish,
    forecast_colour,
    from_zero,
    legend,
    name_text,
    new_axes,
)
from fastlstm.reporting.text import forecast_name, title

# Columns of predictions that are drawn, below to above, and their names in the legend.
_LABELS = {
    "last_season": forecast_name("last_season"),
    "truth": "observed",
    "prediction": "forecast",
}


def error_by_step(
    by_step: list[dict[str, Any]], unit: str = "", ax: Axes | None = None, metric: str = "mae"
) -> Axes:
    """Error of network and baselines by step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics.
        unit: unit of the targets, for the label; empty where they differ.
        ax: where to draw.
        metric: key of the metric to draw.
    """
    ax = new_axes(ax)
    steps = [row["step"] for row in by_step]
    for name in (key for key in by_step[0] if key != "step"):
        values = [row[name][metric] for row in by_step]
        ax.plot(
            steps,
            [np.nan if v is None else v for v in values],
            color=forecast_colour(name),
            label=forecast_name(name),
            marker="o" if len(steps) < 3 else None,
            **STYLE,
        )
    from_zero(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    name = "mean absolute error" if metric == "mae" else title(metric)
    label = f"{name} ({name_text(unit)})" if unit and metric in ("mae", "rmse") else name
    return finish(ax, f"{name[0].upper()}{name[1:]} on test by step ahead", "steps ahead", label)


def forecast_against_truth(
    predictions: pd.DataFrame, target: str, unit: str = "", windows: int = 3
) -> Figure:
    """Forecasts and observed values of some test windows, spread evenly over the test period.

    Prediction intervals, where the table has them, are drawn as a fan chart.

    Args:
        predictions: the test predictions of a run.
        target: which target.
        unit: unit of the target, for the labels.
        windows: how many windows, one panel each.
    """
    of_target = predictions[predictions["target"] == target]
    labels = list(dict.fromkeys(of_target["series"]))
    chosen = []
    for i in range(windows):  # the panels take the series in turn
        series = labels[i % len(labels)]
        origins = of_target.loc[of_target["series"] == series, "origin"].unique()
        chosen.append((series, origins[len(origins) * (i + 1) // (windows + 1)]))
    figure = Figure(figsize=(6.4, 2.7 * len(chosen)), layout="constrained")
    panels = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
    marker = "o" if int(of_target["step"].max()) < 3 else None
    drawn = [name for name in _LABELS if name in of_target]
    levels = [n.removeprefix("lower_") for n in map(str, of_target) if n.startswith("lower_")]
    for ax, (series, origin) in zip(panels, chosen, strict=True):
        rows = of_target[(of_target["series"] == series) & (of_target["origin"] == origin)]
        bounds = {float(n): (rows[f"lower_{n}"], rows[f"upper_{n}"]) for n in levels}
        fan_chart(ax, rows["time"], bounds)
        for name in drawn:
            ax.plot(
                rows["time"],
                rows[name],
                color=COLOURS[name],
                label=_LABELS[name],
                marker=marker,
                linestyle="--" if name == "last_season" else "-",
                **STYLE,
            )
        where = f"{name_text(series)}, " if series else ""
        finish(
            ax,
            f"{where}forecast from {origin:%Y-%m-%d %H:%M} UTC",
            "",
            name_text(f"{target} ({unit})" if unit else target),
        )
        date_axis(ax)
    handles, names = panels[0].get_legend_handles_labels()
    figure_legend(figure, handles, names)
    panels[-1].set_xlabel("time (UTC)", fontsize=12)
    return figure


def coverage_by_step(by_step: list[dict[str, Any]], ax: Axes | None = None) -> Axes:
    """Coverage of the prediction intervals on test by step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics' intervals.
        ax: where to draw.
    """
    ax = new_axes(ax)
    table = pd.DataFrame(by_step)
    styles: dict[str, dict[str, Any]] = {
        "conformal": {"color": COLOURS["last_value"]},
        "adaptive": {"color": COLOURS["prediction"], "linestyle": "--"},
    }
    for level in table["level"].unique().tolist():
        of_level = table[table["level"] == level]
        ax.axhline(level, color="#555555", ls=":")
        for method, style in styles.items():
            rows = of_level[of_level["method"] == method]
            if rows.empty:
                continue
            ax.plot(
                rows["step"],
                rows["coverage"],
                label=method if level == table["level"].min() else None,
                marker="o" if len(rows) < 3 else None,
                **STYLE,
                **style,
            )
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    return finish(
        ax, "Interval coverage on test by step ahead", "steps ahead", "coverage (nominal: dotted)"
    )
