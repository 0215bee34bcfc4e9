"""Whether train rows have a season: sums over single series and times, which can be merged.

A season of ``m`` rows is found by the autocorrelation at lag ``m`` of the series without its trend, as
in the test of M4's Naive2 benchmark (Makridakis, Spiliotis and Assimakopoulos 2020, "The M4
Competition"). The trend is a moving average over one season, centred (Hyndman and Athanasopoulos,
"Forecasting: Principles and Practice", 3rd ed., section 3.4). For white noise, a random walk, and a
random walk with a random drift, what remains at ``t`` and at ``t - m`` depends on different shocks, so
that a trend neither hides a season nor looks like one. Shorter seasons are averaged out before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

# A season must be significant at 1%, one-sided, and explain a twentieth of the variance without trend,
# since in millions of rows any difference is significant.
_CRITICAL = 2.326
_LEAST_AUTOCORRELATION = 0.05
# M4's test needs three seasons too: two to compare, one for the moving average.
_LEAST_SEASONS = 3
_MOST_LAGS = 8  # lags at which the autocorrelation of the noise is computed
_MOST_STEPS = 4  # steps ahead at which naive forecasts are compared
_CHUNK_ROWS = 1 << 19
_MOST_ROWS = 1 << 21  # of one series, its latest ones
_RATIO_LIMIT = 1e3  # of one series' relative error


@dataclass(frozen=True)
class SeasonEvidence:
    """What the train rows say about one candidate; each series and target counts alike.

    Attributes:
        rows: rows of the season.
        series: number of series (times targets) that are long enough to be tested.
        autocorrelation: mean over them at lag ``rows``, without trend and shorter seasons; None where
            there are none.
        bound: what ``autocorrelation`` must exceed to be significant (1%).
        share: of the series that are significant by themselves.
        relative_error: mean absolute error of the seasonal naive over that of the naive (last value)
            forecast over the horizon, geometric mean over series; None where undefined.
    """

    rows: int
    series: int = 0
    autocorrelation: float | None = None
    bound: float | None = None
    share: float | None = None
    relative_error: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether the season is found."""
        if self.autocorrelation is None or self.bound is None:
            return False
        return self.autocorrelation > max(self.bound, _LEAST_AUTOCORRELATION)


def chunks(series: np.ndarray, block: np.ndarray, known: np.ndarray) -> Iterator[slice]:
    """Slices of whole series, some 500,000 rows each; of a very long series the latest known rows."""
    if not len(series):
        return
    starts = np.concatenate([[0], np.flatnonzero(series[1:] != series[:-1]) + 1])
    ends = np.append(starts[1:], len(series))
    begin = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start > _MOST_ROWS:
            if start > begin:
                yield slice(begin, start)
            last = start + int(np.flatnonzero(known[start:end])[-1:].sum()) + 1
            yield slice(max(start, last - _MOST_ROWS), last)
            begin = end
        elif end - begin >= _CHUNK_ROWS:
            yield slice(begin, end)
            begin = end
    if begin < len(series):
        yield slice(begin, len(series))


@dataclass(frozen=True)
class SeriesChunk:
    """Known values of some whole series, each centred and scaled by itself.

    Attributes:
        values: float64 ``(n,)``.
        code: number of each row's series in the chunk, ``(n,)``.
        series: number of series.
        times: time of each row, ``(n,)``.
        block: number of each row's contiguous block of known values, ``(n,)``.
        total: sum of the values before each row, ``(n + 1,)``.
        longest: rows of the longest block.
    """

    values: np.ndarray
    code: np.ndarray
    series: int
    times: np.ndarray
    block: np.ndarray
    total: np.ndarray
    longest: int

    @classmethod
    def of(
        cls, values: np.ndarray, series: np.ndarray, times: np.ndarray, block: np.ndarray,
        known: np.ndarray,
    ) -> SeriesChunk:  # fmt: skip
        """From rows sorted by series and time; unknown values end a block."""
        rows = np.flatnonzero(known)
        values, block = values[rows].astype(np.float64), block[rows]
        changes = np.diff(rows, prepend=-2) != 1
        changes[1:] |= block[1:] != block[:-1]
        numbers = np.cumsum(changes) - 1
        of_series = series[rows]
        begins = np.ones(len(rows), bool)
        begins[1:] = of_series[1:] != of_series[:-1]
        code = np.cumsum(begins) - 1
        count = int(begins.sum())
        sizes = np.bincount(code, minlength=count)
        values -= (np.bincount(code, values, count) / np.maximum(sizes, 1))[code]
        scale = np.sqrt(np.bincount(code, values**2, count) / np.maximum(sizes, 1))
        values /= np.where(scale > 0, scale, 1.0)[code]
        return cls(
            values, code, count, times[rows], numbers, np.concatenate([[0.0], np.cumsum(values)]),
            int(np.bincount(numbers).max(initial=0)),
        )  # fmt: skip

    def moving_average(self, length: int, begin: int, end: int) -> np.ndarray:
        """Means over ``length`` rows centred at the rows ``begin`` to ``end``, whatever their block.

        With an even length the first and the last of ``length + 1`` rows count half (a 2 x m moving
        average), so that the mean has no shift in time.
        """
        half = length // 2

        shifts = (1,) if length % 2 else (0, 1)
        mean = np.zeros(end - begin)
        for first in (begin + half + shift - length for shift in shifts):
            after = first + length
            mean += self.total[after : after + len(mean)] - self.total[first : first + len(mean)]
        return mean / (length * len(shifts))


class SeasonSums:
    """Sums over series and times that decide about one season.

    Args:
        season: rows of the season, m.
        inner: rows of the shorter season that is averaged out, 1 for none.
        steps_ahead: steps to forecast.
        lookahead: rows after its own that a target's value depends on.
    """

    def __init__(self, season: int, inner: int, steps_ahead: int, lookahead: int) -> None:
        self.season, self._inner = season, inner
        steps = np.linspace(1, steps_ahead, min(steps_ahead, _MOST_STEPS)).round().astype(int)
        self._naive_lags = (steps + lookahead).tolist()
        self._noise_lags = np.unique(
            np.geomspace(1, max(1, season // 2), _MOST_LAGS).round().astype(int)
        )
        self._series = self._significant = self._compared = 0
        self._autocorrelation = self._spread = self._log_error = 0.0
        self._times: np.ndarray = np.zeros(0, np.int64)
        self._at_time: np.ndarray = np.zeros(0)

    def merge(self, other: SeasonSums) -> None:
        """Add the sums over other series."""
        self._series += other._series
        self._significant += other._significant
        self._compared += other._compared
        self._autocorrelation += other._autocorrelation
        self._spread += other._spread
        self._log_error += other._log_error
        self._add_times(other._times, other._at_time)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The sums as arrays by name."""
        return {
            "counts": np.array([self._series, self._significant, self._compared], np.int64),
            "totals": np.array([self._autocorrelation, self._spread, self._log_error]),
            "times": self._times,
            "at_time": self._at_time,
        }

    def add_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add what ``to_arrays`` gave of other series."""
        other = SeasonSums(self.season, self._inner, 1, 0)
        other._series, other._significant, other._compared = map(int, arrays["counts"])
        other._autocorrelation, other._spread, other._log_error = map(float, arrays["totals"])
        other._times, other._at_time = arrays["times"], arrays["at_time"]
        self.merge(other)

    def add(self, chunk: SeriesChunk) -> None:
        """Add whole series."""
        if chunk.longest <= 2 * self.season:
            return
        self._add_autocorrelation(chunk)
        self._add_errors(chunk)

    def evidence(self) -> SeasonEvidence:
        """What the sums say.

        The sum over times of what all series have there gives the variance of the mean, so that series
        that move together count as few. The noise's own autocorrelation widens it (Bartlett 1946).
        """
        error = None
        if self._compared:
            error = float(np.exp(self._log_error / self._compared))
        if not self._series:
            return SeasonEvidence(self.season, relative_error=error)
        count = self._series
        variance = self._spread / count * float(np.sum(self._at_time**2)) / count**2
        return SeasonEvidence(
            self.season,
            count,
            self._autocorrelation / count,
            _CRITICAL * float(np.sqrt(variance)),
            self._significant / count,
            error,
        )

    def _add_autocorrelation(self, chunk: SeriesChunk) -> None:
        """Add the products of the rows that are one season apart, without trend."""
        m, half, n = self.season, self.season // 2, len(chunk.values)
        inner = self._inner
        level = chunk.values[half : n - half]
        if inner > 1:
            level = chunk.moving_average(inner, half, n - half)
        detrended = level - chunk.moving_average(m, half, n - half)
        whole = chunk.block[: n - m - 2 * half] == chunk.block[m + 2 * half :]
        pairs = np.flatnonzero(whole)  # position of the earlier row in ``detrended``
        code = chunk.code[pairs + half]
        enough = np.bincount(code, minlength=chunk.series) >= (_LEAST_SEASONS - 2) * m
        pairs, code = pairs[enough[code]], code[enough[code]]
        before, after = detrended[pairs], detrended[pairs + m]
        power = np.bincount(code, before**2 + after**2, chunk.series) / 2
        # What rounding leaves of a constant series is no season.
        tested = power > 1e-12 * np.maximum(np.bincount(code, minlength=chunk.series), 1)
        if not tested.any():
            return
        power = np.where(tested, power, np.inf)
        products = before * after / power[code]
        correlation = np.bincount(code, products, chunk.series)
        widening = self._widening(before - after, code, chunk.block[pairs + half], chunk.series)
        own = np.sqrt(widening * np.bincount(code, products**2, chunk.series))
        self._series += int(tested.sum())
        self._significant += int((correlation > _CRITICAL * own)[tested].sum())
        self._autocorrelation += float(correlation[tested].sum())
        self._spread += float(widening[tested].sum())
        self._add_times(chunk.times[pairs + half + m], products)

    def _widening(
        self, noise: np.ndarray, code: np.ndarray, block: np.ndarray, series: int
    ) -> np.ndarray:
        """Bartlett's factor 1 + 2 Σ r² of each series, ``(series,)``.

        The seasonal difference has no season, so its autocorrelation r up to half a season is that of
        the noise. It is interpolated between some lags.
        """
        power = np.bincount(code, noise**2, series)
        found = []
        for lag in self._noise_lags.tolist():
            same = block[lag:] == block[:-lag]
            product = np.where(same, noise[lag:] * noise[:-lag], 0.0)
            found.append(np.bincount(code[lag:], product, series))
        r = np.array(found) / np.where(power > 0, power, np.inf)
        lags = np.arange(1, self._noise_lags[-1] + 1)
        right = np.minimum(np.searchsorted(self._noise_lags, lags), len(self._noise_lags) - 1)
        left = np.maximum(right - 1, 0)
        gap = np.maximum(self._noise_lags[right] - self._noise_lags[left], 1)
        weight = np.where(left == right, 1.0, (lags - self._noise_lags[left]) / gap)
        total = np.ones(series)
        for near, far, share in zip(left, right, weight, strict=True):
            total += 2 * ((1 - share) * r[near] + share * r[far]) ** 2
        return total

    def _add_times(self, times: np.ndarray, values: np.ndarray) -> None:
        """Add values at times, in any order."""
        times, values = _by_time(times, values)
        if np.array_equal(times, self._times):
            self._at_time = self._at_time + values
            return
        self._times, self._at_time = _by_time(
            np.concatenate([self._times, times]), np.concatenate([self._at_time, values])
        )

    def _add_errors(self, chunk: SeriesChunk) -> None:
        """Add the relative error of the seasonal naive forecast of each series."""
        m = self.season
        lags = [(m * -(-lag // m), lag) for lag in self._naive_lags]
        longest = max(seasonal for seasonal, _ in lags)
        values, n = chunk.values, len(chunk.values)
        if chunk.longest <= longest:
            return
        rows = np.flatnonzero(chunk.block[longest:] == chunk.block[: n - longest]) + longest
        code, last = chunk.code[rows], values[rows]
        seasonal_error, naive_error = np.zeros(chunk.series), np.zeros(chunk.series)
        for seasonal, naive in lags:
            seasonal_error += np.bincount(
                code, np.abs(last - values[rows - seasonal]), chunk.series
            )
            naive_error += np.bincount(code, np.abs(last - values[rows - naive]), chunk.series)
        defined = naive_error > 0
        ratio = seasonal_error[defined] / naive_error[defined]
        self._compared += int(defined.sum())
        self._log_error += float(np.log(np.clip(ratio, 1 / _RATIO_LIMIT, _RATIO_LIMIT)).sum())


def _by_time(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each time once, rising, with the sum of its values."""
    if (np.diff(times) > 0).all():
        return times, values
    distinct, position = np.unique(times, return_inverse=True)
    return distinct, np.bincount(position, values, len(distinct))
