"""Evaluate folds of a backtest on a table that is cut into shards, with one shard in memory at a time.

Sums over all shards give the scalers of a fold; then the windows of one shard after another are written
to disk, from which the network learns, and by which it is scored shard by shard.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.bounded_reading import read_json
from fastlstm.artifacts.file_names import CLEAN_FILE, METRICS_FILE, PREDICTIONS_FILE
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.scaling import Scalers
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.shards import shard_number, shards_of
from fastlstm.data.split import SPLITS, Cuts
from fastlstm.data.tables import StoredColumns, read_table
from fastlstm.data.time_grid import microseconds
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.experiments.backtest import (
    FoldRows,
    Rows,
    StartingPoint,
    with_new_series,
    without_importance,
)
from fastlstm.experiments.backtest_summary import FoldResult
from fastlstm.experiments.folds import Fold
from fastlstm.steps.evaluate_label_shards import evaluate_label_shards_into
from fastlstm.steps.evaluate_shards import ShardedTable, evaluate_shards_into
from fastlstm.steps.scale_shards import TableSums, sums_of_shard
from fastlstm.training.fit import fit
from fastlstm.training.setup import OnEvent
from fastlstm.windows.coverage import series_without
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import ShardPlace, WindowDataset, WindowForm, write_parts
from fastlstm.windows.planning import require_windows


def clean_rows(clean: Path, settings: RetrainConfig) -> Rows:
    """The rows of a clean table in one piece, or of one shard.

    Args:
        clean: folder of the rows.
        settings: names of the columns.
    """
    data = settings.data
    columns = dict.fromkeys([SERIES, TIME, SEGMENT, *data.features, *data.targets])
    frame = read_table(clean / CLEAN_FILE, list(columns))
    return Rows(frame[[SERIES, TIME, SEGMENT]], frame[data.features], frame[data.targets])


@dataclass(frozen=True)
class FoldShards:
    """The folds of a table that is cut into shards.

    Attributes:
        clean: folder of the clean shards.
        work: folder for what is deleted afterwards.
        settings: network, training and evaluation.
    """

    clean: Path
    work: Path
    settings: RetrainConfig

    def evaluate(
        self, folds: list[Fold], before: StartingPoint | None, on_event: OnEvent
    ) -> tuple[list[FoldResult], StartingPoint]:
        """Train on the first of some folds and score all, as ``evaluate_folds`` does in memory.

        Args:
            folds: folds that share one training.
            before: where the training starts, from an earlier group of folds; None for new weights.
            on_event: receives the events of the training.

        Returns:
            The results, whose predictions lie in ``work``, and where another training may start.

        Raises:
            DataError: a split of a fold holds no window.
        """
        settings = without_importance(self.settings)
        network = None if before is None else before.network
        results: list[FoldResult] = []
        for fold in folds:
            sums = self._sums(fold)
            if not results:
                scalers = sums.scalers(settings) if before is None else before.scalers
            windows, scalers = self._windows(fold, scalers, sums.seasons)
            if not results:
                trained = fit(
                    DrawnWindows(windows), settings.hyperparameters, on_event, model=network
                )
                networks = EvaluatedNetworks(trained.model, trained.chosen)
            target = self.work / f"scores-{fold.number}"
            target.mkdir()
            is_regressor = settings.hyperparameters.is_regressor
            score = evaluate_shards_into if is_regressor else evaluate_label_shards_into
            table = ShardedTable(windows, self.clean, settings.data.targets)
            score(target, networks, table, scalers, settings)
            metrics = read_json(target / METRICS_FILE)
            epochs, first = len(trained.history), folds[0].number
            results.append(FoldResult(fold, metrics, target / PREDICTIONS_FILE, first, epochs))
            shutil.rmtree(windows.folder)
        return results, StartingPoint(trained.chosen, scalers)

    def _sums(self, fold: Fold) -> TableSums:
        """The sums of the train rows that scalers and seasons come from."""
        home = self.work / f"sums-{fold.number}"
        given = self.settings.model_dump(include=set(RetrainConfig.model_fields))
        split = {"cuts": vars(Cuts(fold.validation, fold.test)), "series_shares": None}
        folders = []
        for shard in shards_of(self.clean):
            if microseconds(StoredColumns(shard / CLEAN_FILE)[TIME]).max() >= fold.start:
                folders.append(home / shard.name)
                sums_of_shard(str(shard), str(folders[-1]), given, split, fold.start)
        sums = TableSums.read(folders, self.settings, of_fold=True)
        shutil.rmtree(home)
        return sums

    def _windows(
        self, fold: Fold, scalers: Scalers, seasons: FoundSeasons
    ) -> tuple[WindowDataset, Scalers]:
        """The windows of a fold, on disk, and the scalers with its new series."""
        data, hp = self.settings.data, self.settings.hyperparameters
        cuts = Cuts(fold.validation, fold.test)
        form = WindowForm(
            data.features, data.targets, hp.timesteps, hp.steps_ahead, data.lookahead, cuts
        )
        folder, extended = self.work / f"windows-{fold.number}", [scalers]

        def build(target: Path) -> dict[str, Any]:
            counts = dict.fromkeys(SPLITS, 0)
            without: dict[str, list[str]] = {name: [] for name in SPLITS}
            before = 0
            for shard in shards_of(self.clean):
                rows = clean_rows(shard, self.settings)
                extended[0] = with_new_series(extended[0], rows, fold, self.settings)
                own = FoldRows.of(rows, fold, extended[0], self.settings)
                if not len(own.chosen):
                    continue
                place = ShardPlace(shard_number(shard), before)
                part = target / shard.name
                part.mkdir()
                planned = write_parts(part, _scaled_table(own, form), form, place, own.usable)
                for name, origins in planned.items():
                    counts[name] += len(origins)
                    (target / name).mkdir(exist_ok=True)
                    for file in (part / name).iterdir():
                        file.rename(target / name / file.name)
                shutil.rmtree(part)
                for name, of_shard in series_without(own.frame[SERIES].to_numpy(), planned).items():
                    without[name] += of_shard
                before += len(own.chosen)
                give_back()
            found = {name: range(count) for name, count in counts.items()}
            require_windows(found, hp.timesteps, form.span)
            # All series of the table count when the primary metric is chosen, so that folds share it.
            series = read_manifest(self.clean)["series"]
            return form.manifest(counts, series, seasons, without)

        publish(folder, build)
        return WindowDataset(folder), extended[0]


def _scaled_table(rows: FoldRows, form: WindowForm) -> pd.DataFrame:
    """The scaled rows as windows are cut from them."""
    columns: dict[str, Any] = {name: rows.frame[name] for name in (SERIES, TIME, SEGMENT)}
    for kind, names, values in (("x", form.features, rows.x), ("y", form.targets, rows.y)):
        for number, name in enumerate(names):
            columns[f"{kind}.{name}"] = np.ascontiguousarray(values[:, number])
    return pd.DataFrame(columns, copy=False)
