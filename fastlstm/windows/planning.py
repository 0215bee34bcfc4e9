"""Which windows of a table belong to which split."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import SPLITS, SplitCuts, split_of_windows
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError
from fastlstm.windows.origins import Runs, window_origins

PLANNED_ROWS = 1 << 19


def plan_windows(
    frame: pd.DataFrame, defined: np.ndarray, timesteps: int, span: int, cuts: SplitCuts
) -> dict[str, Runs]:
    """Origin rows of each split's windows, found in bounded memory.

    Args:
        frame: table with ``__time`` and ``__segment``, sorted by series and time.
        defined: whether all targets of a window that begins at a row have a value, ``(n,)``; others (of
            a derived target near the end of its contiguous block, or an unknown label) are left out.
            See ``all_steps_defined``.
        timesteps: input rows.
        span: rows from the origin on that the targets depend on.
        cuts: the cut times.
    """
    block = frame[SEGMENT].to_numpy()
    found: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for start in range(0, len(frame), PLANNED_ROWS):
        rows = slice(start, start + PLANNED_ROWS + timesteps + span - 1)
        times = microseconds(frame[TIME].iloc[rows])
        origins = window_origins(block[rows], timesteps, span)
        origins = origins[defined[rows][origins]]
        of_windows = cuts.of_rows(start + origins)
        chosen = split_of_windows(times[origins], times[origins + span - 1], of_windows)
        for name, windows in chosen.items():
            found[name].append(start + origins[windows])
    return {name: Runs(parts) for name, parts in found.items()}


def all_steps_defined(defined: np.ndarray, steps_ahead: int) -> np.ndarray:
    """Whether a row and those up to the last step are all defined, ``(n,)``; absent rows count so."""
    undefined = np.concatenate([[0], np.cumsum(~defined)])
    last = np.minimum(np.arange(len(defined)) + steps_ahead, len(defined))
    whole: np.ndarray = undefined[last] == undefined[:-1]
    return whole


# Number of the first day of a weekend, days of a working week, and microseconds of a day.
_SATURDAY, _WORKING_DAYS, _DAY = 5, 5, 86_400_000_000


@dataclass(frozen=True)
class Blocks:
    """The contiguous blocks of a table, which windows do not leave.

    Attributes:
        gaps: how many gaps part rows of one series.
        longest: rows of the longest block.
        on_weekends: whether a row lies on a Saturday or Sunday (UTC).
    """

    gaps: int = 0
    longest: int = 0
    on_weekends: bool = False

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Blocks:
        """Those of a table with ``__series`` and ``__segment``, sorted by series and time."""
        if frame.empty:
            return cls()
        block, (codes, _) = frame[SEGMENT].to_numpy(), pd.factorize(frame[SERIES])
        begins = np.flatnonzero(block[1:] != block[:-1]) + 1
        gaps = int((codes[begins] == codes[begins - 1]).sum())
        # Days since 1970, which began on a Thursday.
        days = microseconds(frame[TIME]) // _DAY
        on_weekends = bool(((days + 3) % 7 >= _SATURDAY).any())
        return cls(gaps, int(np.diff([0, *begins, len(block)]).max()), on_weekends)

    def __add__(self, other: Blocks) -> Blocks:
        """Those of two shards."""
        return Blocks(
            self.gaps + other.gaps, max(self.longest, other.longest),
            self.on_weekends or other.on_weekends,
        )  # fmt: skip


def require_windows(
    planned: Mapping[str, Sized], timesteps: int, span: int, blocks: Blocks | None = None
) -> None:
    """Check that every split has a window.

    Args:
        planned: windows of each split.
        timesteps: input rows.
        span: target rows.
        blocks: the contiguous blocks of the table, where they are known.

    Raises:
        DataError: one has none.
    """
    for name, origins in planned.items():
        if not len(origins):
            raise DataError(
                f"the {name} split holds no window: no {timesteps} input rows and {span} target "
                f"rows fit into it without a gap; {_remedy(timesteps + span, blocks)}lower timesteps or "
                "steps_ahead, give more rows, or change the split rates"
            )


def _remedy(needed: int, blocks: Blocks | None) -> str:
    """What helps where gaps leave no window."""
    if blocks is None or not blocks.gaps:
        return ""
    found = (
        f"{blocks.gaps:,} gaps part the rows, the longest block has {blocks.longest:,} rows and a "
        f"window needs {needed:,}"
    )
    if blocks.longest <= _WORKING_DAYS and not blocks.on_weekends:
        found += (
            ", and no row lies on a weekend: set data.frequency: B where days are working days;"
        )
    else:
        found += ":"
    return (
        f"{found} add absent rows by data.absent_rows with data.max_gap, fill missing values by "
        "data.columns.<column>.missing, or "
    )
