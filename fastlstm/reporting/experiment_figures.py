"""Figures of a backtest and of a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastlstm.reporting.figure_style import COLOURS, STYLE, finish, forecast_colour
from fastlstm.reporting.text import NAMES, title


def backtest_figure(summary: dict[str, Any]) -> Figure:
    """The primary metric of network and baselines by fold, and the mean loss by step ahead.

    Args:
        summary: ``fastlstm.experiments.backtest_summary.Backtest.to_dict()``.
    """
    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    above, below = figure.subplots(2)
    folds = [row for row in summary["folds"] if row["fold"] != "all"]
    names = [name for name in NAMES if name in folds[0]]
    for name in names:
        above.plot(
            range(1, len(folds) + 1),
            [np.nan if row[name] is None else row[name] for row in folds],
            color=forecast_colour(name),
            label=NAMES[name],
            marker="o",
            **STYLE,
        )
    above.set_xticks(
        range(1, len(folds) + 1)[:: max(1, len(folds) // 6)],
        [str(row["test_from"])[:10] for row in folds[:: max(1, len(folds) // 6)]],
    )
    above.set_ylim(bottom=0)
    above.legend(fontsize=11, frameon=False)
    metric = title(summary["primary"])
    finish(above, f"{metric} by fold ({summary['better']} is better)", "test from", metric)
    steps = pd.DataFrame(summary["by_step"])
    # Targets have units of their own: each stands by what its last value errs.
    reference = next(name for name in names if name != "model")
    of_target = steps.groupby("target")[reference].transform("mean")
    for name in names:
        share = (steps[name].astype(float) / of_target).groupby(steps["step"]).mean()
        below.plot(
            share.index,
            share.to_numpy(),
            color=forecast_colour(name),
            label=NAMES[name],
            marker="o" if len(share) < 3 else None,
            **STYLE,
        )
    below.set_ylim(bottom=0)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(
        below,
        "Error by step ahead, all folds",
        "steps ahead",
        f"relative to the {NAMES[reference]}",
    )
    return figure


def search_figure(summary: dict[str, Any]) -> Figure:
    """Validation score of each trial with the best so far, and how much each hyperparameter mattered.

    Args:
        summary: as of ``fastlstm.experiments.tuning.Search.summary``.
    """
    shares = summary["importance"]
    figure = Figure(
        figsize=(6.4, 4.0 + (1.2 + 0.35 * len(shares) if shares else 0)), layout="constrained"
    )
    panels = figure.subplots(
        2 if shares else 1,
        squeeze=False,
        height_ratios=[4.0, 1.2 + 0.35 * len(shares)] if shares else None,
    )[:, 0]
    trials = pd.DataFrame(summary["trials"])
    order = np.arange(1, len(trials) + 1)
    value = trials["value"].astype(float)
    panels[0].scatter(order, value, color=COLOURS["train"], label="trial", zorder=3)
    lower = summary["better"] == "lower"
    so_far = value.cummin() if lower else value.cummax()
    panels[0].step(
        order,
        so_far.ffill(),
        color=COLOURS["prediction"],
        where="post",
        label="best so far",
        **STYLE,
    )
    ended = order[trials["value"].isna()]
    if len(ended):
        edge = np.nanmax(value) if lower else np.nanmin(value)
        panels[0].scatter(
            ended, np.full(len(ended), edge), marker="x", color="#8a8f98", label="pruned or failed"
        )
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].legend(fontsize=11, frameon=False)
    finish(panels[0], f"Search ({summary['better']} is better)", "trial", summary["metric"])
    if shares:
        names = list(shares)[::-1]
        panels[1].barh(names, [shares[n] for n in names], color=COLOURS["train"])
        finish(panels[1], "What the score depends on", "share (fANOVA)", "")
    return figure
