"""Sums of errors by series, step and target, from which every regression metric follows.

A series lies in one shard, so the sums of shards are put below each other, and the metrics of a table of
any size come from sums alone. They equal those of ``fastlstm.evaluation.metrics`` but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.evaluation.groups import Groups
from fastlstm.evaluation.metrics import (
    REGRESSION_METRICS,
    ErrorScales,
    mean_over_series,
)
from fastlstm.evaluation.regression_report import by_label, distribution

_EVERY = slice(None)


@dataclass(frozen=True)
class ErrorTable:
    """Sums over the windows of each series.

    Attributes:
        labels: the series, ``(n_series,)``.
        windows: number of windows of each, ``(n_series,)``.
        sums: by name ``(n_series, steps, n_targets)``: ``absolute`` and ``squared`` errors, ``percent``
            (absolute errors over absolute true values, NaN where one is 0), and of the true values
            ``truth`` and ``truth_squared``, less the series' first one.
        first: the first true value of each series and target, ``(n_series, n_targets)``.
        scales: of the errors of each series.
    """

    labels: np.ndarray
    windows: np.ndarray
    sums: dict[str, np.ndarray]
    first: np.ndarray
    scales: ErrorScales

    @classmethod
    def of(
        cls, truth: np.ndarray, forecast: np.ndarray, series: np.ndarray, scales: ErrorScales
    ) -> ErrorTable:
        """Of the windows of one shard.

        Args:
            truth: ``(n, steps, n_targets)``.
            forecast: same shape.
            series: series of each window, ``(n,)``.
            scales: a row for each window.
        """
        groups, labels = Groups.of(series)
        first = groups.first(truth[:, 0])
        distance = truth - first[groups.code][:, None]
        error = np.abs(forecast - truth)
        with np.errstate(divide="ignore", invalid="ignore"):
            percent = error / np.where(truth == 0, np.nan, np.abs(truth))
        parts = {
            "absolute": error, "squared": error**2, "percent": percent, "truth": distance,
            "truth_squared": distance**2,
        }  # fmt: skip
        shape = (len(labels), *truth.shape[1:])
        sums = {
            name: groups.sums(values.reshape(len(values), -1)).reshape(shape)
            for name, values in parts.items()
        }
        of_series = ErrorScales(groups.first(scales.absolute), groups.first(scales.squared))
        return cls(np.asarray(labels, object), groups.sizes, sums, first, of_series)

    @classmethod
    def joined(cls, parts: Sequence[ErrorTable]) -> ErrorTable:
        """The tables of shards, which share no series, below each other."""
        return cls(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.windows for part in parts]),
            {name: np.concatenate([part.sums[name] for part in parts]) for name in parts[0].sums},
            np.concatenate([part.first for part in parts]),
            ErrorScales(
                np.concatenate([part.scales.absolute for part in parts]),
                np.concatenate([part.scales.squared for part in parts]),
            ),
        )

    def by_series(self, steps: slice = _EVERY, targets: slice = _EVERY) -> dict[str, np.ndarray]:
        """Every metric of each series, ``(n_series,)``; NaN where one is undefined."""
        sums = {name: values[:, steps, targets] for name, values in self.sums.items()}
        values = self.windows * sums["absolute"][0].size if len(self.labels) else self.windows
        scales = self.scales.some(_EVERY, targets)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = {name: total.sum(axis=(1, 2)) / values for name, total in sums.items()}
            return {
                "mae": mean["absolute"],
                "rmse": np.sqrt(mean["squared"]),
                "mape": mean["percent"],
                "r2": _determination(sums, self.windows),
                "mase": self._scaled(sums["absolute"], scales.absolute),
                "rmsse": np.sqrt(self._scaled(sums["squared"], scales.squared)),
            }

    def scores(self, steps: slice = _EVERY, targets: slice = _EVERY) -> dict[str, float | None]:
        """Every metric over all windows; None where one is undefined."""
        if not len(self.labels):
            return dict.fromkeys(REGRESSION_METRICS)
        of_series, pooled = self.by_series(steps, targets), self._pooled.by_series(steps, targets)
        return {
            name: mean_over_series((of_series if metric.mean_over_series else pooled)[name])
            for name, metric in REGRESSION_METRICS.items()
        }

    @property
    def _pooled(self) -> ErrorTable:
        """All windows as those of one series."""
        windows = self.windows[:, None, None]
        # Distances from each series' first value become those from the first series' one.
        shift = (self.first - self.first[0])[:, None]
        sums = {name: values.sum(axis=0)[None] for name, values in self.sums.items()}
        truth = self.sums["truth"]
        sums["truth"] = (truth + windows * shift).sum(axis=0)[None]
        squared = self.sums["truth_squared"] + 2 * shift * truth + windows * shift**2
        sums["truth_squared"] = squared.sum(axis=0)[None]
        undefined = np.full((1, self.first.shape[1]), np.nan)
        return ErrorTable(
            self.labels[:1], self.windows.sum(keepdims=True), sums, self.first[:1],
            ErrorScales(undefined, undefined),
        )  # fmt: skip

    def _scaled(self, sums: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Mean scaled error of each series over the targets that have a scale."""
        of_targets = sums.sum(axis=1) / (self.windows[:, None] * sums.shape[1]) / scales
        defined = ~np.isnan(scales)
        total = np.where(defined, of_targets, 0.0).sum(axis=1)
        return np.where(defined.any(axis=1), total / defined.sum(axis=1), np.nan)


def _determination(sums: dict[str, np.ndarray], windows: np.ndarray) -> np.ndarray:
    """Coefficient of determination of each series; see ``fastlstm.evaluation.metrics``."""
    count = (windows * sums["truth"].shape[1])[:, None]
    total = sums["truth_squared"].sum(axis=1) - sums["truth"].sum(axis=1) ** 2 / count
    # What rounding leaves of a constant truth is no variance.
    total = np.where(total > 1e-12 * sums["truth_squared"].sum(axis=1), total, np.nan)
    means: np.ndarray = (1 - sums["squared"].sum(axis=1) / total).mean(axis=1)
    return means


def report_of(
    tables: dict[str, ErrorTable], on_same: dict[str, ErrorTable], targets: list[str], primary: str
) -> dict[str, Any]:
    """As ``fastlstm.evaluation.regression_report.regression_report`` gives it.

    Args:
        tables: of ``'model'`` and each baseline, on the windows where it is defined.
        on_same: of the model on the windows of each baseline that is not defined everywhere.
        targets: target names.
        primary: key of the metric whose distribution over series is described.
    """

    def scores(steps: slice = _EVERY, of_targets: slice = _EVERY) -> dict[str, Any]:
        return {name: table.scores(steps, of_targets) for name, table in tables.items()}

    overall, model = scores(), tables["model"]
    for name, table in tables.items():
        overall[name]["windows"] = int(table.windows.sum())
        if name in on_same:
            overall[name]["model_on_same_windows"] = on_same[name].scores()
    labels = [str(label) for label in model.labels]
    by_series = {name: _aligned(table, model.labels) for name, table in tables.items()}
    same = {name: _aligned(table, model.labels)[primary] for name, table in on_same.items()}
    own = by_series["model"][primary]
    others = [name for name in tables if name != "model"]
    return {
        "overall": overall,
        "by_step": [
            {"step": k + 1, **scores(slice(k, k + 1))}
            for k in range(model.sums["absolute"].shape[1])
        ],
        "by_target": {name: scores(of_targets=slice(i, i + 1)) for i, name in enumerate(targets)},
        "by_series": by_label(labels, by_series),
        "over_series": distribution(
            own, {name: (same.get(name, own), by_series[name][primary]) for name in others}
        ),
    }


def _aligned(table: ErrorTable, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of a table's series in the order of some labels; NaN where it lacks one."""
    position = {str(label): number for number, label in enumerate(table.labels)}
    rows = np.array([position.get(str(label), -1) for label in labels], np.int64)
    return {
        name: np.where(rows >= 0, values[rows], np.nan)
        if len(values)
        else np.full(len(rows), np.nan)
        for name, values in table.by_series().items()
    }
