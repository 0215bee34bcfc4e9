"""The seasons of a table: those its frequency allows, and those its train rows show.

How a season is found in rows: ``fastlstm.data.season_sums``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Day, Tick

from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.season_sums import SeasonEvidence, SeasonSums, SeriesChunk, chunks
from fastlstm.data.tables import Columns
from fastlstm.data.time_grid import label_end, microseconds

# Rows of a week and of a year for frequencies that follow the calendar. Business years have whole weeks.
_WEEKS = {"B": 5, "C": 5}
_YEARS = {
    "B": 260, "C": 260, "W": 52, "WOM": 12, "LWOM": 12, "SME": 24, "SMS": 24,
    **dict.fromkeys(("ME", "MS", "BME", "BMS", "CBME", "CBMS"), 12),
    **dict.fromkeys(("QE", "QS", "BQE", "BQS"), 4),
}  # fmt: skip
_DAY = pd.Timedelta("1D")
_WEEK = 7 * _DAY
# 52 weeks keep the weekday, which 365 days do not; a year of weather or holidays moves by a day.
_YEAR = 52 * _WEEK


def season_candidates(frequency: str | None) -> list[int]:
    """Rows of the seasons that a frequency allows, rising.

    Day and week for hours and less, week and year for days and business days, the year for longer
    periods. Only whole numbers of rows, at least two.

    Args:
        frequency: a pandas offset; None: no seasons.
    """
    if frequency is None:
        return []
    offset = to_offset(frequency)
    if isinstance(offset, (Tick, Day)):
        step = pd.Timedelta(days=offset.n) if isinstance(offset, Day) else pd.Timedelta(offset)
        seasons = (_DAY, _WEEK) if step < _DAY else (_WEEK, _YEAR)
        parts = [divmod(season.value, step.value) for season in seasons]
    else:
        code = offset.rule_code.split("-")[0]
        parts = [divmod(table.get(code, 0), offset.n) for table in (_WEEKS, _YEARS)]
    return [rows for rows, rest in parts if rows > 1 and rest == 0]


@dataclass(frozen=True)
class FoundSeasons:
    """The seasons that train rows show.

    Attributes:
        best: the season whose seasonal naive forecasts best over the horizon; None without one.
        seasons: all seasons found, rising.
        assumed: the shortest candidate, where train is too short to test any; None otherwise.
        evidence: of each candidate, rising.
    """

    best: int | None = None
    seasons: tuple[int, ...] = ()
    assumed: int | None = None
    evidence: tuple[SeasonEvidence, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The entries of a window dataset's manifest."""
        return {
            "season": self.best,
            "seasons": list(self.seasons),
            "assumed_season": self.assumed,
            "season_evidence": [
                {
                    name: round(value, 6) if isinstance(value, float) else value
                    for name, value in asdict(found).items()
                }
                for found in self.evidence
            ],
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> FoundSeasons:
        """What ``facts`` gave; no seasons from a manifest without those entries."""
        return cls(
            facts.get("season"),
            tuple(facts.get("seasons", ())),
            facts.get("assumed_season"),
            tuple(SeasonEvidence(**found) for found in facts.get("season_evidence", ())),
        )


def seasons_by_error(manifest: Mapping[str, Any]) -> list[int]:
    """Rows in the seasons of a dataset, the best first: those found in the train rows, or the assumed
    one, which train windows may still give no weight."""
    found: list[int] = manifest.get("seasons") or []
    best = manifest.get("season") or manifest.get("assumed_season")
    return list(found) if best is None else list(dict.fromkeys([best, *found]))


@dataclass(frozen=True)
class SeasonSearch:
    """Which seasons to look for, and the forecasts they are for.

    Attributes:
        frequency: a pandas offset; None where the rows have no known distance.
        season_length: the season that the user has set, None for one that train rows show.
        steps_ahead: steps to forecast.
        lookahead: rows after its own that a target's value depends on.
    """

    frequency: str | None
    season_length: int | None
    steps_ahead: int
    lookahead: int = 0

    def in_table(
        self, index: Columns, targets: Columns, validation: int | np.ndarray
    ) -> FoundSeasons:
        """The seasons of a table's train rows.

        Args:
            index: ``__series``, ``__time`` and ``__segment``, sorted by series and time.
            targets: numeric columns of the same rows, read one after the other.
            validation: first time of validation, microseconds since 1970 (UTC), one or for each row.
        """
        return self.found(self.tally(index, targets, validation))

    @property
    def tested(self) -> list[int]:
        """Rows of the seasons to test, rising; none where nobody looks for one."""
        if self.season_length == 1:
            return []
        chosen = [self.season_length] if self.season_length else []
        return sorted({*season_candidates(self.frequency), *chosen})

    def tally(self, index: Columns, targets: Columns, validation: int | np.ndarray) -> SeasonTally:
        """What the train rows of a table, or of one shard of it, show; arguments as ``in_table``."""
        tally = SeasonTally.of(self.tested, self.steps_ahead, self.lookahead)
        if self.tested:
            times, block = microseconds(index[TIME]), index[SEGMENT].to_numpy()
            train = label_end(times, block, self.lookahead) < validation
            values = (targets[name].to_numpy(np.float64) for name in targets)
            tally.add(values, index[SERIES].to_numpy(), times, block, train)
        return tally

    def found(self, tally: SeasonTally) -> FoundSeasons:
        """The seasons that a tally of the whole table shows."""
        return tally.found(self.season_length) if self.tested else FoundSeasons()


@dataclass
class SeasonTally:
    """What rows show of each season to test; tallies of shards can be merged.

    Attributes:
        sums: of each season, by its rows, rising.
        longest: train rows of the longest contiguous block.
    """

    sums: dict[int, SeasonSums]
    longest: int = 0

    @classmethod
    def of(cls, tested: Sequence[int], steps_ahead: int, lookahead: int) -> SeasonTally:
        """An empty one of the seasons to test, rising."""
        return cls({m: SeasonSums(m, _inner(m, tested), steps_ahead, lookahead) for m in tested})

    def add(
        self, targets: Iterable[np.ndarray], series: np.ndarray, times: np.ndarray,
        block: np.ndarray, train: np.ndarray,
    ) -> None:  # fmt: skip
        """Add the rows of whole series; arguments as for ``find_seasons``."""
        series = _numbers(series)
        for values in targets:
            known = train & np.isfinite(values)
            for rows in chunks(series, block, known):
                chunk = SeriesChunk.of(
                    values[rows], series[rows], times[rows], block[rows], known[rows]
                )
                self.longest = max(self.longest, chunk.longest)
                for of_season in self.sums.values():
                    of_season.add(chunk)

    def found(self, chosen: int | None) -> FoundSeasons:
        """The seasons found; ``chosen`` is the one that the user has set."""
        return _choose([sums.evidence() for sums in self.sums.values()], self.longest, chosen)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The tally as arrays by name."""
        found = {"longest": np.asarray(self.longest)}
        for season, sums in self.sums.items():
            found |= {f"{season}.{name}": value for name, value in sums.to_arrays().items()}
        return found

    def add_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Add what ``to_arrays`` gave of other series."""
        self.longest = max(self.longest, int(arrays["longest"]))
        for season, sums in self.sums.items():
            sums.add_arrays({name: arrays[f"{season}.{name}"] for name in sums.to_arrays()})


def find_seasons(
    targets: Iterable[np.ndarray],
    series: np.ndarray,
    times: np.ndarray,
    block: np.ndarray,
    train: np.ndarray,
    *,
    candidates: Sequence[int],
    steps_ahead: int,
    lookahead: int = 0,
    chosen: int | None = None,
) -> FoundSeasons:
    """The seasons of the train rows.

    Args:
        targets: values of each target, ``(n,)`` each; NaN where unknown.
        series: number or label of each row's series, rows sorted by series and time, ``(n,)``.
        times: time of each row, shared by the series of a panel, ``(n,)``.
        block: number of each row's contiguous block, ``(n,)``.
        train: which rows are train rows, with labels that depend on train rows alone, ``(n,)``.
        candidates: rows of the seasons to test, rising; see ``season_candidates``.
        steps_ahead: steps to forecast.
        lookahead: rows after its own that a target's value depends on.
        chosen: the season that the user has set; it is the best one, whatever the rows show.
    """
    tested = sorted({*candidates, *([chosen] if chosen else [])})
    if chosen == 1 or not tested:
        return FoundSeasons()
    tally = SeasonTally.of(tested, steps_ahead, lookahead)
    tally.add(targets, series, times, block, train)
    return tally.found(chosen)


def _choose(evidence: list[SeasonEvidence], longest: int, chosen: int | None) -> FoundSeasons:
    """The seasons found, and the best of them.

    Args:
        evidence: of each candidate, rising.
        longest: train rows of the longest contiguous block.
        chosen: the season that the user has set.
    """
    found = [e for e in evidence if e.is_significant]
    seasons = tuple(sorted({e.rows for e in found} | ({chosen} if chosen else set())))
    if chosen is not None:
        return FoundSeasons(chosen, seasons, None, tuple(evidence))
    if found:
        compared = [e for e in found if e.relative_error is not None] or found
        best = min(compared, key=lambda e: (e.relative_error or 0.0, e.rows))
        return FoundSeasons(best.rows, seasons, None, tuple(evidence))
    fitting = [e.rows for e in evidence if e.rows < longest]
    untested = not any(e.series for e in evidence)
    assumed = fitting[0] if untested and fitting else None
    return FoundSeasons(None, (), assumed, tuple(evidence))


def _numbers(series: np.ndarray) -> np.ndarray:
    """Number of each row's series, ``(n,)``, from labels of rows sorted by series."""
    changes = np.zeros(len(series), np.int64)
    changes[1:] = series[1:] != series[:-1]
    return np.cumsum(changes)


def _inner(season: int, tested: Sequence[int]) -> int:
    """The longest shorter candidate that divides a season, 1 without one."""
    return max((m for m in tested if m < season and season % m == 0), default=1)
