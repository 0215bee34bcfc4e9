"""What the checks need to know of a whole table, found shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.data import DataConfig
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import TIME
from fastlstm.data.time_grid import Grid, microseconds, phases_of

# Times off the grid may have any phase; the most frequent one is among these.
_MOST_PHASES = 1_000


@dataclass(frozen=True)
class TableFacts:
    """Facts of the rows of a table that those of its shards add up to.

    Attributes:
        rows: number of rows.
        missing: number of missing values of each value column.
        least: least value of each column; None without a value.
        greatest: greatest value.
        first: first time, microseconds since 1970 (UTC); None without rows.
        last: last time.
        phases: number of rows at each phase of the declared frequency, see
            ``fastlstm.data.time_grid.phases_of``.
    """

    rows: int
    missing: dict[str, int]
    least: dict[str, float | None]
    greatest: dict[str, float | None]
    first: int | None
    last: int | None
    phases: list[list[int]]

    @classmethod
    def of(cls, frame: pd.DataFrame, values: list[str], data: DataConfig) -> TableFacts:
        """Of the rows of one shard with the value columns ``values``."""
        times, phases = microseconds(frame[TIME]), []
        offset = row_offset(data.frequency, data.closed_days)
        if offset is not None and len(times):
            phases = phases_of(frame[TIME], offset, data.time_zone)
        least, greatest = {}, {}
        for name in values:
            least[name] = _or_none(frame[name].min())
            greatest[name] = _or_none(frame[name].max())
        return cls(
            len(frame),
            {name: int(frame[name].isna().sum()) for name in values},
            least,
            greatest,
            int(times.min()) if len(times) else None,
            int(times.max()) if len(times) else None,
            sorted(phases, key=lambda phase: (-phase[1], phase[0]))[:_MOST_PHASES],
        )

    @classmethod
    def merged(cls, parts: Sequence[TableFacts]) -> TableFacts:
        """Of the rows of all shards."""
        names = parts[0].missing
        phases: dict[int, int] = {}
        for part in parts:
            for phase, rows in part.phases:
                phases[phase] = phases.get(phase, 0) + rows
        return cls(
            sum(part.rows for part in parts),
            {name: sum(part.missing[name] for part in parts) for name in names},
            {name: _least([part.least[name] for part in parts]) for name in names},
            {name: _greatest([part.greatest[name] for part in parts]) for name in names},
            _least([part.first for part in parts]),
            _greatest([part.last for part in parts]),
            [[phase, rows] for phase, rows in sorted(phases.items())],
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-like values; infinite ones as text."""
        of_columns = {
            key: {name: _as_json(value) for name, value in getattr(self, key).items()}
            for key in ("least", "greatest")
        }
        return {**asdict(self), **of_columns}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> TableFacts:
        """What ``to_dict`` gave."""
        of_columns = {
            key: {n: None if v is None else float(v) for n, v in facts[key].items()}
            for key in ("least", "greatest")
        }
        return cls(**{**facts, **of_columns})

    def is_constant(self, name: str) -> bool:
        """Whether a column has one value alone, in two rows or more."""
        least = self.least[name]
        return least is not None and least == self.greatest[name] and self.rows > 1

    def missing_share(self, name: str) -> float:
        """Share of the rows in which a column has no value."""
        return self.missing[name] / self.rows if self.rows else float("nan")

    @property
    def grid(self) -> Grid | None:
        """Where the grid of a frequency lies; None without rows."""
        if self.first is None or self.last is None:
            return None
        # The most frequent phase, the least of several.
        phase = min(self.phases, key=lambda found: (-found[1], found[0]))[0] if self.phases else 0
        return Grid(self.first, self.last, phase)


def _as_json(value: float | None) -> float | str | None:
    return value if value is None or np.isfinite(value) else str(value)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _least(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _greatest(values: Sequence[Any]) -> Any:
    known = [value for value in values if value is not None]
    return max(known) if known else None
