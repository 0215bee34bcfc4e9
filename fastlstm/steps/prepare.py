"""Pipeline steps that prepare the data: load, validate and scale. Every step writes one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.disk import writing_to
from fastlstm.artifacts.file_names import (
    CHECKS_FILE,
    CLEAN_FILE,
    INPUTS_FILE,
    SCALED_FILE,
    TABLE_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.input_summary import reference
from fastlstm.data.reading import load
from fastlstm.data.scaling import Scalers, SeriesOfRows, fit_scalers, scaler_files, write_scalers
from fastlstm.data.seasons import FoundSeasons, SeasonSearch
from fastlstm.data.split import cut_times
from fastlstm.data.tables import StoredColumns, read_blocks, write_blocks, write_table
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.data.validation import validate
from fastlstm.errors import DataError


def load_into(
    folder: Path, data: DataConfig, window_rows: int, skipped_files: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Load the source and write ``table.parquet`` into a folder.

    Args:
        folder: the step's folder.
        data: the source.
        window_rows: rows one window spans.
        skipped_files: what is not read of a source that was fetched to this machine, with the reason.

    Returns:
        Facts for the manifest.

    Raises:
        ConfigError: no file is found at the path.
        DataError: a file, column or cell cannot be read as declared.
    """
    loaded = load(data, window_rows)
    frame = loaded.frame
    write_table(frame, folder / TABLE_FILE)
    return {
        "rows": len(frame),
        "series": int(frame[SERIES].nunique()),
        "first": frame[TIME].min().isoformat(),
        "last": frame[TIME].max().isoformat(),
        "rows_out_of_order": loaded.rows_out_of_order,
        "skipped_series": loaded.skipped_series,
        "skipped_files": {**(skipped_files or {}), **loaded.skipped_files},
    }


def validate_into(
    folder: Path, frame: pd.DataFrame, data: DataConfig, *, labels: bool, rows_out_of_order: int,
    skipped_series: dict[str, int], refused_report: Path,
    skipped_files: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Validate a table and write ``clean.parquet`` and ``validation.json`` into a folder.

    Args:
        folder: the step's folder.
        frame: the loaded table.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels.
        rows_out_of_order: as the loader counted them.
        skipped_series: as the loader left them out.
        refused_report: file of the report where a check fails.
        skipped_files: as the loader left them out.

    Returns:
        Facts for the manifest.

    Raises:
        DataError: a check failed; only the report is kept, at ``refused_report``.
    """
    clean, report = validate(
        frame, data, labels=labels, rows_out_of_order=rows_out_of_order,
        skipped_series=skipped_series, skipped_files=skipped_files,
    )  # fmt: skip
    if not report.passed:
        with writing_to(refused_report):
            refused_report.parent.mkdir(parents=True, exist_ok=True)
            write_json(refused_report, report.to_dict())
        report.raise_if_refused(refused_report)
    write_json(folder / CHECKS_FILE, report.to_dict())
    write_table(clean, folder / CLEAN_FILE)
    return {
        "rows": report.rows_out,
        "series": int(clean[SERIES].nunique()),
        "warnings": [f.line() for f in report.warnings],
        "left_out": report.left_out,
        "filled": report.filled,
        "dropped": report.dropped,
        "out_of_range_as_missing": report.out_of_range_as_missing,
        "checks_run": report.checks_run,
    }


def scale_into(folder: Path, clean: Path, config: RetrainConfig) -> dict[str, Any]:
    """Fit the scalers and write them, the scaled table and a summary of the train inputs.

    The scaled table has ``__series``, ``__time``, ``__segment``, ``x.<feature>`` and
    ``y.<target>`` (float32). The clean table, a Parquet file, is read by column to fit and by block
    to scale, so that no more than its train features are in memory.

    Raises:
        DataError: a split would be empty, or a value is too large for float32.
    """
    data, hp = config.data, config.hyperparameters
    index = StoredColumns(clean)
    times = microseconds(index[TIME])
    cuts = cut_times(times, hp.train_size_rate, hp.validation_size_rate)
    block = index[SEGMENT].to_numpy()
    label_known = label_end(times, block, data.lookahead)
    features = StoredColumns(clean, data.features)
    targets = StoredColumns(clean, data.targets)
    later = later_times(times, block, data.ahead_columns)
    panel = None
    if data.series is not None:
        panel = SeriesOfRows(index[SERIES].to_numpy(), data.scaled_alike)
    scalers = fit_scalers(features, targets, times, label_known, cuts, hp, later, panel)
    write_blocks(
        (_scaled(rows, scalers, data) for rows in read_blocks(clean)), folder / SCALED_FILE
    )
    write_scalers(scalers, *scaler_files(folder))
    train = times < cuts.validation
    # Calendar features and static covariates change without drift of the inputs.
    inputs = StoredColumns(clean, [name for name in data.read_features if name not in data.static])
    write_json(folder / INPUTS_FILE, reference(inputs, train))
    seasons = FoundSeasons()
    if hp.is_regressor:
        search = SeasonSearch(
            data.frequency, config.evaluation.season_length, hp.steps_ahead, data.lookahead
        )
        seasons = search.in_table(index, targets, cuts.validation)
    return {
        "rows": len(times),
        "train_rows": int(train.sum()),
        "cuts": {"validation": cuts.validation, "test": cuts.test},
        "features": data.features,
        "targets": data.targets,
        **seasons.facts(),
    }


def _scaled(clean: pd.DataFrame, scalers: Scalers, data: DataConfig) -> pd.DataFrame:
    """Scaled features and targets of a block of rows.

    Raises:
        DataError: a value is infinite as float32.
    """
    with np.errstate(over="ignore"):  # overflow is refused below
        series = clean[SERIES].to_numpy()
        x = scalers.features(clean, series)
        y = scalers.targets(clean, data.targets, series)
    columns = {name: clean[name] for name in (SERIES, TIME, SEGMENT)}
    for kind, names, values in (("x", data.features, x), ("y", data.targets, y)):
        for column, name in enumerate(names):
            beyond = np.isinf(values[:, column])
            if beyond.any():
                row = int(beyond.argmax())
                raise DataError(
                    f"column {name!r}: {float(clean[name].iloc[row])!r} at "
                    f"{clean[TIME].iloc[row].isoformat()} is too large for the network's float32; "
                    "give the column in another unit, or set hyperparameters.scale_targets for "
                    "targets"
                )
            columns[f"{kind}.{name}"] = pd.Series(values[:, column])
    return pd.DataFrame(columns, copy=False)
