"""The report of a run as one HTML page with interactive charts, from what the run stores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import StoreError
from fastlstm.escaping import one_line
from fastlstm.reporting.charts import learning_curves, probability_charts
from fastlstm.reporting.forecast_errors import ForecastErrors
from fastlstm.reporting.page import html_page
from fastlstm.reporting.page_tables import result_tables, tiles
from fastlstm.reporting.series_records import (
    RecordPlan,
    error_charts,
    error_values,
    series_record,
)
from fastlstm.reporting.text import forecast_name
from fastlstm.runs.figures import captioned_figures
from fastlstm.runs.history import read_history
from fastlstm.runs.page_rows import ObservedRows, StoredPredictions, target_rows
from fastlstm.runs.page_series import ShownSeries, choose_series
from fastlstm.runs.saved_run import SavedRun

# Most targets whose charts a page holds.
_MOST_TARGETS = 12
# How the names of columns with bounds end.
_LEVEL = re.compile(r"0\.[0-9]{1,17}")


@dataclass(frozen=True)
class RunFiles:
    """What a page is made from.

    Attributes:
        name: of the model.
        run_id: the run's id.
        folder: of the run.
        path: file of a kind.
        hyperparameters: the run's.
        data: settings of its table.
        metrics: metrics on test.
        training: facts of its training.
    """

    name: str
    run_id: str
    folder: Path
    path: Callable[[str], Path]
    hyperparameters: Hyperparameters
    data: DataConfig
    metrics: dict[str, Any]
    training: dict[str, Any]

    @classmethod
    def of(cls, saved: SavedRun) -> RunFiles:
        """Of a stored run."""
        return cls(
            saved.model_name, saved.run_id, saved.folder, saved.path, saved.hyperparameters,
            saved.data, saved.metrics, saved.manifest.get("training", {}),
        )  # fmt: skip


def run_page(run: RunFiles, report: str, *, series: Iterable[str] = (), draws: bool = True) -> str:
    """The page of a run.

    Args:
        run: the run.
        report: its report as Markdown.
        draws: whether it has charts, which take some 100 kB to 1 MB; ``stored_page`` adds them later.
        series: series that the page must hold, besides those it holds anyway.

    Raises:
        StoreError: the run has no predictions of one of ``series``.
    """
    figures = captioned_figures(run.folder, run.run_id)
    return html_page(
        f"{run.name} · {run.run_id}", report, figures,
        charts=page_charts(run, list(series)) if draws else None,
        tiles=tiles(run.metrics),
        tables=result_tables(run.metrics),
    )  # fmt: skip


def stored_page(saved: SavedRun, series: Iterable[str] = ()) -> str:
    """The page of a stored run, whichever version stored it; see ``run_page``."""
    return run_page(RunFiles.of(saved), saved.report, series=series)


def page_charts(run: RunFiles, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Charts and records of series for the page's script."""
    hp, metrics = run.hyperparameters, run.metrics
    file = run.path("predictions")
    if not file.exists():
        raise StoreError(f"{file}: is missing, so that the run's page has no forecasts to show")
    stored = StoredPredictions(file, hp.steps_ahead)
    baselines = [n for n in metrics["test"] if n != "model" and n in stored.columns]
    levels = _levels(stored.columns, file)
    targets = run.data.targets[:_MOST_TARGETS]
    most = RecordPlan.most_records(hp.steps_ahead, len(levels)) // len(targets)
    shown = choose_series(metrics, stored, most, wanted)
    drawn = next((n for n in ("last_season", "prior") if n in baselines), "")
    plan = RecordPlan.of(hp.steps_ahead, drawn, levels, len(shown.names) * len(targets))
    forecasts = ["prediction", *baselines]
    is_probability = not hp.is_regressor
    charts = error_charts(
        forecasts, levels, steps_ahead=hp.steps_ahead, is_probability=is_probability
    )
    several = shown.total > 1
    sample, of_series = stored.read(shown.names)
    observed = ObservedRows.of(run.path("y_data"), run.data, targets, shown.names)

    def errors(rows: pd.DataFrame, *, relative: bool) -> dict[str, Any]:
        described = ForecastErrors(rows, forecasts, levels, is_probability, relative)
        return error_values(described, charts)

    records = [
        [
            series_record(rows, observed.of_series(name, target), plan)
            | ({"errors": errors(rows, relative=False)} if several else {})
            for target in targets
            for rows in [_rows_of(of_series.get(name, sample[:0]), name, target, file)]
        ]
        for name in shown.names
    ]
    fixed = probability_charts(metrics) if is_probability else []
    history = read_history(run.path("history"))
    fixed += learning_curves(history, ["loss", *hp.metrics], run.training.get("best_epoch", 0))
    return {
        "steps": hp.steps_ahead,
        "unitIsRow": str(metrics["first_origin"]).startswith("row "),
        "isProbability": is_probability,
        "baseline": [drawn, forecast_name(drawn)] if drawn else None,
        "levels": levels,
        "targets": [
            {"name": one_line(name), "unit": one_line(run.data.rules(name).unit)}
            for name in targets
        ],
        "notes": _notes(run, shown, stored),
        "series": [
            {"name": one_line(name), "score": shown.texts[name], "records": of_targets}
            for name, of_targets in zip(shown.names, records, strict=True)
        ],
        "all": [
            errors(target_rows(sample, target), relative=several and not is_probability)
            for target in targets
        ],
        "several": several,
        "relative": several and not is_probability and "last_value" in baselines,
        "charts": [chart.facts() for chart in (*charts, *fixed)],
    }


def _levels(columns: Sequence[str], file: Path) -> list[str]:
    """Levels of the intervals whose bounds a table of predictions has, the widest first.

    Raises:
        StoreError: a column is named like a bound and is none of an interval.
    """
    found = {}
    for name in columns:
        if name.startswith("lower_"):
            level = name.removeprefix("lower_")
            if f"upper_{level}" not in columns or not _LEVEL.fullmatch(level):
                raise StoreError(
                    f"{file}: has the column {name[:80]!r}, which is no bound of an interval; copy the "
                    "run again"
                )
            found[level] = float(level)
    return sorted(found, key=found.__getitem__, reverse=True)


def _rows_of(rows: pd.DataFrame, series: str, target: str, file: Path) -> pd.DataFrame:
    """Predictions of one target of a series.

    Raises:
        StoreError: there are none.
    """
    chosen = target_rows(rows, target)
    if chosen.empty:
        raise StoreError(
            f"{file}: has no predictions of {target[:80]!r} of the series {series[:80]!r}; copy the run "
            "again"
        )
    return chosen


def _notes(run: RunFiles, shown: ShownSeries, stored: StoredPredictions) -> dict[str, str]:
    """What charts leave out, in a sentence each, by section."""
    notes = {}
    if len(shown.names) < shown.total:
        notes["series"] = (
            f"{len(shown.names):,} of {shown.total:,} series are on this page: {shown.chosen}. "
            "'fastlstm show RUN --open --series NAME' makes a page with others."
        )
    more = len(run.data.targets) - _MOST_TARGETS
    if more > 0:
        notes["targets"] = f"{more:,} more targets are in the run's predictions."
    if not stored.is_whole:
        notes["errors"] = (
            f"The charts of all series are of {stored.sampled:,} of {stored.rows:,} test predictions."
        )
    return notes
