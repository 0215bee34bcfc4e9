"""The step that compares live forecasts and inputs with what the run was trained and tested on."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime

import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.data.checked_shards import Cutting
from fastlstm.data.files import skipped_files_text, source_files
from fastlstm.errors import StoreError
from fastlstm.forecasting.forecaster import Forecaster, parse_forecaster_id
from fastlstm.forecasting.health import HealthAssessment, HealthLimits, assess_health
from fastlstm.forecasting.monitoring import Measurements, actual_values, measure, newest_forecaster
from fastlstm.registry.store import Store
from fastlstm.runs.saved_run import SavedRun
from tasks.notify import notify
from tasks.prefect_artifacts import report_health
from tasks.references import Health, LabelHealth
from tasks.settings import MonitorConfig, store_of
from tasks.steps import pipeline_step
from tasks.storage.forecasts import open_forecasts
from tasks.storage.sources import local_source
from tasks.work_place import local_work


@pipeline_step("check health")
def check_health(config: MonitorConfig) -> Health:
    """Measure live error, live coverage of intervals and drift, and compare them with their limits."""
    health = health_of(config)
    notify("check health", health.message)
    shown = {"max_error_ratio": config.max_error_ratio, "max_psi": config.max_psi}
    report_health(config.model_name, health, shown)
    return health


def health_of(config: MonitorConfig) -> Health:
    """What is found of one model.

    Raises:
        DataError: the actual values cannot be read.
        StoreError: there are no forecasts of the last days, or their run is gone.
    """
    limits = HealthLimits(**{f.name: getattr(config, f.name) for f in fields(HealthLimits)})
    measured = _measure(config)
    return _health(measured, assess_health(measured, limits))


def _measure(config: MonitorConfig) -> Measurements:
    """Read forecasts, inputs and actual values, and measure the model by them."""
    place = open_forecasts(config.forecasts, config.model_name, config.s3)
    since = pd.Timestamp(datetime.now(UTC)) - pd.Timedelta(days=config.days)
    forecasts, inputs = place.read("forecasts", since), place.read("inputs", since)
    if not len(forecasts):
        raise StoreError(
            f"{config.forecasts.path}: has no forecast of {config.model_name!r} from the last "
            f"{config.days:g} days; run the scoring, or raise days"
        )
    store = store_of(config)
    forecasts, pruned = without_pruned(store, config.model_name, forecasts)
    if pruned:
        notify("check health", f"warning: left out forecasts of pruned runs: {', '.join(pruned)}")
    forecasters = []
    for stored in sorted(forecasts["run_id"].unique()):
        run_id, baseline = parse_forecaster_id(stored)
        run = SavedRun(store.run_folder(config.model_name, run_id))
        forecasters.append(Forecaster(run, baseline))
    actuals, intervals = None, pd.DataFrame()
    if config.actuals is not None:
        source, intervals = config.actuals, place.read("intervals", since)
        local = local_source(source.path, source.query, config.s3, local_work(config.work))
        if skipped := {**local.skipped, **source_files(local.path, source.format).skipped}:
            notify("check health", f"warning: actuals: {skipped_files_text(skipped)}")
        newest = newest_forecaster(forecasters, forecasts).run
        labels = not newest.hyperparameters.is_regressor
        scratch = local_work(config.work) / "forecast"
        with writing_to(scratch):
            scratch.mkdir(parents=True, exist_ok=True)
        actuals = actual_values(
            newest.data, local.path, source.format, labels=labels, forecasts=forecasts,
            cutting=Cutting(config.shard_rows, scratch),
        )  # fmt: skip
    return measure(forecasters, forecasts, intervals, inputs, actuals)


def without_pruned(
    store: Store, model_name: str, forecasts: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """The forecasts whose runs are still there, and the ids of the pruned runs that made others.

    Args:
        store: where the runs lie.
        model_name: name of the model.
        forecasts: with a column ``run_id``, the forecaster's id.

    Raises:
        StoreError: every forecast is of a pruned run.
    """
    record = store.champion(model_name)
    run_of = {stored: parse_forecaster_id(stored)[0] for stored in forecasts["run_id"].unique()}
    pruned = sorted({run for run in run_of.values() if record.has_pruned(run)})
    kept = forecasts[~forecasts["run_id"].map(run_of).isin(pruned)]
    if kept.empty:
        raise StoreError(
            f"store {store}, model {model_name!r}: the runs of all forecasts were pruned "
            f"({', '.join(pruned)}); run the scoring, then monitor its forecasts"
        )
    return kept, pruned


def _health(measured: Measurements, assessment: HealthAssessment) -> Health:
    """The result of the monitoring, as flows pass and show it."""
    error = assessment.error
    return Health(
        degraded=assessment.degraded,
        error_name="error" if measured.error is None else measured.error.name,
        live_error=None if error is None else error.live,
        promised_error=None if error is None else error.expected,
        forecasts=0 if measured.error is None else measured.error.forecasts,
        coverage={f"{level:.4g}": round(share, 6) for level, share in assessment.coverage.items()},
        psi={name: round(value, 6) for name, value in assessment.psi.items()},
        input_rows=measured.input_rows,
        labels=[LabelHealth(**asdict(scores)) for scores in measured.labels],
        reasons=assessment.reasons,
        message=assessment.message,
    )
