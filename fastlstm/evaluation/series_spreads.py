"""By how much the errors of each series spread, so that intervals of a panel fit every series.

Series of a panel differ in size and in how well they can be forecast. Their scores are divided by the
spread of their series before they are pooled, and half-widths are multiplied by it (locally weighted
conformal prediction: Lei et al. 2018, section 5.2; Johansson et al. 2014, "Regression conformal
prediction with random forests").

The spread is the mean absolute error of a series on validation windows. A series has few of them that
do not overlap, so the ratio of this error to the scale of the series is shrunk, as a logarithm, towards
that of the panel (empirical Bayes: Efron and Morris 1975, "Data Analysis Using Stein's Estimator and its
Generalizations"). A series that is new has its scale times the typical ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fastlstm.data.scaling import Scalers
from fastlstm.data.stored_tables import Kind, StoredTable
from fastlstm.data.tables import write_table
from fastlstm.errors import StoreError

# Squared coefficient of variation of one absolute normal error; the variance of the logarithm of a mean
# of such errors is about this divided by their number.
_OF_ONE_ERROR = np.pi / 2 - 1

# A series may have no errors at all. Its forecasts count as if so many more had had the panel's median
# error (Jeffreys' prior of a rate counts as half an observation).
_PRIOR_FORECASTS = 0.5


@dataclass(frozen=True)
class SeriesSpreads:
    """The spread of the errors of each series, by target.

    Attributes:
        labels: the series that had validation windows, rising, ``(n_series,)``.
        targets: target names.
        values: in the targets' units, ``(n_series, n_targets)``, above 0.
        typical_ratio: of the error of a series to its scale, ``(n_targets,)``.
    """

    labels: np.ndarray
    targets: list[str]
    values: np.ndarray
    typical_ratio: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[SeriesSpreads]) -> SeriesSpreads:
        """Those of the series of all shards, each shrunk towards the series of its shard.

        The typical ratio is the geometric mean over all series, as it is within a shard.
        """
        labels = np.concatenate([part.labels for part in parts])
        values = np.concatenate([part.values for part in parts])
        order = np.argsort(labels)
        sizes = [len(part.labels) for part in parts]
        logarithms = [np.log(part.typical_ratio) for part in parts]
        typical = np.exp(np.average(logarithms, axis=0, weights=sizes))
        return cls(labels[order], parts[0].targets, values[order], typical)

    def of(self, series: np.ndarray, scalers: Scalers) -> np.ndarray:
        """Spreads of some windows by the series they are of, ``(n, n_targets)``.

        Args:
            series: label of each window's series, ``(n,)``.
            scalers: with the scales of all these series.

        Raises:
            StoreError: a series has neither a spread nor a scale.
        """
        codes, names = pd.factorize(np.asarray(series, str))
        names = np.asarray(names, str)
        spreads = np.empty((len(names), len(self.targets)))
        known = np.isin(names, self.labels)
        spreads[known] = self.values[np.searchsorted(self.labels, names[known])]
        scales = series_scales(scalers, self.targets, names[~known])
        if scales is None:
            raise StoreError("the run has spreads of series and no scales; copy the run again")
        spreads[~known] = self.typical_ratio * scales
        of_windows: np.ndarray = spreads[codes]
        return of_windows


def series_scales(scalers: Scalers, targets: list[str], series: np.ndarray) -> np.ndarray | None:
    """Scales of the targets of some series, ``(n, n_targets)``; None where series have none.

    Args:
        scalers: with the scales of these series.
        targets: target names.
        series: labels, ``(n,)``.
    """
    scales = scalers.series
    if scales is None or any(target not in scales for target in targets):
        return None
    of_series: np.ndarray = scales.of(targets, scales.rows_of(series))[1]
    return of_series


@dataclass(frozen=True)
class ErrorRatios:
    """Mean absolute errors of validation windows, divided by the scale of their series.

    Attributes:
        values: mean over steps, ``(n, n_targets)``, NaN where a forecast is undefined.
        rows: first target row of each window in a table sorted by series and time, ``(n,)``.
        series: label of each window's series, ``(n,)``.
        span: rows that the truth of a window depends on.
        steps: forecasts of a window.
    """

    values: np.ndarray
    rows: np.ndarray
    series: np.ndarray
    span: int
    steps: int


def fit_spreads(
    ratios: ErrorRatios, scales: np.ndarray, targets: list[str]
) -> tuple[SeriesSpreads, np.ndarray]:
    """Spread of each series, and of each window by the windows that do not overlap it.

    A score is divided by a spread that its own error is no part of: else scores of validation would be
    smaller than those of later windows (leave-one-out residuals: Barber et al. 2021, "Predictive
    Inference with the Jackknife+"). For both to be alike, a series' own error counts as if it came
    from one window fewer, since each window's spread lacks about one.

    Args:
        ratios: of validation windows.
        scales: of each window's series, ``(n, n_targets)``.
        targets: target names.

    Returns:
        The spreads of the series that have a defined error, and those of each window,
        ``(n, n_targets)``.
    """
    order = np.argsort(ratios.rows, kind="stable")
    codes, labels = pd.factorize(ratios.series[order])
    rows, values = ratios.rows[order], ratios.values[order]
    of_series, of_others = _series_means(codes, rows, values, ratios.span)
    median, steps = _typical(of_series.mean), ratios.steps
    own = np.log(np.maximum(of_series.mean, _least(median, steps * of_series.count)))
    others = np.log(np.maximum(of_others.mean, _least(median, steps * of_others.count)))
    each = np.log(np.maximum(values, _least(median, np.full((len(values), 1), steps))))
    of_window, between = _variances(own, of_series.count, others, of_others.count, each, codes)
    typical = _mean(own)
    fewer = of_series.count - 1
    shrunk = typical + _weight(fewer, of_window, between) * np.nan_to_num(own - typical)
    weight = _weight(of_others.count, of_window, between)
    left_out = typical + weight * np.nan_to_num(others - typical)
    names = np.asarray(labels, str)
    ranks = np.argsort(names)
    first = np.unique(codes, return_index=True)[1]
    of_labels = np.exp(shrunk) * scales[order][first]
    spreads = SeriesSpreads(names[ranks], targets, of_labels[ranks], np.exp(typical))
    of_windows = np.empty(values.shape)
    of_windows[order] = np.exp(left_out) * scales[order]
    return spreads, of_windows


@dataclass(frozen=True)
class _Means:
    """Mean ratios of some sets of windows, ``(n_sets, n_targets)``, and how many windows that do not
    overlap each set amounts to, ``(n_sets, 1)``."""

    mean: np.ndarray
    count: np.ndarray


def _series_means(
    codes: np.ndarray, rows: np.ndarray, values: np.ndarray, span: int
) -> tuple[_Means, _Means]:
    """Of each series all windows, and of each window those of its series that do not overlap it.

    Args:
        codes: number of each window's series, rising, ``(n,)``.
        rows: first target row of each window, rising, ``(n,)``.
        values: ratios, ``(n, n_targets)``.
        span: rows of a window.
    """
    first = np.searchsorted(codes, codes)
    end = np.searchsorted(codes, codes, side="right")
    before = np.maximum(np.searchsorted(rows, rows - span, side="right"), first)
    after = np.minimum(np.searchsorted(rows, rows + span), end)
    starts = np.unique(first)
    ends = np.r_[starts[1:], len(rows)].astype(int)
    of_series = _between(rows, values, span, [(starts, ends)])
    return of_series, _between(rows, values, span, [(first, before), (after, end)])


def _between(
    rows: np.ndarray, values: np.ndarray, span: int, ranges: list[tuple[np.ndarray, np.ndarray]]
) -> _Means:
    """Means over unions of ranges of windows; for the arguments see ``_series_means``."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(np.nan_to_num(values), 0)])
    defined = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(~np.isnan(values), 0)])
    shape = (len(ranges[0][0]), values.shape[1])
    total, number, count = np.zeros(shape), np.zeros(shape), np.zeros((shape[0], 1))
    for begin, end in ranges:
        total += sums[end] - sums[begin]
        number += defined[end] - defined[begin]
        last = np.maximum(end - 1, 0)
        covered = rows[last] - rows[np.minimum(begin, len(rows) - 1)] + span
        windows = end - begin
        count += np.where(windows > 0, np.minimum(covered / span, windows), 0.0)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Sums of many windows leave rounding of the size of the greatest.
        return _Means(np.maximum(total / number, 0.0), count)


def _variances(
    own: np.ndarray, counts: np.ndarray, others: np.ndarray, other_counts: np.ndarray,
    each: np.ndarray, codes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Variance of the logarithm of one window's mean error, and that between series, ``(n_targets,)``.

    The first is the mean squared difference between a window and those it does not overlap, which has a
    variance of ``1 + 1 / count`` times it. The second is what is left of the variance over series.

    Args:
        own: logarithms of the series' ratios, ``(n_series, n_targets)``.
        counts: windows that each comes from, ``(n_series, 1)``.
        others: those of each window's other windows, ``(n, n_targets)``.
        other_counts: windows that each comes from, ``(n, 1)``.
        each: logarithms of the windows' own ratios, ``(n, n_targets)``.
        codes: number of each window's series, ``(n,)``.
    """
    with np.errstate(divide="ignore"):
        squared = (each - others) ** 2 / (1 + 1 / other_counts)
    by_series = pd.DataFrame(np.where(other_counts > 0, squared, np.nan)).groupby(codes).mean()
    of_window = _mean(by_series.to_numpy())
    of_window = np.where(np.isnan(of_window), _OF_ONE_ERROR, of_window)
    from_windows = of_window * _mean(np.broadcast_to(1 / counts, own.shape))
    over_series = _mean((own - _mean(own)) ** 2)
    return of_window, np.maximum(np.nan_to_num(over_series - from_windows), 0.0)


def _least(median: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The least ratio that so many forecasts can show, ``(n, n_targets)``: that of none with an error.

    Args:
        median: of the panel's ratios, ``(n_targets,)``.
        counts: forecasts of windows that do not overlap, ``(n, 1)``.
    """
    least: np.ndarray = median * _PRIOR_FORECASTS / (counts + _PRIOR_FORECASTS)
    return least


def _weight(counts: np.ndarray, of_window: np.ndarray, between: np.ndarray) -> np.ndarray:
    """How far a series' own error is trusted, 0 to 1, with so many windows; see ``_variances``."""
    counts = np.maximum(counts, 0.0)
    trusted = counts * between
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = trusted / (trusted + of_window)
    return np.where(trusted > 0, weight, 0.0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of the defined values of each target, ``(n_targets,)``; NaN where there are none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)
    return mean


def _typical(ratios: np.ndarray) -> np.ndarray:
    """Median of the ratios above 0 of each target, ``(n_targets,)``; 1 where there are none."""
    return np.array(
        [np.median(of_target[of_target > 0]) if (of_target > 0).any() else 1.0
         for of_target in ratios.T]
    )  # fmt: skip


_COLUMNS = {
    "series": Kind.TEXT, "target": Kind.TEXT, "spread": Kind.NUMBER, "typical_ratio": Kind.NUMBER,
}  # fmt: skip


def write_spreads(spreads: SeriesSpreads, file: Path) -> None:
    """Write as Parquet: ``series, target, spread, typical_ratio``."""
    count, targets = spreads.values.shape
    frame = pd.DataFrame(
        {
            "series": np.repeat(spreads.labels, targets).astype(str),
            "target": np.tile(np.asarray(spreads.targets, str), count),
            "spread": spreads.values.ravel(),
            "typical_ratio": np.tile(spreads.typical_ratio, count),
        }
    )
    write_table(frame, file)


def read_spreads(file: Path, targets: list[str]) -> SeriesSpreads:
    """Read what ``write_spreads`` wrote.

    Raises:
        StoreError: the file holds something else.
    """
    frame = StoredTable(file, _COLUMNS).whole()
    try:
        spreads, ratios = (
            frame[name].to_numpy(np.float64).reshape(-1, len(targets))
            for name in ("spread", "typical_ratio")
        )
        labels = frame["series"].to_numpy(str)[:: len(targets)]
        if (labels[1:] <= labels[:-1]).any() or frame["series"].tolist() != np.repeat(
            labels, len(targets)
        ).tolist():
            raise ValueError("its series are in no order")
        if frame["target"].tolist() != [*targets] * len(labels):
            raise ValueError("it is of other targets")
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{file}: holds no spreads of {targets} ({error})") from None
    values = np.concatenate([spreads.ravel(), ratios.ravel()])
    if not (len(labels) and (values > 0).all() and np.isfinite(values).all()):
        raise StoreError(f"{file}: has a spread that is not above 0; copy the run again")
    return SeriesSpreads(labels, targets, spreads, ratios[0])
