"""Evaluate a regressor on a table that is cut into shards, with one shard in memory at a time.

The network's outputs may have been computed before, see ``fastlstm.steps.forecast_shards``. Validation
windows of all shards give the half-widths of intervals first; then the test windows of each
are forecast and scored. Of the validation scores of each shard a bounded number at even distances is
pooled, so that with ``n`` of them a half-width of level ``L`` has a coverage that is off by about
``sqrt(L (1 - L) / n)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.artifacts.file_names import (
    CLEAN_FILE,
    INTERVALS_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    SPREADS_FILE,
)
from fastlstm.artifacts.files import write_json
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.memory import give_back
from fastlstm.data.scaling import Scalers
from fastlstm.data.shards import shard_number, shards_of
from fastlstm.data.tables import read_table, write_blocks
from fastlstm.evaluation.baselines import REGRESSION_BASELINES
from fastlstm.evaluation.error_table import ErrorTable, report_of
from fastlstm.evaluation.importance import explain
from fastlstm.evaluation.interval_scores import CalibrationScores, notes, score_intervals
from fastlstm.evaluation.intervals import MEDIAN_PAIR, HalfWidths, Pair, write_half_widths
from fastlstm.evaluation.metrics import REGRESSION_METRICS, primary_score
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.evaluation.pointwise import SCALE_COLUMN
from fastlstm.evaluation.predictions import (
    SplitForecasts,
    describe_windows,
    forecast_split,
    joined_descriptions,
    prediction_table,
    season_length,
)
from fastlstm.evaluation.regression import primary_of, train_sums, undefined_series
from fastlstm.evaluation.series_spreads import write_spreads
from fastlstm.evaluation.target_table import TargetTable
from fastlstm.steps.forecast_shards import read_outputs
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset
from fastlstm.windows.source import require_same_shape

# Validation scores of all shards together that half-widths come from.
_MOST_SCORES = 4_000_000


@dataclass(frozen=True)
class ShardedTable:
    """The windows and the clean rows of a table that is cut into shards.

    Attributes:
        dataset: all windows.
        clean: folder of the clean shards.
        targets: target names.
        outputs: folder in which ``fastlstm.steps.forecast_shards`` put the networks' outputs for each
            shard; None: nobody has computed them.
    """

    dataset: WindowDataset
    clean: Path
    targets: list[str]
    outputs: Path | None = None

    def __iter__(self) -> Iterator[ScoredShard]:
        """One shard after another."""
        for shard in shards_of(self.clean):
            rows = read_table(shard / CLEAN_FILE, [SERIES, TIME, SEGMENT, *self.targets])
            yield ScoredShard(
                self.dataset.of_shard(shard_number(shard)),
                TargetTable.of(rows, rows[self.targets]),
                None if self.outputs is None else self.outputs / shard.name,
            )
            give_back()


@dataclass(frozen=True)
class ScoredShard:
    """One shard of a table that is evaluated.

    Attributes:
        windows: its windows.
        rows: its targets.
        folder: with the networks' outputs for its windows; None: nobody has computed them.
    """

    windows: WindowDataset
    rows: TargetTable
    folder: Path | None

    def outputs(self, split: str) -> np.ndarray | None:
        """A network's outputs for the windows of a split, where they are known."""
        return None if self.folder is None else read_outputs(self.folder, split)


def evaluate_shards_into(
    folder: Path, networks: EvaluatedNetworks, table: ShardedTable, scalers: Scalers,
    settings: RetrainConfig,
) -> dict[str, Any]:  # fmt: skip
    """Write metrics, predictions and intervals of a regressor; see ``fastlstm.steps.evaluate``.

    Args:
        folder: where to write.
        networks: the network that is scored, and the one that gives intervals and feature importance.
        table: windows and rows.
        scalers: to give forecasts in the targets' units.
        settings: all settings.

    Returns:
        What the manifest keeps.
    """
    require_same_shape(table.dataset, settings.hyperparameters)
    calibration = _calibrated(networks, table, scalers, settings)
    half_widths = {name: scores.half_widths for name, scores in calibration.items()}
    scored = _Scored(primary_of(table.dataset.manifest["series"], settings))
    write_blocks(
        _forecast(scored, networks, table, scalers, settings, half_widths),
        folder / PREDICTIONS_FILE,
    )
    metrics = scored.metrics(table.dataset, settings)
    if calibration:
        levels = settings.evaluation.interval_levels
        metrics["intervals"] = {
            "validation_windows": table.dataset.count("validation"),
            "rate": settings.evaluation.interval_rate,
            "notes": notes(calibration["model"].separate, levels),
            **scored.intervals(),
        }
        write_half_widths(half_widths["model"], folder / INTERVALS_FILE)
        if (spreads := half_widths["model"][MEDIAN_PAIR].spreads) is not None:
            write_spreads(spreads, folder / SPREADS_FILE)
    if settings.evaluation.explain_windows:
        sample = DrawnWindows(table.dataset, always=True)
        metrics["importance"] = explain(networks, sample, settings)
    write_json(folder / METRICS_FILE, metrics)
    return {key: metrics[key] for key in ("primary", "windows")}


def score_validation_shards(
    network: Any, table: ShardedTable, scalers: Scalers, settings: RetrainConfig
) -> float | None:
    """See ``fastlstm.evaluation.regression.score_validation``.

    Args:
        network: the Keras network.
        table: windows and rows.
        scalers: to give forecasts in the targets' units.
        settings: all settings.
    """
    parts = []
    for shard in table:
        windows, rows = shard.windows, shard.rows
        if not windows.count("validation"):
            continue
        found = forecast_split(network, "validation", windows, scalers, rows, settings, {})
        sums = train_sums(windows, rows, settings, season_length(settings, windows.manifest))
        scales = sums.scales.some(rows.code[found.rows])
        forecast = found.point_forecasts["model"]
        parts.append(ErrorTable.of(found.truth, forecast, found.series, scales))
    primary = primary_of(table.dataset.manifest["series"], settings)
    return ErrorTable.joined(parts).scores()[primary]


def _calibrated(
    networks: EvaluatedNetworks, table: ShardedTable, scalers: Scalers, settings: RetrainConfig
) -> dict[str, CalibrationScores]:
    """Validation scores of each forecast, by its name; none where no intervals are wanted."""
    if not settings.evaluation.interval_levels:
        return {}
    manifest = table.dataset.manifest
    values = manifest["steps_ahead"] * len(manifest["targets"])
    most = max(1, _MOST_SCORES // values // len(shards_of(table.clean)))
    parts: dict[str, list[CalibrationScores]] = {}
    for shard in table:
        if shard.windows.count("validation"):
            found = forecast_split(
                networks.chosen, "validation", shard.windows, scalers, shard.rows, settings,
                REGRESSION_BASELINES, outputs=shard.outputs("validation"),
            )  # fmt: skip
            for name in found.point_forecasts:
                scores = CalibrationScores.of(found, name, scalers, settings)
                parts.setdefault(name, []).append(scores.thinned(most))
    return {name: CalibrationScores.joined(of_name) for name, of_name in parts.items()}


def _forecast(
    scored: _Scored, networks: EvaluatedNetworks, table: ShardedTable, scalers: Scalers,
    settings: RetrainConfig, half_widths: dict[str, dict[Pair, HalfWidths]],
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """The test predictions of one shard after another; ``scored`` collects their scores."""
    for shard in table:
        windows, rows = shard.windows, shard.rows
        if not windows.count("test"):
            continue
        test = forecast_split(
            networks.served, "test", windows, scalers, rows, settings, REGRESSION_BASELINES,
            outputs=shard.outputs("test"),
        )  # fmt: skip
        denominators = scored.add(test, windows, rows, settings)
        columns = test.columns
        if denominators is not None:
            columns[SCALE_COLUMN] = np.broadcast_to(denominators[:, None, :], test.truth.shape)
        if half_widths:
            columns |= scored.add_intervals(test, half_widths, scalers, settings)
        yield prediction_table(rows, test.rows, settings.data.targets, columns)


@dataclass
class _Scored:
    """Scores of the test windows of the shards so far.

    Attributes:
        primary: key of the primary metric.
    """

    primary: str
    _tables: dict[str, list[ErrorTable]] = field(default_factory=dict)
    _same: dict[str, list[ErrorTable]] = field(default_factory=dict)
    _about: list[dict[str, Any]] = field(default_factory=list)
    _undefined: list[dict[str, Any]] = field(default_factory=list)
    _overall: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    _by_step: list[tuple[dict[str, Any], int]] = field(default_factory=list)

    def add(
        self, test: SplitForecasts, windows: WindowDataset, rows: TargetTable,
        settings: RetrainConfig,
    ) -> np.ndarray | None:  # fmt: skip
        """Add the forecasts of a shard; what errors are divided by, ``(n, n_targets)``, or None."""
        sums = train_sums(windows, rows, settings, season_length(settings, windows.manifest))
        scales = sums.scales.some(rows.code[test.rows])
        forecasts = test.point_forecasts
        for name, forecast in forecasts.items():
            defined = ~np.isnan(forecast).any(axis=(1, 2))
            for tables, of in ((self._tables, forecast), (self._same, forecasts["model"])):
                found = ErrorTable.of(
                    test.truth[defined], of[defined], test.series[defined], scales.some(defined)
                )
                tables.setdefault(name, []).append(found)
        self._about.append(describe_windows(windows, rows, test.rows))
        self._undefined.append(undefined_series(rows, test.rows, sums, self.primary))
        return scales.denominators(self.primary)

    def add_intervals(
        self, test: SplitForecasts, half_widths: dict[str, dict[Pair, HalfWidths]],
        scalers: Scalers, settings: RetrainConfig,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """Add the intervals of a shard; the network's bounds by column name."""
        overall, by_step, columns = score_intervals(test, half_widths, scalers, settings)
        for finding in overall:
            defined = ~np.isnan(test.point_forecasts[finding["forecast"]]).any(axis=(1, 2))
            self._overall.append((finding, int(defined.sum())))
        self._by_step += [(finding, len(test.rows)) for finding in by_step]
        return columns

    def metrics(self, dataset: WindowDataset, settings: RetrainConfig) -> dict[str, Any]:
        """All metrics but those of intervals, as ``fastlstm.evaluation.regression`` gives them."""
        tables = {name: ErrorTable.joined(parts) for name, parts in self._tables.items()}
        windows = int(tables["model"].windows.sum())
        partly = [name for name, table in tables.items() if table.windows.sum() < windows]
        same = {name: ErrorTable.joined(self._same[name]) for name in partly}
        report = report_of(tables, same, settings.data.targets, self.primary)
        value = report["overall"]["model"][self.primary]
        names: dict[str, list[str]] = {}
        for found in self._undefined:
            for reason, labels in found["names"].items():
                names.setdefault(reason, []).extend(labels)
        return {
            "task": "regressor",
            "primary": primary_score(self.primary, value, REGRESSION_METRICS),
            **joined_descriptions(self._about, dataset),
            "season_length": season_length(settings, dataset.manifest),
            "test": report["overall"],
            "by_step": report["by_step"],
            "by_target": report["by_target"],
            "by_series": report["by_series"],
            "over_series": report["over_series"],
            "undefined_series": {"count": sum(map(len, names.values())), "names": names},
        }

    def intervals(self) -> dict[str, Any]:
        """Coverage, width and score of the intervals on the windows of all shards."""
        return {
            "overall": _mean_of(self._overall, ("coverage", "width", "score")),
            "by_step": _mean_of(self._by_step, ("coverage",)),
        }


def _mean_of(
    findings: list[tuple[dict[str, Any], int]], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The findings of shards about the same thing as one, weighted by their windows.

    Args:
        findings: with the number of windows of each.
        names: of the values that are averaged; None of one shard gives None.
    """
    grouped: dict[tuple[Any, ...], list[tuple[dict[str, Any], int]]] = {}
    for finding, windows in findings:
        about = tuple(value for name, value in finding.items() if name not in names)
        grouped.setdefault(about, []).append((finding, windows))
    means = []
    for group in grouped.values():
        mean, total = dict(group[0][0]), sum(windows for _, windows in group)
        for name in names:
            values = [finding[name] for finding, windows in group if windows]
            weights = [windows for _, windows in group if windows]
            undefined = total == 0 or any(value is None for value in values)
            mean[name] = None if undefined else float(np.average(values, weights=weights))
        means.append(mean)
    return means
