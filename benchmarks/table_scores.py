"""Naive forecasts of a task, and the errors and interval coverage of any forecasts of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table_tasks import Task

NAIVE = "naive"
KEYS = ["unit", "start", "step"]
# sMAPE and MASE of Naive2 in the M4 competition's hourly part; OWA is relative to both.
_M4_HOURLY_NAIVE2 = (18.383, 2.395)
# A series' coverage counts as right when it is this near to the nominal one.
_COVERAGE_MARGIN = 0.1


def seasonal_name(season: int) -> str:
    """Name of the seasonal naive forecast of a season."""
    return f"seasonal naive ({season})"


def naive_forecasts(task: Task, windows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The last value and the last season of each candidate, from the rows before each start.

    Args:
        task: what is forecast.
        windows: ``unit, start, step`` in the order of ``Task.windows``.

    Returns:
        Forecasts by name, ``(n,)``; without seasons that a series does not hold.
    """
    units, steps = task.units(), np.arange(task.horizon)
    found: dict[str, list[np.ndarray]] = {NAIVE: []}
    found |= {seasonal_name(season): [] for season in task.seasons}
    for name, start in windows.loc[windows["step"] == 1, ["unit", "start"]].itertuples(index=False):
        unit = units[name]
        past = unit.values[: np.searchsorted(unit.times, np.datetime64(start))]
        found[NAIVE].append(np.repeat(past[-1], task.horizon))
        for season in task.seasons:
            enough = len(past) >= season
            last = past[-season:][steps % season] if enough else np.full(task.horizon, np.nan)
            found[seasonal_name(season)].append(last)
    made = {name: np.concatenate(parts) for name, parts in found.items()}
    return {name: values for name, values in made.items() if not np.isnan(values).any()}


def _scales(task: Task) -> pd.DataFrame:
    """Mean absolute and mean squared seasonal change of each unit's train rows, NaN where constant."""
    season = task.seasons[0]
    cut = None if task.future is not None else np.datetime64(task.cuts().validation, "us")
    rows = {}
    for name, unit in task.units().items():
        train = unit.values if cut is None else unit.values[unit.times < cut]
        change = train[season:] - train[:-season]
        ends = (np.abs(change).mean(), np.square(change).mean()) if len(change) else (0.0, 0.0)
        rows[name] = [value if value > 0 else np.nan for value in ends]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["absolute", "squared"])


def errors(task: Task, windows: pd.DataFrame, forecast: np.ndarray) -> dict[str, Any]:
    """Mean over units of MASE, RMSSE and MAE; for competitions also sMAPE, for M4 OWA.

    Args:
        task: what is forecast.
        windows: ``unit, truth``.
        forecast: ``(n,)``, without NaN.
    """
    error = windows["truth"].to_numpy() - forecast
    each = pd.DataFrame({"absolute": np.abs(error), "squared": np.square(error)})
    by_unit = each.groupby(windows["unit"]).mean()
    scale = _scales(task).loc[by_unit.index]
    mase = by_unit["absolute"] / scale["absolute"]
    found: dict[str, Any] = {
        "mase": float(mase.mean()),
        "median_mase": float(mase.median()),
        "rmsse": float(np.sqrt(by_unit["squared"] / scale["squared"]).mean()),
        "mae": float(by_unit["absolute"].mean()),
    }
    if task.future is not None:
        size = windows["truth"].abs() + np.abs(forecast)
        # Where both are zero, the forecast is right.
        relative = (200 * np.abs(error) / size.where(size > 0)).fillna(0)
        found["smape"] = float(relative.groupby(windows["unit"]).mean().mean())
    if task.name == "m4_hourly":
        of_smape, of_mase = _M4_HOURLY_NAIVE2
        found["owa"] = (found["smape"] / of_smape + found["mase"] / of_mase) / 2
    return found


def left_out(task: Task) -> list[str]:
    """Units whose MASE is undefined, for they are constant over a season of train rows."""
    scale = _scales(task)
    return [str(name) for name in scale.index[scale["absolute"].isna()]]


def coverage(table: pd.DataFrame, levels: list[float]) -> dict[str, dict[str, float]]:
    """How often the truth lies within the product's intervals.

    Args:
        table: ``unit``, ``truth`` and ``lower_<level>``, ``upper_<level>``.
        levels: nominal coverages.

    Returns:
        By level: ``overall``, and ``units_within``, the share of units whose coverage is within 10
        points.
    """
    found = {}
    for level in levels:
        lower, upper = table[f"lower_{level:g}"], table[f"upper_{level:g}"]
        inside = ((table["truth"] >= lower) & (table["truth"] <= upper))[lower.notna()]
        by_unit = inside.groupby(table["unit"]).mean()
        near = (by_unit - level).abs() <= _COVERAGE_MARGIN + 1e-9
        found[f"{level:g}"] = {"overall": float(inside.mean()), "units_within": float(near.mean())}
    return found
