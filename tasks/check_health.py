"""The step that compares live forecasts and inputs with what the run was trained and tested on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from fastlstm.errors import StoreError
from fastlstm.forecasting.monitoring import (
    LiveError,
    actual_values,
    input_drift,
    live_coverage,
    live_error,
)
from fastlstm.runs.saved_run import SavedRun
from tasks.notify import notify
from tasks.prefect_artifacts import report_health
from tasks.references import Health
from tasks.settings import MonitorConfig, store_of
from tasks.steps import pipeline_step
from tasks.storage.forecasts import open_forecasts
from tasks.storage.sources import local_source


@pipeline_step("check health")
def check_health(config: MonitorConfig) -> Health:
    """Live error against the test's, live coverage of the intervals, and drift of the inputs."""
    store = store_of(config)
    place = open_forecasts(config.forecasts, config.model_name, config.s3)
    since = pd.Timestamp(datetime.now(UTC)) - pd.Timedelta(days=config.days)
    forecasts, inputs = place.read("forecasts", since), place.read("inputs", since)
    if not len(forecasts):
        raise StoreError(
            f"{config.forecasts.path}: has no forecast of {config.model_name!r} from the last "
            f"{config.days:g} days; run the scoring, or raise days"
        )
    runs = [
        SavedRun(store.run_folder(config.model_name, run_id))
        for run_id in sorted(forecasts["run_id"].unique())
    ]
    newest = max(
        runs, key=lambda run: forecasts.loc[forecasts["run_id"] == run.run_id, "after"].max()
    )
    live = LiveError("error", float("nan"), float("nan"), 0)
    coverage: dict[float, float] = {}
    if config.actuals is not None:
        path = local_source(config.actuals.path, config.actuals.query, config.s3, Path(config.work))
        actuals = actual_values(
            newest.data,
            path,
            config.actuals.format,
            labels=not newest.hyperparameters.is_regressor,
        )
        live = live_error(runs, forecasts, actuals)
        inside = live_coverage(place.read("intervals", since), forecasts, actuals)
        coverage = {
            level: share
            for level, (share, known) in inside.items()
            if known >= config.minimum_forecasts
        }
    psi, rows = input_drift(newest, inputs)
    if rows < config.minimum_rows:
        psi = {}
    judged = live.forecasts >= config.minimum_forecasts
    reasons = []
    if judged and live.ratio > config.max_error_ratio:
        reasons.append(
            f"live {live.name} {live.live:.4g} against {live.promised:.4g} promised by the test "
            f"({live.ratio:.2g} times, limit {config.max_error_ratio:g})"
        )
    short = {
        level: share
        for level, share in coverage.items()
        if level - share > config.max_coverage_shortfall
    }
    if short:
        level = max(short, key=lambda level: level - short[level])
        reasons.append(
            f"intervals of level {level:g} hold {short[level]:.0%} of the actual values (limit "
            f"{level - config.max_coverage_shortfall:.0%})"
        )
    drifted = {n: v for n, v in psi.items() if v > config.max_psi}
    if drifted:
        worst = max(drifted, key=lambda n: drifted[n])
        reasons.append(
            f"{len(drifted)} of {len(psi)} inputs drifted, most {worst!r} (PSI "
            f"{drifted[worst]:.2g}, limit {config.max_psi:g})"
        )
    if reasons:
        message = f"Degraded: {'; '.join(reasons)}"
    else:
        told = []
        if judged:
            told.append(f"live {live.name} {live.live:.4g} against {live.promised:.4g} promised")
        told += [
            f"{share:.0%} inside the {level:.4g} intervals" for level, share in coverage.items()
        ]
        if psi:
            told.append(f"greatest PSI {max(psi.values()):.2g}")
        message = (
            f"Within limits: {'; '.join(told)}"
            if told
            else f"Too little to judge: {live.forecasts} forecasts with an actual value, {rows} "
            "input rows"
        )
    health = Health(
        degraded=bool(reasons),
        error_name=live.name,
        live_error=live.live if judged else None,
        promised_error=live.promised if judged else None,
        forecasts=live.forecasts,
        coverage={f"{level:.4g}": round(share, 6) for level, share in coverage.items()},
        psi={name: round(value, 6) for name, value in psi.items()},
        input_rows=rows,
        reasons=reasons,
        message=message,
    )
    notify("check health", message)
    limits = {"max_error_ratio": config.max_error_ratio, "max_psi": config.max_psi}
    report_health(config.model_name, health, limits)
    return health
