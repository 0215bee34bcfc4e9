"""Scale a clean table that is one piece, and what scaling it in shards has in common with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_names import INPUTS_FILE, SCALED_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.input_summary import reference
from fastlstm.data.scaling import (
    Scalers,
    SeriesOfRows,
    fit_scalers,
    scaler_files,
    series_lost_in_scale,
    write_scalers,
)
from fastlstm.data.seasons import FoundSeasons, SeasonSearch
from fastlstm.data.split import cuts_of, facts_of_cuts
from fastlstm.data.tables import StoredColumns, read_blocks, write_blocks
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.errors import DataError


def scale_table_into(folder: Path, clean: Path, config: RetrainConfig) -> dict[str, Any]:
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
    series = None if data.series is None else index[SERIES].to_numpy()
    cuts = cuts_of(times, series, hp)
    block = index[SEGMENT].to_numpy()
    label_known = label_end(times, block, data.lookahead)
    features = StoredColumns(clean, data.features)
    targets = StoredColumns(clean, data.targets)
    later = later_times(times, block, data.ahead_columns)
    panel = None if series is None else SeriesOfRows(series, data.scaled_alike)
    scalers = fit_scalers(features, targets, times, label_known, cuts, hp, later, panel)
    write_scaled(clean, scalers, data, folder / SCALED_FILE)
    write_scalers(scalers, *scaler_files(folder))
    train = times < cuts.validation
    inputs = StoredColumns(clean, drift_columns(data))
    write_json(folder / INPUTS_FILE, reference(inputs, train))
    seasons = FoundSeasons()
    if hp.is_regressor:
        seasons = season_search(config).in_table(index, targets, cuts.validation)
    lost = {} if series is None else series_lost_in_scale(scalers, targets, train, series)
    return {
        "rows": len(times),
        "lost_in_scale": lost,
        "train_rows": int(train.sum()),
        **facts_of_cuts(cuts, hp),
        "features": data.features,
        "targets": data.targets,
        **seasons.facts(),
    }


def write_scaled(clean: Path, scalers: Scalers, data: DataConfig, file: Path) -> None:
    """Write the scaled rows of a clean table, block by block."""
    write_blocks((_scaled(rows, scalers, data) for rows in read_blocks(clean)), file)


def season_search(config: RetrainConfig) -> SeasonSearch:
    """The seasons to look for."""
    data, hp = config.data, config.hyperparameters
    season_length = config.evaluation.season_length
    return SeasonSearch(data.frequency, season_length, hp.steps_ahead, data.lookahead)


def drift_columns(data: DataConfig) -> list[str]:
    """Features whose drift counts: calendar features and static covariates change without it."""
    return [name for name in data.read_features if name not in data.static]


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
