"""AutoETS of statsforecast, fitted anew to all rows before each forecast.

``python -m benchmarks.table_autoets ROWS SETTINGS OUTPUT``, in the peers' environment; see
``benchmarks.table_tasks.Task.write_for_peers`` for the two files.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pandas as pd


def forecasts(rows: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Forecasts of every series at every start.

    Args:
        rows: ``unique_id``, ``ds``, ``y``.
        settings: ``frequency``, ``horizon``, ``seasons``, ``levels`` of the intervals, ``starts`` (none:
            after each series' end).

    Returns:
        ``unit, start, step, value``, and of each level ``lower_<level>`` and ``upper_<level>``.
    """
    from statsforecast import StatsForecast  # type: ignore[import-not-found]
    from statsforecast.models import AutoETS, Naive  # type: ignore[import-not-found]

    rows = rows[["unique_id", "ds", "y"]]
    horizon, name = settings["horizon"], "AutoETS"
    percents = {round(100 * level): f"{level:g}" for level in settings["levels"]}
    names = {name: "value"} | {
        f"{name}-{theirs}-{percent}": f"{ours}_{level}"
        for percent, level in percents.items()
        for theirs, ours in (("lo", "lower"), ("hi", "upper"))
    }
    tables = []
    for start in settings["starts"] or [None]:
        known = rows if start is None else rows[rows["ds"] < start]
        forecaster = StatsForecast(
            models=[AutoETS(season_length=settings["seasons"][0])], freq=settings["frequency"],
            n_jobs=os.cpu_count() or 1, fallback_model=Naive(),
        )  # fmt: skip
        made = forecaster.forecast(df=known, h=horizon, level=list(percents))
        tables.append(with_steps(made.rename(columns=names), horizon))
    return pd.concat(tables, ignore_index=True)


def with_steps(made: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """A library's forecasts ``unique_id, ds, value`` of one start as ``unit, start, step, value``.

    Bounds of intervals, where there are any, keep their names.
    """
    made = made.sort_values(["unique_id", "ds"], ignore_index=True)
    group = made.groupby("unique_id")
    assert (group.size() == horizon).all()
    return pd.DataFrame({
        "unit": made["unique_id"],
        "start": group["ds"].transform("min"),
        "step": group.cumcount() + 1,
        **{name: made[name] for name in made if name not in ("unique_id", "ds")},
    })  # fmt: skip


def main() -> None:
    """Forecast and write."""
    rows, settings, output = map(Path, sys.argv[1:])
    made = forecasts(pd.read_parquet(rows), json.loads(settings.read_text(encoding="utf-8")))
    made.to_parquet(output, index=False)


if __name__ == "__main__":
    main()
