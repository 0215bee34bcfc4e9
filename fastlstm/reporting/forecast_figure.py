"""The figure of forecasts of what is not known yet: history, forecast and intervals of some series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastlstm.reporting.figure_style import (
    COLOURS,
    STYLE,
    date_axis,
    fan_chart,
    figure_legend,
    finish,
    legend,
    name_text,
)

# Most panels, and rows of history beside each forecast row.
_PANELS, _HISTORY = 12, 4
# Most classes in one panel.
_CLASSES = 8


def forecast_figure(
    history: pd.DataFrame, forecasts: pd.DataFrame, intervals: pd.DataFrame, series: Sequence[str],
    units: Mapping[str, str], time_zone: str,
) -> Figure:  # fmt: skip
    """A panel for each series and target, with a fan chart of the intervals.

    Args:
        history: ``series, time`` and a column for each target that is known; rows before the forecasts.
        forecasts: ``series, step, time, target, prediction``.
        intervals: ``series, step, target, level, lower, upper``; it may be empty.
        series: labels of the series to draw, in order.
        units: of the targets, by name; empty where there is none.
        time_zone: IANA zone of the x axis.
    """
    panels = [(label, target) for label in series for target in units][:_PANELS]
    figure = Figure(figsize=(6.4, 2.7 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for ax, (label, target) in zip(axes, panels, strict=True):
        rows = _local(_of(forecasts, label, target), time_zone)
        past = _local(history[history["series"].astype(str) == label], time_zone)
        if target in past and len(past):
            past = past.tail(_HISTORY * len(rows))
            ax.plot(past["time"], past[target], color=COLOURS["truth"], label="observed", **STYLE)
        if len(intervals):
            _draw_intervals(ax, rows, _of(intervals, label, target))
        ax.plot(
            rows["time"], rows["prediction"], color=COLOURS["prediction"], label="forecast",
            marker="o" if len(rows) < 3 else None, **STYLE,
        )  # fmt: skip
        unit = units[target]
        _finish(ax, label, f"{target} ({unit})" if unit else target, rows)
    figure_legend(figure, *axes[0].get_legend_handles_labels())
    axes[-1].set_xlabel(f"time ({time_zone})", fontsize=12)
    return figure


def probability_figure(
    forecasts: pd.DataFrame, series: Sequence[str], targets: Sequence[str], time_zone: str
) -> Figure:
    """A panel for each series with the probability of each class.

    Args:
        forecasts: ``series, step, time, target, prediction``, the last a probability.
        series: labels of the series to draw, in order.
        targets: the classes' names.
        time_zone: IANA zone of the x axis.
    """
    figure = Figure(figsize=(6.4, 3.2 * len(series)), layout="constrained")
    axes = figure.subplots(len(series), 1, squeeze=False)[:, 0]
    for ax, label in zip(axes, series, strict=True):
        for number, target in enumerate(targets[:_CLASSES]):
            rows = _local(_of(forecasts, label, target), time_zone)
            ax.plot(
                rows["time"], rows["prediction"], color=f"C{number}", label=name_text(target),
                marker="o" if len(rows) < 3 else None, **STYLE,
            )  # fmt: skip
        ax.set_ylim(0, 1)
        _finish(ax, label, "probability", rows)
        legend(ax)
    axes[-1].set_xlabel(f"time ({time_zone})", fontsize=12)
    return figure


def _draw_intervals(ax: Axes, rows: pd.DataFrame, bounds: pd.DataFrame) -> None:
    by_level = {
        float(level): bounds[bounds["level"] == level] for level in bounds["level"].unique()
    }
    fan_chart(ax, rows["time"], {
        level: (found["lower"].to_numpy(np.float64), found["upper"].to_numpy(np.float64))
        for level, found in by_level.items()
    })  # fmt: skip


def _finish(ax: Axes, label: str, what: str, rows: pd.DataFrame) -> None:
    where = f"{name_text(label)}, " if label else ""
    first = rows["time"].iloc[0]
    finish(ax, f"{where}forecast from {first:%Y-%m-%d %H:%M}", "", name_text(what))
    date_axis(ax)


def _of(table: pd.DataFrame, label: str, target: str) -> pd.DataFrame:
    """Rows of a series and target by step."""
    rows = table[(table["series"].astype(str) == label) & (table["target"] == target)]
    return rows.sort_values("step")


def _local(rows: pd.DataFrame, time_zone: str) -> pd.DataFrame:
    """Rows with the clock of a zone in ``time``, which has no zone then, as axes take it."""
    times = pd.DatetimeIndex(rows["time"])
    known = times if times.tz is not None else times.tz_localize("UTC")
    return rows.assign(time=known.tz_convert(time_zone).tz_localize(None))
