"""Forecasts of the windows of a split, by the network and the baselines, in the targets' units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.forecast_limits import limited
from fastlstm.data.scaling import Scalers
from fastlstm.data.seasons import FoundSeasons, season_candidates
from fastlstm.data.stored_tables import Kind, StoredTable
from fastlstm.evaluation.baselines import Baseline, BaselineInputs, baseline_forecasts
from fastlstm.evaluation.long_format import long_format
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.network.inference import point_of, predict_each, windows_at_once
from fastlstm.windows.origins import target_windows
from fastlstm.windows.source import WindowSource


@dataclass(frozen=True)
class SplitForecasts:
    """The windows of a split with their forecasts, in the targets' units.

    Attributes:
        rows: first target row of each window in a table sorted by series and time, ``(n,)``.
        series: series of each window, ``(n,)``.
        truth: ``(n, steps_ahead, n_targets)``.
        network: the network's forecasts with their quantiles,
            ``(n, steps_ahead, n_targets, n_quantiles)``.
        baselines: each baseline's forecasts by key, ``(n, steps_ahead, n_targets)``, NaN where
            undefined.
    """

    rows: np.ndarray
    series: np.ndarray
    truth: np.ndarray
    network: np.ndarray
    baselines: dict[str, np.ndarray]

    @property
    def point_forecasts(self) -> dict[str, np.ndarray]:
        """``'model'`` and each baseline, ``(n, steps_ahead, n_targets)``."""
        return {"model": point_of(self.network), **self.baselines}

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Truth and forecasts under their names in the table of predictions."""
        return {"truth": self.truth, "prediction": point_of(self.network), **self.baselines}

    def with_quantiles(self, name: str) -> np.ndarray:
        """One forecast with a quantile axis, which has length 1 for a baseline."""
        return self.network if name == "model" else self.baselines[name][..., None]


def season_length(settings: RetrainConfig, manifest: Mapping[str, Any]) -> int | None:
    """Rows in one season, None without one.

    As set, else the best one that train rows show, else the usual one where train is too short to show
    any. Windows of earlier versions have the shortest season of their frequency.

    Args:
        settings: ``evaluation.season_length`` and the frequency.
        manifest: of the windows.
    """
    if settings.evaluation.season_length is not None:
        return settings.evaluation.season_length
    if "season" not in manifest:
        return next(iter(season_candidates(settings.data.frequency)), None)
    found: int | None = manifest["season"] or manifest["assumed_season"]
    return found


def other_seasons(settings: RetrainConfig, manifest: Mapping[str, Any]) -> tuple[int, ...]:
    """Rows in each season beside that of ``season_length`` that train rows show, rising; none where
    the user has set the season."""
    if settings.evaluation.season_length is not None:
        return ()
    best = season_length(settings, manifest)
    return tuple(season for season in manifest.get("seasons") or () if season != best)


def forecast_split(
    network: Any,
    split: str,
    dataset: WindowSource,
    scalers: Scalers,
    table: TargetTable,
    settings: RetrainConfig,
    baselines: dict[str, Baseline],
    train_share: Callable[[], np.ndarray] | None = None,
    outputs: np.ndarray | None = None,
) -> SplitForecasts:
    """Forecast every window of a split, within the limits of the targets.

    Args:
        network: the Keras network.
        split: name of the split.
        dataset: the windows.
        scalers: to give forecasts in the targets' units.
        table: unscaled targets of every row.
        settings: horizon, season, and how far targets look ahead.
        baselines: those to compare with.
        train_share: see ``BaselineInputs``, where ``dataset`` is one shard of a table; None: from its
            own train windows.
        outputs: what ``outputs_of`` gives; None where it is still to be computed.
    """
    steps, targets = dataset.manifest["steps_ahead"], len(dataset.manifest["targets"])
    if outputs is None:
        outputs = outputs_of(network, split, dataset)
    windows = dataset.read(split, columns=())
    rows = table.rows_of(windows.series, windows.origin)
    given = BaselineInputs(
        table.targets, table.block, rows, steps, season_length(settings, dataset.manifest),
        settings.data.lookahead, dataset.manifest["timesteps"],
        train_share or (lambda: _train_share(dataset)), other_seasons(settings, dataset.manifest),
    )  # fmt: skip
    each = scalers.unscale_each(outputs.reshape(len(outputs), steps, targets, -1), windows.series)
    return SplitForecasts(
        rows,
        table.series(rows),
        target_windows(table.targets, rows, steps),
        limited(each, settings.data, settings.hyperparameters, axis=-2),
        {
            name: limited(forecast, settings.data, settings.hyperparameters)
            for name, forecast in baseline_forecasts(baselines, given).items()
        },
    )


def outputs_of(network: Any, split: str, dataset: WindowSource) -> np.ndarray:
    """A network's scaled outputs for the windows of a split, ``(n, steps * n_targets, n_quantiles)``.

    Args:
        network: the Keras network.
        split: name of the split, which has windows.
        dataset: the windows.
    """
    values = dataset.manifest["steps_ahead"] * len(dataset.manifest["targets"])
    batches = dataset.batches(split, windows_at_once(dataset.manifest))
    return np.concatenate([predict_each(network, x, values) for x, _ in batches])


def _train_share(dataset: WindowSource) -> np.ndarray:
    """Mean of each target over the train windows, ``(steps_ahead, n_targets)``."""
    y = dataset.read("train", columns=("y",)).y
    # A sum of float32 is wrong from 2**24 on.
    share: np.ndarray = y.mean(axis=0, dtype=np.float64)
    return share


def describe_windows(dataset: WindowSource, table: TargetTable, rows: np.ndarray) -> dict[str, Any]:
    """Number and times of some windows, and the split they belong to, as ``metrics.json`` keeps them.

    Args:
        dataset: the windows.
        table: the rows they are cut from.
        rows: their first target rows, ``(n,)``.
    """

    def written(time: np.int64) -> str:
        if dataset.manifest.get("time_unit") == "row":
            return f"row {time}"
        return f"{time.astype('datetime64[us]')}Z"

    times = table.times[rows]
    return {
        "windows": len(rows),
        "first_origin": written(times.min()),
        "last_origin": written(times.max()),
        "cuts": dataset.manifest["cuts"],
        "split_windows": dataset.manifest["windows"],
        "series_without": dataset.manifest.get("series_without", {}),
        "lost_in_scale": dataset.manifest.get("lost_in_scale", {}),
        "seasons": _seasons(dataset.manifest),
    }


def joined_descriptions(parts: Sequence[dict[str, Any]], dataset: WindowSource) -> dict[str, Any]:
    """The description of the windows of all shards.

    Args:
        parts: of those of each shard, see ``describe_windows``.
        dataset: the windows of all shards.
    """
    return {
        **parts[0],
        "windows": sum(part["windows"] for part in parts),
        "first_origin": min(part["first_origin"] for part in parts),
        "last_origin": max(part["last_origin"] for part in parts),
        "split_windows": dataset.manifest["windows"],
    }


def _seasons(manifest: dict[str, Any]) -> dict[str, Any]:
    """What train rows say about seasons; empty where nobody has looked."""
    return FoundSeasons.from_facts(manifest).facts() if "season" in manifest else {}


# Columns that each table of test predictions has; the others are forecasts, bounds and scales of errors.
_PREDICTION_COLUMNS = {
    "series": Kind.TEXT, "origin": Kind.TIME, "step": Kind.NUMBER, "time": Kind.TIME,
    "target": Kind.TEXT,
    "truth": Kind.NUMBER, "prediction": Kind.NUMBER,
}  # fmt: skip

# Bounds are infinite after too few errors; scales are of errors.
_MAY_BE_INFINITE = ("lower_", "upper_", "scale")

# Columns that the predictions of a classifier with named classes have too.
_LABEL_COLUMNS = {"true_label": Kind.LABEL, "label": Kind.LABEL}


def stored_predictions(file: Path, steps_ahead: int) -> StoredTable:
    """The table of test predictions in a file of a run.

    Args:
        file: the file.
        steps_ahead: of the run's forecasts.

    Raises:
        StoreError: it is missing, or another table.
    """
    return StoredTable(
        file, _PREDICTION_COLUMNS, Kind.NUMBER, _LABEL_COLUMNS,
        is_finite=lambda name: not name.startswith(_MAY_BE_INFINITE),
        within={"step": (1, steps_ahead)},
    )  # fmt: skip


def prediction_table(
    table: TargetTable, rows: np.ndarray, targets: list[str], columns: dict[str, np.ndarray]
) -> pd.DataFrame:
    """The forecasts of some windows, one row per window, step ahead and target.

    Args:
        table: the rows that the windows are cut from.
        rows: first target row of each window, ``(n,)``.
        targets: names of the targets.
        columns: truth, forecasts and bounds by name, ``(n, steps_ahead, n_targets)`` each.

    Returns:
        ``series``, ``origin`` (time of the first target row), ``step``, ``time``, ``target`` and the
        given columns.
    """
    steps = next(iter(columns.values())).shape[1]
    times = table.times.astype("datetime64[us]")
    given = {
        "series": table.series(rows),
        "origin": times[rows],
        "time": times[rows[:, None] + np.arange(steps)],
        **columns,
    }
    frame = long_format(given, steps, targets)
    return frame[["series", "origin", "step", "time", "target", *columns]]
