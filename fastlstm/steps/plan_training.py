"""What a training would do with a table, without training: checks, splits, windows, seasons, network."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.artifacts.file_names import CHECKS_FILE, CLEAN_FILE
from fastlstm.artifacts.folders import publish
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.seasons import FoundSeasons, SeasonTally, seasons_by_error
from fastlstm.data.shards import distinct_times_in, shards_of
from fastlstm.data.split import SPLITS, Cuts, cut_times, cuts_of
from fastlstm.data.tables import StoredColumns, read_table
from fastlstm.data.time_grid import microseconds
from fastlstm.network.architecture import Architecture, batch_size, resolve
from fastlstm.steps.prepare import load_and_validate, scale_into
from fastlstm.steps.scaled_table import season_search
from fastlstm.steps.shard_map import ShardMap
from fastlstm.training.class_weights import require_both_classes
from fastlstm.training.epoch_size import windows_of_epoch
from fastlstm.windows.coverage import facts_of_absence
from fastlstm.windows.origins import target_windows
from fastlstm.windows.planning import Blocks, all_steps_defined, plan_windows, require_windows
from fastlstm.windows.source import Windows

# Values beyond this may be too large for float32 once they are scaled.
_LARGE = 1e30

# Most train windows whose labels are looked at.
_MOST_LABELS = 1_000_000


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would do.

    Attributes:
        config: the settings, with the calendar, categories and series that train rows teach.
        loaded: facts of the loaded table: ``rows``, ``series``, ``first``, ``last``.
        checks: the report of the checks; see ``fastlstm.data.findings.ValidationReport.to_dict``.
        cuts: first time of validation and of test, microseconds since 1970 (UTC).
        windows: number of windows by split.
        by_series: number of windows by series and split.
        coverage: series without windows; see ``fastlstm.reporting.coverage.coverage_lines``.
        seasons: those that the train rows show.
        architecture: the network.
        batch: windows of a gradient step.
        gradient_steps: of an epoch.
    """

    config: RetrainConfig
    loaded: dict[str, Any]
    checks: dict[str, Any]
    cuts: dict[str, int]
    windows: dict[str, int]
    by_series: dict[str, dict[str, int]]
    coverage: dict[str, Any]
    seasons: FoundSeasons
    architecture: Architecture
    batch: int
    gradient_steps: int


def plan_training(
    config: RetrainConfig, folder: Path, skipped_files: Mapping[str, str] | None = None
) -> TrainingPlan:
    """Prepare a table as a training would, up to its windows, which are counted and not written.

    Args:
        config: all settings; ``data.path`` is on this machine.
        folder: folder for the prepared table.
        skipped_files: what is not read of a source that was fetched to this machine, with the reason.

    Raises:
        ConfigError: what is found contradicts the settings.
        DataError: the data is refused, or a split would hold no window.
    """
    shards = ShardMap(folder / "shards")
    config, loaded = load_and_validate(folder, config, shards, folder / CHECKS_FILE, skipped_files)
    scaled = None
    if _needs_scaling(config, folder / "clean"):
        scaled = publish(
            folder / "scaled", lambda target: scale_into(target, folder / "clean", config, shards)
        )
    return _of_clean(config, folder, loaded, {} if scaled is None else scaled["lost_in_scale"])


def _needs_scaling(config: RetrainConfig, clean: Path) -> bool:
    """Whether scaling may refuse the table or warn of it; without need it costs imports and time."""
    data, hp = config.data, config.hyperparameters
    if hp.scaler_scope == "table" and data.series is not None:
        return True
    used = list(dict.fromkeys([*data.features, *data.targets]))
    tables = (StoredColumns(shard / CLEAN_FILE, used) for shard in shards_of(clean))
    return any(table[name].abs().max() > _LARGE for table in tables for name in used)


def _cuts(config: RetrainConfig, clean: Path) -> tuple[Cuts | None, dict[str, int]]:
    """The cut times of all rows, None where each series has its own; and the latest ones."""
    hp = config.hyperparameters
    if hp.split == "by_series" and config.data.series is not None:
        latest = {"validation": 0, "test": 0}
        for shard in shards_of(clean):
            rows = read_table(shard / CLEAN_FILE, [SERIES, TIME])
            own = cuts_of(microseconds(rows[TIME]), rows[SERIES].to_numpy(), hp).facts()
            latest = {key: max(latest[key], own[key]) for key in latest}
        return None, latest
    cuts = cut_times(
        distinct_times_in(clean, CLEAN_FILE), hp.train_size_rate, hp.validation_size_rate
    )
    return cuts, cuts.facts()


def _of_clean(
    config: RetrainConfig, folder: Path, loaded: dict[str, Any], lost: dict[str, Any]
) -> TrainingPlan:
    """The plan of a clean table.

    Args:
        config: all settings.
        folder: folder of the steps.
        loaded: manifest of the loaded table.
        lost: series whose values the table's scale loses.
    """
    data, hp = config.data, config.hyperparameters
    at, first = _cuts(config, folder / "clean")
    search = season_search(config)
    tally = SeasonTally.of(search.tested, hp.steps_ahead, data.lookahead)
    windows: Counter[str] = Counter()
    by_series: dict[str, dict[str, int]] = {}
    labels, blocks = [], Blocks()
    for shard in shards_of(folder / "clean"):
        rows = read_table(shard / CLEAN_FILE, [SERIES, TIME, SEGMENT, *data.targets])
        series, y = rows[SERIES].to_numpy(), rows[data.targets].to_numpy(np.float32)
        cuts = at or cuts_of(microseconds(rows[TIME]), series, hp)
        if hp.is_regressor:
            of_shard = search.tally(rows, rows[data.targets], cuts.validation)
            tally.add_arrays(of_shard.to_arrays())
        blocks += Blocks.of(rows)
        defined = all_steps_defined(~np.isnan(y).any(axis=1), hp.steps_ahead)
        span = hp.steps_ahead + data.lookahead
        for split, origins in plan_windows(rows, defined, hp.timesteps, span, cuts).items():
            found, count = np.unique(series[origins.all()].astype(str), return_counts=True)
            windows[split] += len(origins)
            for name, number in zip(found, count, strict=True):
                by_series.setdefault(str(name), {})[split] = int(number)
            if split == "train" and not hp.is_regressor:
                chosen = origins.between(0, _MOST_LABELS)
                labels.append(target_windows(y, chosen, hp.steps_ahead))
        for name in np.unique(series.astype(str)):
            by_series.setdefault(str(name), {})
    planned = {split: windows[split] for split in SPLITS}
    counts = {split: range(count) for split, count in planned.items()}
    require_windows(counts, hp.timesteps, span, blocks)
    if labels:
        of_labels = _Labels(np.concatenate(labels), data.targets)
        require_both_classes(of_labels, hp)  # type: ignore[arg-type]
    seasons = search.found(tally) if hp.is_regressor else FoundSeasons()
    architecture = resolve(
        hp, data.features, data.targets, planned["train"], seasons_by_error(seasons.facts())
    )
    batch = batch_size(hp, data.features, data.targets)
    of_epoch = windows_of_epoch(planned["train"], hp, data.features, data.targets)
    without = {
        split: [name for name, count in by_series.items() if not count.get(split)]
        for split in SPLITS
    }
    return TrainingPlan(
        config=config,
        loaded=loaded,
        checks=json.loads((folder / "clean" / CHECKS_FILE).read_text(encoding="utf-8")),
        cuts=first,
        windows=planned,
        by_series=by_series,
        coverage={
            "series_without": facts_of_absence(without, len(by_series)),
            "lost_in_scale": lost,
        },
        seasons=seasons,
        architecture=architecture,
        batch=batch,
        gradient_steps=math.ceil(of_epoch / batch),
    )


@dataclass(frozen=True)
class _Labels:
    """Labels of train windows, as ``require_both_classes`` reads them of a dataset."""

    y: np.ndarray
    targets: list[str]

    @property
    def manifest(self) -> dict[str, Any]:
        return {"targets": self.targets}

    def read(self, split: str, columns: tuple[str, ...] = ()) -> Windows:
        none = np.zeros(0)
        return Windows(none, none, none, self.y)
