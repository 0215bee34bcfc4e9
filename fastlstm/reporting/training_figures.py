"""Learning curves."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.reporting.figure_style import COLOURS, STYLE, finish, legend, new_axes
from fastlstm.reporting.text import title

_PERCENT = ("mape", "mean_absolute_percentage_error")


def logged_unit(name: str, hp: Hyperparameters) -> str:
    """The unit of a logged metric, where it is known: Keras gives MAPE in percent.

    Args:
        name: of the metric, or ``'loss'``.
        hp: the hyperparameters.
    """
    if name in _PERCENT or (name == "loss" and hp.loss in _PERCENT):
        return "%"
    return "scaled units" if hp.scale_targets else ""


def learning_curve(
    history: pd.DataFrame,
    name: str,
    best_epoch: int | None = None,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A logged metric on train and validation windows by epoch.

    Args:
        history: one row per epoch with ``epoch``, ``name`` and ``val_<name>``.
        name: of the metric, e.g. ``'loss'``.
        best_epoch: epoch whose weights are saved; marked.
        unit: unit of the metric, for the label.
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
        ax.axvline(best_epoch, color="#555555", ls=":", label=f"saved epoch {best_epoch}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    return finish(
        ax,
        f"Learning curve: {title(name)}",
        "epoch",
        f"{title(name)} ({unit})" if unit else title(name),
    )
