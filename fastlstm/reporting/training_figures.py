"""Figures of a training."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fastlstm.reporting.figure_style import COLOURS, STYLE, finish, new_axes


def learning_curve(
    history: pd.DataFrame,
    name: str,
    best_epoch: int | None = None,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One logged quantity on train and validation windows against the epoch.

    Args:
        history: one row per epoch with ``epoch``, ``name`` and ``val_<name>``.
        name: e.g. ``'loss'``.
        best_epoch: epoch whose weights were kept; marked.
        unit: unit of the quantity, for the label.
        ax: where to draw.
    """
    ax = new_axes(ax)
    marker = "o" if len(history) < 3 else None
    ax.plot(
        history["epoch"],
        history[name],
        color=COLOURS["train"],
        label="train",
        marker=marker,
        **STYLE,
    )
    ax.plot(
        history["epoch"],
        history[f"val_{name}"],
        color=COLOURS["validation"],
        label="validation",
        marker=marker,
        **STYLE,
    )
    if best_epoch is not None:
        ax.axvline(best_epoch, color="#555555", ls=":", label=f"kept: epoch {best_epoch}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    return finish(ax, f"{name} by epoch", "epoch", f"{name} ({unit})" if unit else name)
