"""Weights by which the series of a panel count alike in the loss, whatever their size.

Each series weighs by one over its own naive error. With the loss 'mae' the training then minimises the
mean absolute scaled error (MASE; Hyndman and Koehler 2006, "Another look at measures of forecast
accuracy") with the naive forecast of one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fastlstm.errors import ConfigError, DataError
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.source import Windows, WindowSource


@dataclass(frozen=True)
class SeriesChanges:
    """Changes of the target from one season to the next, by series.

    Attributes:
        total: sum of the absolute changes of each series that has any.
        number: their number.
        windows: number of windows of every series.
    """

    total: dict[str, float]
    number: dict[str, int]
    windows: dict[str, int]

    @property
    def errors(self) -> dict[str, float]:
        """The naive error, a mean change, of each series that has one above 0."""
        means = {name: total / self.number[name] for name, total in self.total.items()}
        return {name: mean for name, mean in means.items() if mean > 0}


def naive_errors(parts: Callable[[], Iterable[Windows]], season: int = 1) -> SeriesChanges:
    """Absolute changes of the target from one season to the next, by series.

    Args:
        parts: gives windows with targets ``(n, steps_ahead, 1)``, sorted by series and time, all or some
            at a time. The first target row of each counts; windows with a gap between them are not
            compared.
        season: rows in a season; 1 for the change from row to row.
    """
    gaps = [gap for pairs in _pairs(parts(), season) if (gap := pairs.least_gap) is not None]
    total: dict[str, float] = {}
    number: Counter[str] = Counter()
    windows: Counter[str] = Counter()
    for pairs in _pairs(parts(), season):
        windows.update(pairs.windows)
        if gaps:
            names, changes = pairs.changes(min(gaps))
            labels, code = np.unique(names, return_inverse=True)
            sums, counts = np.bincount(code, changes), np.bincount(code)
            for label, of_label, count in zip(labels.tolist(), sums, counts, strict=True):
                total[label] = total.get(label, 0.0) + float(of_label)
                number[label] += int(count)
    return SeriesChanges(total, dict(number), dict(windows))


@dataclass(frozen=True)
class _Pairs:
    """Windows and those one season before them.

    Attributes:
        series: of the later windows, ``(n,)``.
        gap: between their first target rows, microseconds; that of windows of two series is below 0.
        change: of the target, absolute, ``(n,)``.
        windows: number of windows of each series.
    """

    series: np.ndarray
    gap: np.ndarray
    change: np.ndarray
    windows: dict[str, int]

    @property
    def least_gap(self) -> int | None:
        """The least gap of windows of one series; None without any."""
        gap = self.gap[self.gap >= 0]
        return int(gap.min()) if len(gap) else None

    def changes(self, gap: int) -> tuple[np.ndarray, np.ndarray]:
        """Series and change of the windows with this gap."""
        adjacent = self.gap == gap
        return self.series[adjacent].astype(str), self.change[adjacent]


def _pairs(parts: Iterable[Windows], season: int) -> Iterator[_Pairs]:
    """Windows and those a season before, which may lie in an earlier part."""
    before: Windows | None = None
    for part in parts:
        first = part.y[:, 0, 0].astype(np.float64)
        series, origin = part.series, part.origin
        names, counts = np.unique(series.astype(str), return_counts=True)
        windows = dict(zip(names.tolist(), counts.tolist(), strict=True))
        if before is not None:
            series = np.concatenate([before.series, series])
            origin = np.concatenate([before.origin, origin])
            first = np.concatenate([before.y[:, 0, 0].astype(np.float64), first])
        gap = (origin[season:] - origin[:-season]).astype(np.int64)
        gap = np.where(series[season:] == series[:-season], gap, -1)
        yield _Pairs(series[season:], gap, np.abs(first[season:] - first[:-season]), windows)
        kept = slice(max(0, len(first) - season), None)
        y = first[kept].reshape(-1, 1, 1)
        before = Windows(series[kept], origin[kept], np.zeros((0, 0, 0), np.float32), y)


def weight_of_series(dataset: WindowSource) -> dict[str, float]:
    """One over the naive error of each series, from the train windows alone.

    The weights average to 1 over the train windows, so that a learning rate means the same with and
    without them.

    Args:
        dataset: the windows.

    Returns:
        The weight of each series that has a naive error above 0.

    Raises:
        ConfigError: there are several targets.
        DataError: no series has a naive error above 0.
    """
    targets = dataset.manifest["targets"]
    if len(targets) > 1:
        raise ConfigError(
            f"loss_scaling: 'mase' is for one target, found {len(targets)}; train a model for each, "
            "or use 'none'"
        )

    def parts() -> Iterable[Windows]:
        if isinstance(dataset, DrawnWindows):
            return dataset.read_parts("train", ("y",))
        return [dataset.read("train", columns=("y",))]

    season = dataset.manifest.get("season") or 1
    changes = naive_errors(parts, season)
    if season > 1 and not changes.errors:
        changes = naive_errors(parts)
    inverse = {name: 1 / error for name, error in changes.errors.items()}
    if not inverse:
        raise DataError(
            "loss_scaling: 'mase' finds no series whose target changes in the train windows; use "
            "'none', or give rows that change"
        )
    windows = np.array([changes.windows[name] for name in inverse])
    mean = float(np.average(list(inverse.values()), weights=windows))
    return {name: weight / mean for name, weight in inverse.items()}


def series_weights(weight_by_name: Mapping[str, float], series: np.ndarray) -> np.ndarray:
    """Weight of each window by its series, float32 ``(n,)``.

    A series without a weight (new after train, or constant in it) has the average one, which is 1.

    Args:
        weight_by_name: weight of each series; see ``weight_of_series``.
        series: series of each window, ``(n,)``.
    """
    weights = _by_window(weight_by_name, series)
    return np.where(np.isnan(weights), 1.0, weights).astype(np.float32)


def _by_window(value_by_name: Mapping[str, float], series: np.ndarray) -> np.ndarray:
    """The value of each window's series, NaN where it has none, ``(n,)``."""
    names, code = np.unique(series.astype(str), return_inverse=True)
    values = np.array([value_by_name.get(str(name), np.nan) for name in names])
    return np.asarray(values[code])
