"""LightGBM by mlforecast on lags, calendar and known covariates of the very rows forecast.

``python -m benchmarks.table_lightgbm ROWS SETTINGS OUTPUT``, in the peers' environment; see
``benchmarks.table_tasks.Task.write_for_peers`` for the two files. One model for all series, fitted once
to the rows before the first forecast; later forecasts start from the rows known by then. LightGBM has
its own defaults. Trees cannot leave the range they saw, so it is chosen on the last horizons before the
first forecast whether they learn levels or changes from row to row.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.table_autoets import with_steps


def _week(times: pd.DatetimeIndex) -> Any:
    return times.isocalendar().week.astype("int64")


# Horizons that choose between levels and changes, where the shortest series has the rows for them.
_HORIZONS = 3
_CALENDAR: dict[str, list[str | Callable]] = {
    "hour": ["hour", "dayofweek", "month"],
    "day": ["dayofweek", "day", "month", "dayofyear"],
    "week": [_week, "month"],
    "month": ["month"],
    "quarter": ["quarter"],
}


def _forecaster(settings: dict, *, of_changes: bool) -> Any:
    """An mlforecast object with lags within the look-back: a whole season, then whole seasons apart."""
    from lightgbm import LGBMRegressor  # type: ignore[import-not-found]
    from mlforecast import MLForecast  # type: ignore[import-not-found]
    from mlforecast.lag_transforms import RollingMean  # type: ignore[import-not-found]
    from mlforecast.target_transforms import (  # type: ignore[import-not-found]
        Differences,
        LocalStandardScaler,
    )

    # A change needs one row more than a level.
    most = settings["look_back"] - of_changes
    season = min(settings["seasons"][0], most)
    return MLForecast(
        models={"value": LGBMRegressor(
            verbosity=-1, random_state=0, deterministic=True, n_jobs=1
        )},
        freq=settings["frequency"],
        lags=sorted({*range(1, season + 1), *range(season, most + 1, season)}),
        lag_transforms={1: [RollingMean(season)]},
        date_features=_CALENDAR[settings["period"]],
        target_transforms=[*([Differences([1])] if of_changes else []), LocalStandardScaler()],
        num_threads=1,
    )  # fmt: skip


def _forecast(
    forecaster: Any, rows: pd.DataFrame, start: str | None, settings: dict
) -> pd.DataFrame:
    """Forecasts of all series from their rows before a start; None: from all their rows."""
    horizon, known = settings["horizon"], settings["known"]
    past = rows if start is None else rows[rows["ds"] < start]
    future = None
    if known:
        later = rows[rows["ds"] >= start].groupby("unique_id").head(horizon)
        future = later[["unique_id", "ds", *known]]
    return with_steps(forecaster.predict(horizon, new_df=past, X_df=future), horizon)


def _validation_error(rows: pd.DataFrame, settings: dict, *, of_changes: bool) -> float:
    """Mean over series of the scaled absolute error on their last horizons, learned from the rest."""
    horizon, known = settings["horizon"], settings["known"]
    after = rows.groupby("unique_id").cumcount(ascending=False)
    enough = after.groupby(rows["unique_id"]).max().min() >= settings["look_back"] + 5 * horizon
    held_out = _HORIZONS if enough else 1
    forecaster = _forecaster(settings, of_changes=of_changes)
    forecaster.fit(rows[after >= held_out * horizon], static_features=[])
    made = []
    for k in range(held_out, 0, -1):
        later = rows.loc[(after < k * horizon) & (after >= (k - 1) * horizon)]
        future = later[["unique_id", "ds", *known]] if known else None
        made.append(forecaster.predict(horizon, new_df=rows[after >= k * horizon], X_df=future))
    joined = rows.merge(pd.concat(made), on=["unique_id", "ds"])
    error = (joined["y"] - joined["value"]).abs().groupby(joined["unique_id"]).mean()
    spread = rows.groupby("unique_id")["y"].std()
    return float((error / spread[spread > 0]).mean())


def forecasts(rows: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Forecasts of every series at every start.

    Args:
        rows: ``unique_id``, ``ds``, ``y`` and the known covariates.
        settings: as ``write_for_peers`` gives them.

    Returns:
        ``unit, start, step, value``.
    """
    starts = settings["starts"] or [None]
    first = rows if starts[0] is None else rows[rows["ds"] < starts[0]]
    of_changes = min(
        (False, True), key=lambda changes: _validation_error(first, settings, of_changes=changes)
    )
    forecaster = _forecaster(settings, of_changes=of_changes)
    forecaster.fit(first, static_features=[])
    made = [_forecast(forecaster, rows, start, settings) for start in starts]
    return pd.concat(made, ignore_index=True)


def main() -> None:
    """Forecast and write."""
    rows, settings, output = map(Path, sys.argv[1:])
    made = forecasts(pd.read_parquet(rows), json.loads(settings.read_text(encoding="utf-8")))
    made.to_parquet(output, index=False)


if __name__ == "__main__":
    main()
