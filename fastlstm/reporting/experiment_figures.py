"""Figures of a backtest and of a hyperparameter search."""

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
    finish,
    forecast_colour,
    from_zero,
    legend,
)
from fastlstm.reporting.text import forecast_name, in_order, title

_MOST_TICKS = 6


def backtest_figure(summary: dict[str, Any]) -> Figure:
    """The primary metric of network and baselines by fold, and the mean error by step ahead.

    Args:
        summary: ``fastlstm.experiments.backtest_summary.Backtest.to_dict()``.
    """
    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    above, below = figure.subplots(2)
    folds = [row for row in summary["folds"] if row["fold"] != "all"]
    names = in_order(folds[0])
    _metric_by_fold(above, folds, names, title(summary["primary"]), summary["better"])
    _error_by_step(below, pd.DataFrame(summary["by_step"]), names)
    return figure


def _metric_by_fold(
    ax: Axes, folds: list[dict[str, Any]], names: list[str], metric: str, better: str
) -> None:
    """One line per forecast over the folds."""
    numbers = range(1, len(folds) + 1)
    for name in names:
        ax.plot(
            numbers,
            [np.nan if row[name] is None else row[name] for row in folds],
            color=forecast_colour(name),
            label=forecast_name(name),
            marker="o",
            **STYLE,
        )
    step = max(1, len(folds) // _MOST_TICKS)
    ax.set_xticks(numbers[::step], [str(row["test_from"])[:10] for row in folds[::step]])
    from_zero(ax)
    legend(ax)
    finish(ax, f"{metric} by fold ({better} is better)", "start of the test period", metric)


def _error_by_step(ax: Axes, steps: pd.DataFrame, names: list[str]) -> None:
    """One line per forecast over the steps ahead, relative to the first baseline's mean error."""
    reference = next(name for name in names if name != "model")
    # Targets may have different units, so each is divided by its own reference.
    reference_error = steps.groupby("target")[reference].transform("mean")
    for name in names:
        relative = (steps[name].astype(float) / reference_error).groupby(steps["step"]).mean()
        ax.plot(
            relative.index,
            relative.to_numpy(),
            color=forecast_colour(name),
            label=forecast_name(name),
            marker="o" if len(relative) < 3 else None,
            **STYLE,
        )
    from_zero(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(
        ax,
        "Relative error by step ahead, all folds",
        "steps ahead",
        f"error relative to {forecast_name(reference)}",
    )


def search_figure(summary: dict[str, Any]) -> Figure:
    """Validation score of every trial with the best so far, and hyperparameter importance.

    Args:
        summary: see ``fastlstm.experiments.tuning.Search.summary``.
    """
    importance = summary["importance"]
    heights = [4.0, 1.2 + 0.35 * len(importance)] if importance else [4.0]
    figure = Figure(figsize=(6.4, sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    _score_by_trial(panels[0], pd.DataFrame(summary["trials"]), summary["better"] == "lower")
    finish(
        panels[0],
        f"Hyperparameter search ({summary['better']} is better)",
        "trial",
        summary["metric"],
    )
    if importance:
        names = list(importance)[::-1]
        panels[1].barh(names, [importance[name] for name in names], color=COLOURS["train"])
        finish(panels[1], "Hyperparameter importance", "share of the variance (fANOVA)", "")
    return figure


def _score_by_trial(ax: Axes, trials: pd.DataFrame, lower_is_better: bool) -> None:
    """The score of every trial, and the best so far."""
    order = np.arange(1, len(trials) + 1)
    score = trials["value"].astype(float)
    ax.scatter(order, score, color=COLOURS["train"], label="trial", zorder=3)
    best = score.cummin() if lower_is_better else score.cummax()
    ax.step(
        order, best.ffill(), color=COLOURS["prediction"], where="post", label="best so far", **STYLE
    )
    without_score = order[trials["value"].isna()]
    if len(without_score):
        edge = np.nanmax(score) if lower_is_better else np.nanmin(score)
        ax.scatter(
            without_score,
            np.full(len(without_score), edge),
            marker="x",
            color=COLOURS["last_value"],
            label="pruned or failed",
        )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
