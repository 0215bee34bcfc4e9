"""Forecast the newest rows of all groups, each with the model of its group, on the engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastlstm.config.group_names import model_of_group
from fastlstm.errors import EngineError, FastLSTMError, StoreError
from fastlstm.registry.store import GroupRuns
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.forecast_job import FORECAST, preparation
from fastlstm.steps.join_forecasts import join_forecasts
from fastlstm.steps.split_groups import group_file
from tasks.engine import engine_of
from tasks.forecasters import choose_forecaster
from tasks.settings import PipelineConfig, store_of
from tasks.storage.sources import local_joins
from tasks.stored_groups import rows_by_model, stored_groups
from tasks.work_place import local_work


@dataclass
class ForecastOfGroups:
    """What was forecast.

    Attributes:
        rows: number of forecasts.
        interval_rows: number of rows of prediction intervals.
        models: number of models that forecast.
        skipped: groups and series without a forecast, with the reason.
        baselines: groups that a baseline forecasts, with its name and score.
        warnings: of the checks, with the group.
    """

    rows: int = 0
    interval_rows: int = 0
    models: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    baselines: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def forecast_groups(
    config: PipelineConfig, source: str, output: Path, intervals: Path | None, only: str | None, *,
    serve_baseline: bool,
) -> ForecastOfGroups:  # fmt: skip
    """Forecast the rows after the newest ones of each group, and write all forecasts as one table.

    A group that is pooled, or new, is forecast by the pooled model where there is one. A group that
    cannot be forecast stops no other.

    Args:
        config: all settings.
        source: the newest rows of all groups, on this machine.
        output: Parquet file of the forecasts, the columns of ``models_by`` first.
        intervals: Parquet file of their prediction intervals; None: none are written.
        only: name of the group to forecast alone; None: all.
        serve_baseline: whether a baseline may forecast where no run was promoted.

    Raises:
        DataError: the rows cannot be read.
        EngineError: the engine is gone.
        StoreError: no group can be forecast.
    """
    stored = stored_groups(store_of(config), config.family_name)
    data = config.data.model_copy(update={"path": source, "format": "auto", "query": None})
    found = ForecastOfGroups()
    rows = rows_by_model(stored, data, config.models_by, config.work, only)
    with rows as (folder, groups):
        for group in groups.pop("", []):
            if only is None:
                found.skipped[group] = "it has no model; run 'fastlstm retrain'"
        _forecast_all(config, folder, list(groups), stored.runs, found, serve_baseline, intervals)
        files = {group: folder / f"{group}.forecasts.parquet" for group in groups}
        found.rows = join_forecasts(files, config.models_by, output)
        if intervals is not None:
            files = {group: folder / f"{group}.intervals.parquet" for group in groups}
            found.interval_rows = join_forecasts(files, config.models_by, intervals)
    if not found.rows:
        reasons = "; ".join(f"{group}: {why}" for group, why in list(found.skipped.items())[:5])
        raise StoreError(f"no group can be forecast ({reasons or f'{only} is not in the rows'})")
    return found


def _forecast_all(
    config: PipelineConfig, folder: Path, groups: list[str], stored: dict[str, GroupRuns],
    found: ForecastOfGroups, serve_baseline: bool, intervals: Path | None,
) -> None:  # fmt: skip
    """Forecast with the model of each group, as many at a time as the engine has workers.

    Raises:
        EngineError: the engine is gone.
    """
    store, engine = store_of(config), engine_of(config)

    def forecast(group: str) -> dict[str, Any]:
        name = model_of_group(config.family_name, group)
        chosen = choose_forecaster(
            store, name, None, serve_baseline=serve_baseline, known=stored[group]
        )
        if chosen.baseline is not None:
            found.baselines[group] = chosen.score
        run = store.run_folder(name, chosen.run.run_id)
        arguments = {
            "output": str(folder / f"{group}.forecasts.parquet"),
            "run": str(run),
            "source": str(group_file(folder, group)),
            "file_format": "parquet",
            "intervals": str(folder / f"{group}.intervals.parquet") if intervals else None,
            "baseline": chosen.baseline,
            "shard_rows": config.execution.shard_rows,
            "joined": local_joins(SavedRun(run).data, config.s3, local_work(config.work)),
        }
        written: dict[str, Any] = engine.call(FORECAST, arguments, prepare=preparation(arguments))
        return written

    with ThreadPoolExecutor(max(1, min(engine.slots, len(groups)))) as threads:
        calls = {group: threads.submit(forecast, group) for group in groups}
        for group, call in calls.items():
            try:
                written = call.result()
            except EngineError:
                threads.shutdown(cancel_futures=True)
                raise
            except FastLSTMError as error:
                found.skipped[group] = str(error)
                continue
            found.models += 1
            found.warnings += [f"{group}: {line}" for line in written["warnings"]]
            for series, why in written["skipped"].items():
                found.skipped[f"{group}, series {series}" if series else group] = why
