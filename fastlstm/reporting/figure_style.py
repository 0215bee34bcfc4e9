"""Style shared by all figures, and writing them to files.

Figures are made without pyplot, so that nothing is shown and no global state changes. Sizes and fonts
suit a phone held upright as well as a report.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from PIL import Image

from fastlstm.escaping import figure_text, one_line

STYLE: dict[str, Any] = {"linewidth": 1.8}


COLOURS = {
    "train": "#1f5fa8",
    "validation": "#d9541e",
    "truth": "#222222",
    "prediction": "#d9541e",
    "last_value": "#8a8f98",
    "last_season": "#3f9b6c",
    "drift": "#b08d3c",
    "prior": "#8a8f98",
    "last_class": "#3f9b6c",
}


# Colour of a baseline without an entry in COLOURS.
_OTHER_COLOUR = "#7a5fa8"


def forecast_colour(name: str) -> str:
    """Colour of a forecast by its key: ``'model'`` or a baseline."""
    return COLOURS.get("prediction" if name == "model" else name, _OTHER_COLOUR)


# Of the palette of a PNG: lines, areas and the soft edges of both.
_COLOURS = 128

# Letters of a name that a figure has room for.
_SHOWN = 40


def name_text(name: str) -> str:
    """A name from the data as text of a figure: one line, not too long, and never mathematics."""
    line = one_line(name)
    if len(line) > _SHOWN:
        line = f"{line[: _SHOWN // 2 - 1]}…{line[-_SHOWN // 2 :]}"
    return figure_text(line)


def new_axes(ax: Axes | None, height: float = 4.0) -> Axes:
    """The given Axes, or those of a new figure of this height in inches."""
    if ax is not None:
        return ax
    figure = Figure(figsize=(6.4, height), layout="constrained")
    return figure.subplots()


def legend(ax: Axes, **options: Any) -> None:
    """Add a legend without a frame."""
    ax.legend(fontsize=11, frameon=False, **options)


def from_zero(ax: Axes) -> None:
    """Begin the y axis at zero, with a margin above the highest value."""
    top = ax.dataLim.ymax
    ax.set_ylim(0, 1.05 * top if 0 < top < np.inf else None)


def figure_legend(figure: Figure, handles: Any, labels: Any) -> None:
    """Add a legend in one row above all panels."""
    figure.legend(handles, labels, fontsize=11, frameon=False, ncols=3, loc="outside upper center")


def finish(ax: Axes, heading: str, x: str, y: str) -> Axes:
    """Set title and axis labels, draw the grid and remove the upper and right border."""
    ax.set_title(heading, fontsize=13)
    ax.set_xlabel(x, fontsize=12)
    ax.set_ylabel(y, fontsize=12)
    ax.tick_params(labelsize=11)
    ax.grid(alpha=0.25)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def date_axis(ax: Axes) -> None:
    """Label the x axis with few, short dates."""
    locator: Any = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def fan_chart(ax: Axes, times: Any, bounds: Mapping[float, tuple[Any, Any]]) -> None:
    """Prediction intervals around a forecast, the wide ones first, below the others.

    Args:
        ax: where to draw.
        times: of the steps, ``(steps,)``.
        bounds: lower and upper bounds by level, ``(steps,)`` each.
    """
    for number, level in enumerate(sorted(bounds, reverse=True), start=1):
        ax.fill_between(
            times, *bounds[level], color=COLOURS["prediction"], alpha=0.15 * number, linewidth=0,
            label=f"{100 * level:.4g}% interval",
        )  # fmt: skip


def figure_of(ax: Axes) -> Figure:
    """The figure of the Axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 (Axes always belong to a figure)
    return figure


def save_axes(ax: Axes, file: Path) -> None:
    """Write the figure of the Axes as PNG."""
    save_figure(figure_of(ax), file)


def save_figure(figure: Figure, file: Path) -> None:
    """Write a figure as PNG with a palette, a quarter of the size of one with full colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150, bbox_inches="tight", pad_inches=0.15)
    with Image.open(drawn) as picture:
        # This method keeps rare colours, those of thin lines, where the usual one merges them.
        coverage = Image.Quantize.MAXCOVERAGE
        small = picture.convert("RGB").quantize(_COLOURS, method=coverage, dither=Image.Dither.NONE)
    small.save(file, format="PNG", optimize=True)
