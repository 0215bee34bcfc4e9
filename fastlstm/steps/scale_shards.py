"""Scale a table that is cut into shards: sums of all, then the scalers, then the rows of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_names import CLEAN_FILE, INPUTS_FILE, SCALED_FILE
from fastlstm.artifacts.files import write_json
from fastlstm.artifacts.folders import publish, read_manifest
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.column_sums import ColumnSums, fitted_scaler, sums_of
from fastlstm.data.count_scaling import divide_by, refuse_negative
from fastlstm.data.input_summary import SHARES, binned
from fastlstm.data.memory import give_back
from fastlstm.data.scaling import (
    Scalers,
    SeriesOfRows,
    TrainRows,
    lost_of,
    read_scalers,
    scaler_files,
    statistics_by_series,
    write_scalers,
)
from fastlstm.data.seasons import FoundSeasons, SeasonTally
from fastlstm.data.series_scales import SeriesStatistics, fit_series_scales
from fastlstm.data.shards import distinct_times_in, shards_of
from fastlstm.data.split import cut_times, cuts_from
from fastlstm.data.tables import Columns, StoredColumns, read_table
from fastlstm.data.time_grid import label_end, later_times, microseconds
from fastlstm.steps.scaled_table import drift_columns, season_search, write_scaled
from fastlstm.steps.shard_map import ShardMap

_SUMS = "fastlstm.steps.scale_shards:sums_of_shard"
_SCALE = "fastlstm.steps.scale_shards:scale_shard"
_SUMS_FILE = "sums.npz"
# Columns of a shard's sums: features and targets as scalers are fitted on them, targets with their
# sign, features as their drift is measured.
_FEATURES, _TARGETS, _KNOWN, _INPUTS = "x", "y", "known", "inputs"


def scale_shards_into(
    folder: Path, clean: Path, config: RetrainConfig, shards: ShardMap
) -> dict[str, Any]:
    """Fit the scalers and scale each shard; see ``fastlstm.steps.prepare.scale_into``.

    Args:
        folder: the step's folder.
        clean: folder of the clean shards.
        config: all settings.
        shards: works on each shard.
    """
    hp, given = config.hyperparameters, {path.name: path for path in shards_of(clean)}
    split: dict[str, Any] = {"series_shares": [hp.train_size_rate, hp.validation_size_rate]}
    if hp.split == "at_time":
        cuts = cut_times(distinct_times_in(clean, CLEAN_FILE), *split["series_shares"])
        split = {"cuts": vars(cuts), "series_shares": None}
    common = {
        "config": config.model_dump(include=set(RetrainConfig.model_fields)),
        "split": split,
    }
    counted = shards(_SUMS, "sums", given, **common)
    table = TableSums.read(shards.folders("sums"), config)

    def write(target: Path) -> dict[str, Any]:
        write_scalers(table.scalers(config), *scaler_files(target))
        return {}

    scalers = shards.publish("scalers", write)
    edges = {name: sums.edges for name, sums in table.inputs.items()}
    found = shards(_SCALE, "scaled", given, **common, scalers=str(scalers), edges=edges)
    write_scalers(read_scalers(*scaler_files(scalers)), *scaler_files(folder))
    write_json(folder / INPUTS_FILE, {
        name: sums.summary([facts["bins"][name] for facts in found])
        for name, sums in table.inputs.items()
    })  # fmt: skip
    lost = _lost_in_scale(shards.folders("sums"), read_scalers(*scaler_files(folder)))
    shards.collect("scaled", folder, [facts["rows"] for facts in counted])
    return {
        "rows": sum(facts["rows"] for facts in counted),
        "train_rows": sum(facts["train_rows"] for facts in counted),
        "cuts": {
            name: max(facts["cuts"][name] for facts in counted) for name in ("validation", "test")
        },
        "series_shares": split["series_shares"],
        "lost_in_scale": lost,
        "features": config.data.features,
        "targets": config.data.targets,
        **table.seasons.facts(),
        "shards": len(given),
    }


def _lost_in_scale(sums: list[Path], scalers: Scalers) -> dict[str, Any]:
    """See ``fastlstm.data.scaling.series_lost_in_scale``; from what ``sums_of_shard`` wrote."""
    labels, own = [], []
    for folder in sums:
        with np.load(folder / _SUMS_FILE, allow_pickle=False) as arrays:
            if "own.labels" in arrays:
                labels.append(arrays["own.labels"])
                own.append(arrays["own.scale"])
    return lost_of(np.concatenate(labels), np.concatenate(own), scalers) if labels else {}


def sums_of_shard(
    shard: str, folder: str, config: dict[str, Any], split: dict[str, Any],
    since: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the sums of one shard that scalers, seasons and bins of inputs come from.

    Args:
        shard: folder of the clean shard.
        folder: folder to publish.
        config: all settings.
        split: the cut times, or the shares by which each series is cut; see ``cuts_from``.
        since: first time of a fold of a backtest, in microseconds since 1970 (UTC): earlier rows do not
            count, and the bins of inputs are not needed. None: all rows.
    """

    def build(target: Path) -> dict[str, Any]:
        settings, file = RetrainConfig.model_validate(config), Path(shard) / CLEAN_FILE
        data, hp = settings.data, settings.hyperparameters
        frame = read_table(file)
        if since is not None:
            frame = frame[microseconds(frame[TIME]) >= since].reset_index(drop=True)
        times, block = microseconds(frame[TIME]), frame[SEGMENT].to_numpy()
        cut = cuts_from(split, times, frame[SERIES].to_numpy())
        x, y = frame[data.features], frame[data.targets]
        rows = TrainRows.of(
            times, label_end(times, block, data.lookahead), cut,
            later_times(times, block, data.ahead_columns), may_be_none=True,
        )  # fmt: skip
        ranked = hp.scaler_type == "RobustScaler"
        arrays = dict(_arrays(_FEATURES, _usable(x, rows), ranked))
        if hp.scale_targets:
            defined = rows.defined(y)
            arrays |= _arrays(_TARGETS, ((n, _values(y, n)[defined]) for n in data.targets), ranked)
        if hp.has_count_loss:
            arrays |= _arrays(_KNOWN, ((n, _values(y, n)[rows.known]) for n in data.targets), False)
        inputs = drift_columns(data) if since is None else []
        arrays |= _arrays(_INPUTS, ((n, _values(frame, n)[rows.train]) for n in inputs), True)
        indicators: list[str] = []
        if hp.scaler_scope == "series":
            of_rows = SeriesOfRows(frame[SERIES].to_numpy(object), data.scaled_alike)
            statistics, indicators = statistics_by_series(
                x, y, rows, of_rows, hp, with_indicators=True
            )
            arrays |= {
                "series.labels": statistics.labels, "series.level": statistics.level,
                "series.spread": statistics.spread,
                "series.columns": np.array(statistics.columns, str),
            }  # fmt: skip
        if hp.scaler_scope == "table" and hp.scale_targets:
            labels = frame[SERIES].to_numpy()
            own = fit_series_scales(
                lambda name: np.where(rows.train, _values(y, name), np.nan), data.targets, labels,
                hp.scaler_type,
            )  # fmt: skip
            arrays |= {"own.labels": own.labels, "own.scale": own.scale}
        if hp.is_regressor:
            tally = season_search(settings).tally(frame, y, cut.validation)
            arrays |= {f"seasons.{name}": value for name, value in tally.to_arrays().items()}
        np.savez(target / _SUMS_FILE, allow_pickle=False, **arrays)
        return {
            "rows": len(times), "train_rows": int(rows.train.sum()), "indicators": indicators,
            "cuts": cut.facts(),
        }  # fmt: skip

    found = publish(Path(folder), build)
    give_back()
    return found


def scale_shard(
    shard: str, folder: str, config: dict[str, Any], split: dict[str, Any], scalers: str,
    edges: dict[str, list[float]],
) -> dict[str, Any]:  # fmt: skip
    """Write the scaled rows of one shard, and count its train rows into the bins of the inputs.

    Args:
        shard: folder of the clean shard.
        folder: folder to publish.
        config: all settings.
        split: see ``sums_of_shard``.
        scalers: folder of the scalers.
        edges: inner edges of the bins of each input.
    """

    def build(target: Path) -> dict[str, Any]:
        settings, file = RetrainConfig.model_validate(config), Path(shard) / CLEAN_FILE
        fitted = read_scalers(*scaler_files(Path(scalers)))
        write_scaled(file, fitted, settings.data, target / SCALED_FILE)
        columns = StoredColumns(file)
        times = microseconds(columns[TIME])
        train = times < cuts_from(split, times, columns[SERIES].to_numpy()).validation
        bins = {}
        for name, of_column in edges.items():
            values = _values(columns, name)[train]
            known = values[~np.isnan(values)]
            bins[name] = [*binned(known, np.asarray(of_column)), len(values) - len(known)]
        return {"bins": bins}

    found = publish(Path(folder), build)
    give_back()
    return found


def _values(columns: Columns, name: str) -> np.ndarray:
    values: np.ndarray = columns[name].to_numpy(np.float64)
    return values


def _usable(x: pd.DataFrame, rows: TrainRows) -> Iterator[tuple[str, np.ndarray]]:
    """The values of each feature that its scaler is fitted on."""
    for name in x:
        values = _values(x, str(name))[rows.train]
        if str(name) in rows.unknown:
            values = values[~rows.unknown[str(name)][rows.train]]
        yield str(name), values


def _arrays(kind: str, columns: Any, ranked: bool) -> Iterator[tuple[str, np.ndarray]]:
    """The sums of columns, with quantiles where ``ranked``, as arrays by the columns' numbers."""
    for number, sums in enumerate(sums_of(columns, ranked=ranked).values()):
        for name, value in sums.to_arrays().items():
            yield f"{kind}.{number}.{name}", value


@dataclass(frozen=True)
class InputSums:
    """Sums of one input over the train rows of all shards.

    Attributes:
        sums: moments and quantiles.
    """

    sums: ColumnSums

    @property
    def edges(self) -> list[float]:
        """Inner edges of the bins, each once."""
        if not self.sums.count:
            return []
        edges: list[float] = np.unique(self.sums.quantiles.quantiles(SHARES)).tolist()
        return edges

    def summary(self, bins: list[list[int]]) -> dict[str, Any]:
        """As ``fastlstm.data.input_summary.reference`` gives it, from the bins of each shard."""
        some, sums = self.sums.count > 0, self.sums
        return {
            "edges": self.edges,
            "counts": np.sum(bins, axis=0).tolist(),
            "mean": sums.mean if some else None,
            "std": sums.deviation if some else None,
            "minimum": sums.least if some else None,
            "maximum": sums.greatest if some else None,
        }


@dataclass(frozen=True)
class TableSums:
    """The sums of all shards.

    Attributes:
        features: of the features' train rows, by name.
        targets: of the targets' train rows; empty where they are not scaled.
        known: of the targets whose loss is of counts; empty otherwise.
        inputs: of the features whose drift is measured.
        statistics: of the series; None where the whole table is scaled alike.
        seasons: those that the train rows show.
    """

    features: dict[str, ColumnSums]
    targets: dict[str, ColumnSums]
    known: dict[str, ColumnSums]
    inputs: dict[str, InputSums]
    statistics: SeriesStatistics | None
    seasons: FoundSeasons

    @classmethod
    def read(
        cls, folders: list[Path], config: RetrainConfig, *, of_fold: bool = False
    ) -> TableSums:
        """From what ``sums_of_shard`` wrote, of all rows or of those of a fold of a backtest."""
        data, hp, search = config.data, config.hyperparameters, season_search(config)
        names = {
            _FEATURES: data.features, _TARGETS: data.targets if hp.scale_targets else [],
            _KNOWN: data.targets if hp.has_count_loss else [],
            _INPUTS: [] if of_fold else drift_columns(data),
        }  # fmt: skip
        parts: dict[str, dict[str, list[ColumnSums]]] = {
            kind: {name: [] for name in of_kind} for kind, of_kind in names.items()
        }
        statistics = []
        tally = SeasonTally.of(search.tested, search.steps_ahead, search.lookahead)
        for folder in folders:
            with np.load(folder / _SUMS_FILE, allow_pickle=False) as arrays:
                for kind, of_kind in names.items():
                    for number, name in enumerate(of_kind):
                        keys = ("numbers", "values", "rows")
                        of_column = {key: arrays[f"{kind}.{number}.{key}"] for key in keys}
                        parts[kind][name].append(ColumnSums.from_arrays(of_column))
                if "series.labels" in arrays:
                    statistics.append(
                        SeriesStatistics(
                            arrays["series.labels"], tuple(map(str, arrays["series.columns"])),
                            arrays["series.level"], arrays["series.spread"],
                        )
                    )  # fmt: skip
                if hp.is_regressor:
                    prefix = "seasons."
                    tally.add_arrays(
                        {n.removeprefix(prefix): arrays[n] for n in arrays if n.startswith(prefix)}
                    )
        merged = {
            kind: {name: ColumnSums.merged(found) for name, found in of_kind.items()}
            for kind, of_kind in parts.items()
        }
        return cls(
            merged[_FEATURES],
            merged[_TARGETS],
            merged[_KNOWN],
            {name: InputSums(sums) for name, sums in merged[_INPUTS].items()},
            _scaled_by_series(statistics, folders),
            search.found(tally) if hp.is_regressor else FoundSeasons(),
        )

    def scalers(self, config: RetrainConfig) -> Scalers:
        """The scalers; see ``fastlstm.data.scaling.fit_scalers``.

        Raises:
            DataError: no train rows, or counts below 0.
        """
        hp = config.hyperparameters
        for name, sums in self.known.items():
            refuse_negative(name, int(sums.negative), np.array([sums.least]), hp.loss)
        x = fitted_scaler(hp.scaler_type, self.features)
        y = fitted_scaler(hp.scaler_type, self.targets) if hp.scale_targets else None
        if hp.scale_targets and hp.has_count_loss:
            for name, sums in self.targets.items():
                divide_by(y, name, sums.mean)
                if name in self.features:
                    divide_by(x, name, self.features[name].mean)
        return Scalers(x, y, None if self.statistics is None else self.statistics.scales)


def _scaled_by_series(
    statistics: list[SeriesStatistics], folders: list[Path]
) -> SeriesStatistics | None:
    """The statistics of all series without the features that are indicators in every shard."""
    if not statistics:
        return None
    merged = SeriesStatistics.merged(statistics)
    indicators = set.intersection(*(set(read_manifest(f)["indicators"]) for f in folders))
    return merged.some([name for name in merged.columns if name not in indicators])
