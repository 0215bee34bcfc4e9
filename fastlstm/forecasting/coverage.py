"""What a forecast says of series that its network has not learned from, or that have ended."""

from __future__ import annotations

import pandas as pd

from fastlstm.reporting.coverage import named
from fastlstm.runs.saved_run import SavedRun


def not_learned(run: SavedRun, series: list[str], baseline: str | None) -> list[str]:
    """A sentence about the forecast series that the run's network has not learned from.

    Args:
        run: the run.
        series: labels of the series.
        baseline: key of the baseline that forecasts in place of the network; it learns from none.
    """
    if baseline is not None:
        return []
    without = _without_windows(run)
    scales = run.plain_scalers.series
    known = None if scales is None else set(scales.labels.astype(str).tolist())
    new = [label for label in series if known is not None and label not in known]
    unlearned = [label for label in series if label in without]
    lines = []
    if new:
        lines.append(f"{len(new):,} series are new to the run ({named(new, len(new))})")
    if unlearned:
        names = named(unlearned, len(unlearned))
        lines.append(f"{len(unlearned):,} series had no window to learn from in the run ({names})")
    if not lines:
        return []
    return [f"{' and '.join(lines)}: they are forecast by what others taught; retrain with them"]


def _without_windows(run: SavedRun) -> set[str]:
    """Series of a run's table from whose windows the network that serves has not learned."""
    found = run.metrics.get("series_without", {})
    learned_all = run.manifest["training"].get("refit") == "all"
    splits = ("train", "validation", "test") if learned_all else ("train",)
    return set.intersection(*(set(found.get(split, {}).get("names", [])) for split in splits))


def of_the_past(forecasts: pd.DataFrame, newest: pd.Timestamp) -> list[str]:
    """A sentence about the series all of whose forecasts are for times up to the newest known row.

    Args:
        forecasts: columns ``series, after, time``; times are empty without a frequency.
        newest: time of the newest row of all series, UTC.
    """
    last = forecasts.groupby("series", sort=False)[["after", "time"]].max().dropna()
    limit = newest.tz_convert(None) if last["time"].dt.tz is None else newest
    ended = last[last["time"] <= limit]
    if ended.empty:
        return []
    names = [f"{label}: {after:%Y-%m-%d %H:%M}" for label, after in ended["after"].items()]
    return [
        f"{len(ended):,} series end so long before the newest row, {newest:%Y-%m-%d %H:%M} UTC, that "
        f"their forecasts are for times that have passed (last row of {named(names, len(names))}); "
        "give their newest rows, or leave them out"
    ]
