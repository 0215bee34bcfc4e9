"""Errors of stored forecasts by step, by time and by size, their autocorrelation, and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

_MOST_STEPS, _TIME_BINS, _RESIDUAL_BINS, _PROBABILITY_BINS = 120, 48, 40, 20
_LAGS, _LEAST_PAIRS = 36, 10
# Series whose residuals the mean autocorrelation is of.
_MOST_SERIES = 500

Columns = list[np.ndarray]


@dataclass(frozen=True)
class ForecastErrors:
    """Forecasts of one target, whose errors are described; x and one array a line for each chart.

    Attributes:
        rows: predictions of a run, of one series or several, those of a series in order of origin.
        forecasts: columns of the network's forecast and the baselines', the network first.
        levels: levels of the intervals, as in the names of their columns.
        is_probability: whether forecasts are probabilities, whose errors are squared (Brier score).
        relative: whether errors are divided by the mean error of the naive forecast of their series.
    """

    rows: pd.DataFrame
    forecasts: Sequence[str]
    levels: Sequence[str]
    is_probability: bool = False
    relative: bool = False

    @cached_property
    def _truth(self) -> np.ndarray:
        return self.rows["truth"].to_numpy(np.float64)

    @cached_property
    def _series(self) -> np.ndarray:
        """Number of each row's series, ``(n,)``."""
        codes: np.ndarray = pd.factorize(self.rows["series"])[0]
        return codes

    @cached_property
    def _scale(self) -> np.ndarray:
        """What the errors of each row are divided by, ``(n,)``; NaN where the naive error is 0."""
        if not self.relative or "last_value" not in self.rows:
            return np.ones(len(self.rows))
        naive = np.abs(self._truth - self.rows["last_value"].to_numpy(np.float64))
        defined = ~np.isnan(naive)
        count = np.bincount(self._series[defined])
        total = np.bincount(self._series[defined], naive[defined], len(count))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(total > 0, total / count, np.nan)
        short = self._series.max(initial=0) + 1 - len(mean)
        found: np.ndarray = np.append(mean, np.full(max(short, 0), np.nan))[self._series]
        return found

    @cached_property
    def _residuals(self) -> np.ndarray:
        """Truth minus forecast of the network, scaled, ``(n,)``."""
        forecast = self.rows[self.forecasts[0]].to_numpy(np.float64)
        residuals: np.ndarray = (self._truth - forecast) / self._scale
        return residuals

    @cached_property
    def _errors(self) -> Columns:
        """Absolute or squared errors of each forecast, scaled, ``(n,)`` each."""
        found = []
        for name in self.forecasts:
            distance = np.abs(self._truth - self.rows[name].to_numpy(np.float64))
            found.append(distance**2 if self.is_probability else distance / self._scale)
        return found

    def _means(self, groups: np.ndarray, count: int) -> Columns:
        """Mean of each forecast's errors by group, NaN for an empty one."""
        found = []
        for errors in self._errors:
            defined = ~np.isnan(errors)
            number = np.bincount(groups[defined], minlength=count)
            total = np.bincount(groups[defined], errors[defined], count)
            found.append(np.where(number > 0, total / np.maximum(number, 1), np.nan))
        return found

    @cached_property
    def _steps(self) -> np.ndarray:
        """Number of each row's step, from 0, ``(n,)``."""
        steps: np.ndarray = self.rows["step"].to_numpy(np.int64) - 1
        return steps

    @property
    def _shown_steps(self) -> np.ndarray:
        count = int(self._steps.max(initial=0)) + 1
        return np.unique(np.linspace(0, count - 1, min(count, _MOST_STEPS)).round().astype(int))

    def by_step(self) -> Columns:
        """Step, and mean error of each forecast."""
        shown = self._shown_steps
        return [shown + 1.0, *(m[shown] for m in self._means(self._steps, shown[-1] + 1))]

    def by_time(self) -> tuple[np.ndarray, Columns]:
        """Times in microseconds, rising, and the mean error of each forecast whose origin is near."""
        origin = micros(self.rows["origin"])
        first, last = (origin.min(), origin.max()) if len(origin) else (0, 0)
        count = min(_TIME_BINS, len(np.unique(origin)))
        width = max((last - first) / max(count, 1), 1)
        bins = np.minimum((origin - first) // width, max(count - 1, 0)).astype(np.int64)
        used = np.unique(bins)
        middle = first + ((used + 0.5) * width).astype(np.int64) if count > 1 else origin[:1]
        return middle, [means[used] for means in self._means(bins, max(count, 1))]

    def residuals(self) -> Columns:
        """Middle of each bin, and the share of residuals in it; the outer bins hold those beyond."""
        found = self._residuals[~np.isnan(self._residuals)]
        if not len(found):
            return []
        reach = float(np.quantile(np.abs(found), 0.995)) or 1.0
        edges = np.linspace(-reach, reach, _RESIDUAL_BINS + 1)
        counts = np.histogram(np.clip(found, -reach, reach), edges)[0]
        return [(edges[:-1] + edges[1:]) / 2, counts / len(found)]

    def probabilities(self) -> Columns:
        """Middle of each bin, and the share of forecasts in it for observed labels 1 and 0."""
        edges = np.linspace(0, 1, _PROBABILITY_BINS + 1)
        forecast = self.rows[self.forecasts[0]].to_numpy(np.float64)
        shares = []
        for label in (1, 0):
            counts = np.histogram(forecast[self._truth == label], edges)[0]
            shares.append(counts / max(counts.sum(), 1))
        return [(edges[:-1] + edges[1:]) / 2, *shares]

    def autocorrelation(self) -> Columns:
        """Lag in forecasts, mean autocorrelation of the residuals one step ahead, and its 95 % bounds.

        The bounds are those of white noise, 1.96 divided by the root of the number of residuals of a
        series (Box and Jenkins, "Time Series Analysis", section 2.1.6).
        """
        first = np.flatnonzero((self._steps == 0) & ~np.isnan(self._residuals))
        series = self._series[first]
        order = np.argsort(series, kind="stable")
        parts = np.split(self._residuals[first][order], np.flatnonzero(np.diff(series[order])) + 1)
        long = [part for part in parts if len(part) > _LEAST_PAIRS][:_MOST_SERIES]
        if not long:
            return []
        lags = np.arange(1, min(_LAGS, max(map(len, long)) - _LEAST_PAIRS // 2) + 1)
        found = np.array([_autocorrelation(part, lags) for part in long])
        defined = (~np.isnan(found)).sum(axis=0)
        means = np.where(defined > 0, np.nansum(found, axis=0) / np.maximum(defined, 1), np.nan)
        bound = np.full(len(lags), 1.96 / np.sqrt(np.median([len(part) for part in long])))
        return [lags.astype(float), means, bound, -bound]

    def coverage(self) -> Columns:
        """Step, and for each level the share of observed values within the interval, and the level."""
        shown = self._shown_steps
        found: Columns = [shown + 1.0]
        for level in self.levels:
            lower, upper = (
                self.rows[f"{end}_{level}"].to_numpy(np.float64) for end in ("lower", "upper")
            )
            defined = ~np.isnan(lower + upper + self._truth)
            inside = (lower <= self._truth) & (self._truth <= upper)
            number = np.bincount(self._steps[defined], minlength=shown[-1] + 1)
            total = np.bincount(self._steps[defined], inside[defined], len(number))
            share = np.where(number > 0, total / np.maximum(number, 1), np.nan)
            found += [share[shown], np.full(len(shown), float(level))]
        return found


def micros(times: pd.Series) -> np.ndarray:
    """Times as microseconds since 1970, ``(n,)``; numbers of rows as they are."""
    if pd.api.types.is_numeric_dtype(times):
        return times.to_numpy(np.int64)
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        times = times.dt.tz_convert(None)
    found: np.ndarray = times.to_numpy("datetime64[us]").astype(np.int64)
    return found


def _autocorrelation(values: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Autocorrelation at some lags; NaN where the values are constant or too few."""
    centred = values - values.mean()
    total = float(centred @ centred)
    return np.array(
        [
            centred[lag:] @ centred[:-lag] / total
            if total > 0 and lag + _LEAST_PAIRS // 2 <= len(values)
            else np.nan
            for lag in lags
        ]
    )
