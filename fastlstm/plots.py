"""Figures of a run. Each function draws on the given Axes, or on a new figure, and returns them.

Nothing is shown and no global state is touched: figures are made without pyplot. Sizes and fonts
suit a phone held upright as well as a report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fastlstm.report import NAMES, title

_STYLE: dict[str, Any] = {"linewidth": 1.8}
_COLOURS = {
    "train": "#1f5fa8",
    "validation": "#d9541e",
    "truth": "#222222",
    "prediction": "#d9541e",
    "last_value": "#8a8f98",
    "last_season": "#3f9b6c",
    "prior": "#8a8f98",
    "last_class": "#3f9b6c",
}


def _axes(ax: Axes | None, height: float = 4.0) -> Axes:
    if ax is not None:
        return ax
    figure = Figure(figsize=(6.4, height), layout="constrained")
    return figure.subplots()


def _finish(ax: Axes, heading: str, x: str, y: str) -> Axes:
    ax.set_title(heading, fontsize=13)
    ax.set_xlabel(x, fontsize=12)
    ax.set_ylabel(y, fontsize=12)
    ax.tick_params(labelsize=11)
    ax.grid(alpha=0.25)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def _date_axis(ax: Axes) -> None:
    locator: Any = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _figure(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 (Axes always stand in a figure)
    return figure


def save(ax: Axes, file: Path) -> None:
    """Write the figure of the Axes as PNG."""
    write(_figure(ax), file)


def write(figure: Figure, file: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(file, dpi=150, bbox_inches="tight", pad_inches=0.15)


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
    ax = _axes(ax)
    marker = "o" if len(history) < 3 else None
    ax.plot(
        history["epoch"],
        history[name],
        color=_COLOURS["train"],
        label="train",
        marker=marker,
        **_STYLE,
    )
    ax.plot(
        history["epoch"],
        history[f"val_{name}"],
        color=_COLOURS["validation"],
        label="validation",
        marker=marker,
        **_STYLE,
    )
    if best_epoch is not None:
        ax.axvline(best_epoch, color="#555555", ls=":", label=f"kept: epoch {best_epoch}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    return _finish(ax, f"{name} by epoch", "epoch", f"{name} ({unit})" if unit else name)


def backtest(summary: dict[str, Any]) -> Figure:
    """The primary metric of network and baselines by fold, and the mean loss by step ahead.

    Args:
        summary: ``fastlstm.backtest.Backtest.to_dict()``.
    """
    figure = Figure(figsize=(6.4, 7.6), layout="constrained")
    above, below = figure.subplots(2)
    folds = [row for row in summary["folds"] if row["fold"] != "all"]
    names = [name for name in NAMES if name in folds[0]]
    for name in names:
        above.plot(
            range(1, len(folds) + 1),
            [np.nan if row[name] is None else row[name] for row in folds],
            color=_COLOURS["prediction" if name == "model" else name],
            label=NAMES[name],
            marker="o",
            **_STYLE,
        )
    above.set_xticks(
        range(1, len(folds) + 1)[:: max(1, len(folds) // 6)],
        [str(row["test_from"])[:10] for row in folds[:: max(1, len(folds) // 6)]],
    )
    above.set_ylim(bottom=0)
    above.legend(fontsize=11, frameon=False)
    metric = title(summary["primary"])
    _finish(above, f"{metric} by fold ({summary['better']} is better)", "test from", metric)
    steps = pd.DataFrame(summary["by_step"])
    # Targets have units of their own: each stands by what its last value errs.
    reference = next(name for name in names if name != "model")
    of_target = steps.groupby("target")[reference].transform("mean")
    for name in names:
        share = (steps[name].astype(float) / of_target).groupby(steps["step"]).mean()
        below.plot(
            share.index,
            share.to_numpy(),
            color=_COLOURS["prediction" if name == "model" else name],
            label=NAMES[name],
            marker="o" if len(share) < 3 else None,
            **_STYLE,
        )
    below.set_ylim(bottom=0)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(
        below,
        "Error by step ahead, all folds",
        "steps ahead",
        f"relative to the {NAMES[reference]}",
    )
    return figure


def error_by_step(by_step: list[dict[str, Any]], unit: str = "", ax: Axes | None = None) -> Axes:
    """Mean absolute error of the network and the baselines against the step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics.
        unit: unit of the targets, for the label; empty where they differ.
        ax: where to draw.
    """
    ax = _axes(ax)
    steps = [row["step"] for row in by_step]
    for name in [key for key in by_step[0] if key != "step"]:
        colour = _COLOURS["prediction" if name == "model" else name]
        values = [row[name]["mae"] for row in by_step]
        ax.plot(
            steps,
            [np.nan if v is None else v for v in values],
            color=colour,
            label=NAMES[name],
            marker="o" if len(steps) < 3 else None,
            **_STYLE,
        )
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    label = f"mean absolute error ({unit})" if unit else "mean absolute error"
    return _finish(ax, "Test error by step ahead", "steps ahead", label)


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
                color=_COLOURS["prediction"],
                alpha=0.15 * number,
                linewidth=0,
                label=f"{float(level):.4g} interval",
            )
        for name in drawn:
            ax.plot(
                rows["time"],
                rows[name],
                color=_COLOURS[name],
                label=NAMES.get(name, name),
                marker=marker,
                linestyle="--" if name == "last_season" else "-",
                **_STYLE,
            )
        where = f"{series}, " if series else ""
        _finish(
            ax,
            f"{where}from {origin:%Y-%m-%d %H:%M} UTC",
            "",
            f"{target} ({unit})" if unit else target,
        )
        _date_axis(ax)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=11, frameon=False, ncols=3, loc="outside upper center")
    panels[-1].set_xlabel("time (UTC)", fontsize=12)
    return figure


def search(summary: dict[str, Any]) -> Figure:
    """Validation score of each trial with the best so far, and how much each hyperparameter mattered.

    Args:
        summary: as of ``fastlstm.tuning.Search.summary``.
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
    panels[0].scatter(order, value, color=_COLOURS["train"], label="trial", zorder=3)
    lower = summary["better"] == "lower"
    so_far = value.cummin() if lower else value.cummax()
    panels[0].step(
        order,
        so_far.ffill(),
        color=_COLOURS["prediction"],
        where="post",
        label="best so far",
        **_STYLE,
    )
    ended = order[trials["value"].isna()]
    if len(ended):
        edge = np.nanmax(value) if lower else np.nanmin(value)
        panels[0].scatter(
            ended, np.full(len(ended), edge), marker="x", color="#8a8f98", label="pruned or failed"
        )
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].legend(fontsize=11, frameon=False)
    _finish(panels[0], f"Search ({summary['better']} is better)", "trial", summary["metric"])
    if shares:
        names = list(shares)[::-1]
        panels[1].barh(names, [shares[n] for n in names], color=_COLOURS["train"])
        _finish(panels[1], "What the score depends on", "share (fANOVA)", "")
    return figure


def importance(lines: list[dict[str, Any]]) -> Figure:
    """How much each feature in each stretch of past rows matters, by both measures.

    Args:
        lines: ``'importance'`` of the metrics. The 15 features that matter most are drawn.
    """
    table = pd.DataFrame(lines)
    kinds = {
        "permutation": "increase of the error when exchanged",
        "integrated_gradients": "integrated gradients",
    }
    order = table.groupby("feature")["permutation"].sum().sort_values(ascending=False).index[:15]
    figure = Figure(figsize=(6.4, 2 * (1.3 + 0.32 * len(order))), layout="constrained")
    spans = table[["from", "to"]].drop_duplicates()
    for ax, (kind, words) in zip(figure.subplots(2), kinds.items(), strict=True):
        cells = table.pivot_table(index="feature", columns="from", values=kind, sort=False)
        shown = np.maximum(cells.loc[order, spans["from"]].to_numpy(), 0)
        drawn = ax.imshow(shown, cmap="Blues", vmin=0, aspect="auto")
        figure.colorbar(drawn, ax=ax)
        _finish(ax, f"What matters: {words}", "rows before the forecast", "")
        ax.set_yticks(range(len(order)), order)
        names = [f"{a}–{b}" if a != b else f"{a}" for a, b in spans.itertuples(index=False)]
        every = -(-len(names) // 6)
        ax.set_xticks(range(0, len(names), every), names[::every])
        ax.grid(visible=False)
    return figure


def coverage_by_step(by_step: list[dict[str, Any]], ax: Axes | None = None) -> Axes:
    """Share of test values inside the prediction intervals against the step ahead.

    Args:
        by_step: ``'by_step'`` of the metrics' intervals.
        ax: where to draw.
    """
    ax = _axes(ax)
    table = pd.DataFrame(by_step)
    colours = {"conformal": _COLOURS["last_value"], "adaptive": _COLOURS["prediction"]}
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
                **_STYLE,
            )
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=11, frameon=False)
    return _finish(ax, "Test values inside the intervals", "steps ahead", "share (nominal: dotted)")


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
    ax = _axes(ax)
    rows = predictions[(predictions["target"] == target) & (predictions["step"] == 1)]
    series = rows["series"].iloc[0]
    rows = rows[rows["series"] == series].tail(24 * 14)
    # A line across a hole in time would show forecasts that were never made.
    usual = rows["origin"].diff().median()
    holes = rows["origin"][rows["origin"].diff() > 1.5 * usual] - usual
    rows = pd.concat([rows, pd.DataFrame({"origin": holes})]).sort_values("origin")
    ax.fill_between(
        rows["origin"], rows["truth"], step="post", color=_COLOURS["train"], alpha=0.25,
        label="truth", linewidth=0,
    )  # fmt: skip
    ax.plot(
        rows["origin"], rows["prediction"], color=_COLOURS["prediction"], label="forecast", **_STYLE
    )
    ax.axhline(threshold, color="#555555", ls=":", label=f"threshold {threshold:.2f}")
    ax.set_ylim(0, 1.02)
    _date_axis(ax)
    _figure(ax).legend(
        *ax.get_legend_handles_labels(),
        fontsize=11,
        frameon=False,
        ncols=3,
        loc="outside upper center",
    )
    where = f" · {series}" if series else ""
    return _finish(ax, f"{target}{where}", "origin (UTC)", "probability")


def confusion_matrix(matrix: list[list[int]], labels: list[str], ax: Axes | None = None) -> Axes:
    """Counts of test windows by true and predicted class.

    Args:
        matrix: rows truth, columns prediction.
        labels: names of the classes.
        ax: where to draw.
    """
    ax = _axes(ax, 4.6)
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
    _finish(ax, "Test windows by class (share of each row)", "predicted", "true")
    ax.grid(visible=False)
    return ax


def reliability(bins: list[dict[str, Any]], error: float, ax: Axes | None = None) -> Axes:
    """Share of positives among test windows against the probability they were given.

    Args:
        bins: ``'reliability'`` of an output's metrics.
        error: ``'calibration_error'`` of them.
        ax: where to draw.
    """
    ax = _axes(ax, 4.6)
    windows = np.array([b["windows"] for b in bins])
    ax.plot([0, 1], [0, 1], color="#555555", ls=":", label="as said")
    ax.plot(
        [b["probability"] for b in bins],
        [b["positives"] for b in bins],
        color=_COLOURS["prediction"],
        label=f"came true (error {error:.3f})",
        zorder=3,
        **_STYLE,
    )
    ax.scatter(
        [b["probability"] for b in bins],
        [b["positives"] for b in bins],
        s=12 + 220 * windows / windows.max(),
        color=_COLOURS["prediction"],
        alpha=0.5,
        linewidth=0,
        label="area: windows",
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.legend(fontsize=11, frameon=False, loc="upper left")
    return _finish(ax, "Reliability on test", "forecast probability", "share of positives")


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
    ax = _axes(ax)
    x = [point["threshold"] for point in curve]
    ax.plot(
        x,
        [p["precision"] for p in curve],
        color=_COLOURS["train"],
        label="precision",
        **_STYLE,
    )
    ax.plot(
        x,
        [p["recall"] for p in curve],
        color=_COLOURS["prediction"],
        label="recall",
        **_STYLE,
    )
    if threshold is not None:
        ax.axvline(threshold, color="#555555", ls=":", label=f"chosen: {threshold:.2f}")
    ax.axhline(prior, color="#8a8f98", ls="--", label=f"prior: {prior:.2f}")
    ax.set_ylim(0, 1.02)
    ax.legend(fontsize=11, frameon=False)
    return _finish(ax, "Precision and recall on test", "threshold (probability)", "share")
