"""Open a run of today or of fastLSTM 1.0 for the class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fastlstm.api.column_rules import rules_of_run
from fastlstm.api.row_table import RowSettings
from fastlstm.artifacts.folders import MANIFEST
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.scaling import Scalers
from fastlstm.errors import ConfigError, StoreError, first_line
from fastlstm.evaluation.intervals import HalfWidths, Pair
from fastlstm.registry.opening import local_run
from fastlstm.runs.csv_export import read_export
from fastlstm.runs.legacy import open_legacy
from fastlstm.runs.saved_run import SavedRun


@dataclass(frozen=True)
class OpenedRun:
    """What the class takes from a stored run.

    Attributes:
        folder: the run's folder.
        network: the Keras network.
        hyperparameters: its settings.
        settings: the run's settings file, as it stands.
        features: names of the inputs.
        targets: names of the targets.
        scalers: fitted on its train rows.
        history: one row per epoch.
        metrics: test metrics; empty for a run of fastLSTM 1.0.
        half_widths: of its intervals; None where it has none.
        rows: what describes its rows.
        tables: its features and targets; None where they were not saved.
    """

    folder: Path
    network: Any
    hyperparameters: Hyperparameters
    settings: dict[str, Any]
    features: list[str]
    targets: list[str]
    scalers: Scalers
    history: pd.DataFrame
    metrics: dict[str, Any]
    half_widths: dict[Pair, HalfWidths] | None
    rows: RowSettings
    tables: tuple[pd.DataFrame, pd.DataFrame] | None


def open_run(file_name: str | Path | None, folder: str | Path | None = None) -> OpenedRun:
    """Open a run by its hyperparameter JSON.

    Args:
        file_name: the JSON file, or the URL of a run, ``s3://bucket/prefix/<model name>/<run id>``.
        folder: the run's folder, where the file name is bare.

    Raises:
        ConfigError: no file is named.
        StoreError: the run is not whole, or holds what it must not.
    """
    if file_name is None:
        raise ConfigError("hyperparameters_file_name: name a run's hyperparameter JSON")
    if "://" in str(file_name):
        (file,) = local_run(str(file_name)).glob("* - HYPERPARAMETERS OF *")
    else:
        file = Path(folder or "") / file_name
    if not file.is_file():
        raise StoreError(f"{file}: does not exist; give a run's hyperparameter JSON")
    if (file.parent / MANIFEST).exists():
        return _from_run(SavedRun(file.parent))
    return _from_legacy_run(file)


def find_history(folder: Path | None) -> Path:
    """The training history in a run's folder.

    Raises:
        ConfigError: there is no folder.
        StoreError: the folder holds no history.
    """
    if folder is None:
        raise ConfigError("file_path_name: no run was saved or loaded; name a history CSV")
    found = sorted(folder.glob("* - TRAINING HISTORY OF LSTM MODEL - *.csv"))
    if not found:
        raise StoreError(f"{folder}: holds no training history")
    return found[0]


def _from_run(run: SavedRun) -> OpenedRun:
    data, tables, time, series = run.data, None, None, None
    if run.path("x_data").exists() and run.path("y_data").exists():
        # The first columns are the index: time or row number, and series where there are several.
        index_columns = 2 if data.series else 1
        labels = range(1, index_columns)
        x, y = (
            _read_rows(run.path(kind), labels, index_columns + len(columns))
            for kind, columns in (("x_data", data.features), ("y_data", data.targets))
        )
        row_label = x.iloc[:, 0]
        if not pd.api.types.is_integer_dtype(row_label):
            row_label = time = _times(row_label, run.path("x_data"))
        if len(x) != len(y):
            raise StoreError(
                f"{run.path('y_data')}: has {len(y):,} rows, the features have {len(x):,}; copy the run "
                "again"
            )
        if data.series:
            series = x.iloc[:, 1].rename(data.series)
        index = pd.Index(row_label, name=x.columns[0])
        tables = (
            x.iloc[:, index_columns:].set_axis(data.features, axis=1).set_axis(index),
            y.iloc[:, index_columns:].set_axis(data.targets, axis=1).set_axis(index),
        )
    return OpenedRun(
        folder=run.folder,
        network=run.network,
        hyperparameters=run.hyperparameters,
        settings=run.settings,
        features=data.features,
        targets=data.targets,
        scalers=run.scalers,
        history=run.history,
        metrics=run.metrics,
        half_widths=run.half_widths,
        rows=RowSettings(
            series=series,
            time=time,
            frequency=data.frequency,
            time_zone=data.time_zone,
            target_lookahead=data.lookahead,
            known_ahead=data.known_ahead,
            known_future=data.known_future,
            calendar=data.calendar_kinds,
            holidays=data.holidays,
            closed_days=data.closed_days,
            categories={n: c for n, c in data.categories.items() if n not in data.derived_targets},
            columns=rules_of_run(data),
            clip_forecasts=data.clip_forecasts,
            round_forecasts=data.round_forecasts,
            season_length=run.settings.get("evaluation", {}).get("season_length"),
        ),
        tables=tables,
    )


def _read_rows(file: Path, labels: range, width: int) -> pd.DataFrame:
    """Exported rows: ``width`` columns, which hold numbers after the times and labels.

    Raises:
        StoreError: the file holds something else.
    """
    try:
        rows = read_export(file, labels)
    except ValueError as error:
        raise StoreError(f"{file}: is no table of rows ({first_line(error)})") from None
    first = labels.stop
    text = [name for name in rows.columns[first:] if not pd.api.types.is_numeric_dtype(rows[name])]
    if len(rows.columns) != width or text:
        found = f"text in {str(text[0])[:80]!r}" if text else f"{len(rows.columns)} columns"
        raise StoreError(f"{file}: has {found}, so it holds no rows of the run; copy the run again")
    return rows


def _times(texts: pd.Series, file: Path) -> pd.Series:
    try:
        return pd.to_datetime(texts, format="ISO8601", utc=True)
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{file}: has no times ({first_line(error)}); copy the run again"
        ) from None


def _from_legacy_run(file: Path) -> OpenedRun:
    run = open_legacy(file)
    return OpenedRun(
        folder=file.parent,
        network=run.network,
        hyperparameters=run.hyperparameters,
        settings=run.settings,
        features=run.features,
        targets=run.targets,
        scalers=run.scalers,
        history=run.history,
        metrics={},
        half_widths=None,
        rows=RowSettings(),
        tables=run.tables,
    )
