"""Rows split by time and scaled, and the windows over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.api.known_columns import data_section, described_data
from fastlstm.api.row_table import RowSettings, RowTable
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.scaling import (
    ScaledArray,
    Scalers,
    SeriesOfRows,
    beginnings,
    fit_scalers,
    series_lost_in_scale,
)
from fastlstm.data.seasons import FoundSeasons, SeasonSearch
from fastlstm.data.split import SplitCuts, cuts_of, part_of_rows
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.errors import DataError
from fastlstm.windows.in_memory import RowWindows


@dataclass(frozen=True)
class PreparedRows:
    """Rows with what was derived from them for training.

    Attributes:
        table: the checked rows.
        settings: how they were read.
        features: names of the network's inputs, in its order.
        targets: names of the network's targets, in its order.
        cuts: the times that separate train, validation and test.
        scalers: fitted on the train rows, or those of a trained network.
        x_scaled: features as the network sees them, float32 ``(n, n_features)``.
        y_scaled: targets as the network learns them, float32 ``(n, n_targets)``.
    """

    table: RowTable
    settings: RowSettings
    features: list[str]
    targets: list[str]
    cuts: SplitCuts
    scalers: Scalers
    x_scaled: np.ndarray
    y_scaled: np.ndarray

    @property
    def frame(self) -> pd.DataFrame:
        """Series, time and contiguous block of each row, sorted."""
        return self.table.frame

    def windows(self, hyperparameters: Hyperparameters) -> RowWindows:
        """The windows of the three splits.

        Raises:
            DataError: a split would hold no window.
        """
        windows = RowWindows(
            self.frame,
            self.x_scaled,
            self.y_scaled,
            features=self.features,
            targets=self.targets,
            timesteps=hyperparameters.timesteps,
            steps_ahead=hyperparameters.steps_ahead,
            cuts=self.cuts,
            lookahead=self.settings.target_lookahead,
            sample_weight=self.table.weight,
            time_unit=self.table.time_unit,
            seasons=self._seasons(hyperparameters),
        )
        windows.manifest["lost_in_scale"] = series_lost_in_scale(
            self.scalers, self.table.y[self.targets],
            microseconds(self.frame[TIME]) < self.cuts.validation, self.frame[SERIES].to_numpy(),
        )  # fmt: skip
        return windows

    def _seasons(self, hyperparameters: Hyperparameters) -> FoundSeasons:
        """The seasons that the train rows show."""
        if not hyperparameters.is_regressor:
            return FoundSeasons()
        given = self.settings
        search = SeasonSearch(
            given.frequency,
            given.season_length,
            hyperparameters.steps_ahead,
            given.target_lookahead,
        )
        table = self.table
        return search.in_table(table.frame, table.y[self.targets], self.cuts.validation)

    def split_tables(self) -> Iterator[tuple[str, Any]]:
        """Names and values of the class's attributes that hold the splits: ``X_train``, ``X_train_s``…

        The rows keep the order and the index in which they were given.
        """
        table = self.table
        part = part_of_rows(microseconds(table.frame[TIME]), self.cuts)
        for code, split in enumerate(("train", "validation", "test")):
            rows = np.flatnonzero(part == code)
            rows = rows[np.argsort(table.given_row[rows])]
            given = table.given_row[rows]
            yield f"X_{split}", table.given_x.iloc[given][self.features]
            yield f"Y_{split}", table.given_y.iloc[given][self.targets]
            yield f"X_{split}_s", self.x_scaled[rows].view(ScaledArray)
            yield f"Y_{split}_s", self.y_scaled[rows]


def prepare_rows(
    table: RowTable,
    settings: RowSettings,
    hyperparameters: Hyperparameters,
    features: list[str],
    targets: list[str],
    scalers: Scalers | None = None,
) -> PreparedRows:
    """Split rows by time and scale them.

    Args:
        table: the rows.
        settings: how they were read.
        hyperparameters: sizes of the splits and the kind of scaler.
        features: columns that are the network's inputs.
        targets: columns that are the network's targets.
        scalers: those of a trained network; without them new ones are fitted on the train rows.

    Raises:
        DataError: a column is absent, or there are no train rows.
    """
    _require_columns(table, features, targets)
    x, y = table.x[features], table.y[targets]
    times, series = microseconds(table.frame[TIME]), table.frame[SERIES].to_numpy()
    cuts = cuts_of(times, series, hyperparameters)
    if scalers is None:
        segment = table.frame[SEGMENT].to_numpy()
        label_known = label_end(times, segment, settings.target_lookahead)
        data = described_data(settings, features, targets, table)
        later = later_times(times, segment, data.ahead_columns)
        panel = None
        if table.series_name is not None:
            alike = [*hyperparameters.static_features, *data.scaled_alike]
            panel = SeriesOfRows(series, alike)
        scalers = fit_scalers(x, y, times, label_known, cuts, hyperparameters, later, panel)
    else:
        train = times < cuts.validation
        known = train | beginnings(series, train, hyperparameters.timesteps)
        columns = pd.concat([x, y[[name for name in y if name not in x]]], axis=1)
        scalers = scalers.extended(columns, series, known)
    return PreparedRows(
        table,
        settings,
        features,
        targets,
        cuts,
        scalers,
        scalers.features(x, series),
        scalers.targets(y, targets, series),
    )


def _require_columns(table: RowTable, features: list[str], targets: list[str]) -> None:
    absent = [name for name in features if name not in table.x]
    absent += [name for name in targets if name not in table.y]
    if absent:
        raise DataError(
            f"column {absent[0]!r} is absent; the network has features {features} and targets {targets}"
        )


def run_config(
    settings: RowSettings,
    hyperparameters: Hyperparameters,
    features: list[str],
    targets: list[str],
    table: RowTable | None,
) -> RetrainConfig:
    """The settings of a run over rows in memory, as a retraining's.

    Raises:
        ValidationError: pydantic's, where settings contradict each other.
    """
    data = data_section(settings, features, targets, table)
    return RetrainConfig.model_validate(
        {
            "data": {**data, "static": hyperparameters.static_features},
            "evaluation": {"season_length": settings.season_length},
            "hyperparameters": hyperparameters.model_dump(),
        }
    )
