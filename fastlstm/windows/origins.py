"""Window arithmetic: which rows make a window, and views of them without copying.

The origin row ``t`` of a window is its first target row: the window has inputs
``X[t - timesteps : t]`` and targets ``Y[t : t + steps_ahead]``; row ``t`` itself is never an input.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def window_origins(block: np.ndarray, timesteps: int, span: int) -> np.ndarray:
    """Origin rows of every window that stays within one contiguous block of one series.

    Args:
        block: number of each row's contiguous block, never falling, shape ``(n,)``.
        timesteps: input rows before the origin.
        span: rows from the origin on that the targets depend on (``steps_ahead``, and the label
            horizon of a derived target).

    Returns:
        int64 row numbers in rising order.
    """
    count = len(block) - timesteps - span + 1
    if count <= 0:
        return np.zeros(0, np.int64)
    whole = block[:count] == block[timesteps + span - 1 :]
    return np.flatnonzero(whole) + timesteps


class Runs:
    """Rising row numbers, kept as runs of consecutive numbers.

    The origins of windows form few runs, one for each contiguous block, however many they are.

    Args:
        parts: row numbers, rising within each part and from part to part.
    """

    def __init__(self, parts: Iterable[np.ndarray]) -> None:
        first: list[np.ndarray] = [np.zeros(0, np.int64)]
        length: list[np.ndarray] = [np.zeros(0, np.int64)]
        for rows in parts:
            begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
            first.append(rows[begins])
            length.append(np.diff(begins, append=len(rows)))
        lengths = np.concatenate(length)
        self._first, self._length = np.concatenate(first), lengths
        self._end = np.cumsum(lengths)
        # Row number minus position is constant within a run.
        self._shift = self._first - (self._end - lengths)

    def __len__(self) -> int:
        """How many row numbers."""
        return int(self._end[-1]) if len(self._end) else 0

    def any_between(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Whether there is a row number from each start to before its end, ``(n,)`` of bool."""
        # The first run that ends after a start is the nearest one; beyond the last there is none.
        run = np.searchsorted(self._first + self._length, starts, side="right")
        nearest = np.append(self._first, np.iinfo(np.int64).max)[run]
        found: np.ndarray = nearest < ends
        return found

    def between(self, start: int, end: int) -> np.ndarray:
        """The row numbers at the positions from ``start`` to before ``end``, int64."""
        positions = np.arange(start, min(end, len(self)))
        rows: np.ndarray = (
            positions + self._shift[np.searchsorted(self._end, positions, side="right")]
        )
        return rows

    def all(self) -> np.ndarray:
        """All row numbers, int64."""
        return self.between(0, len(self))


def input_windows(features: np.ndarray, origins: np.ndarray, timesteps: int) -> np.ndarray:
    """Inputs of the windows, ``(n_windows, timesteps, n_features)``, from rows ``(n, n_features)``."""
    return gather(features, origins - timesteps, timesteps)


def target_windows(targets: np.ndarray, origins: np.ndarray, steps_ahead: int) -> np.ndarray:
    """Targets of the windows, ``(n_windows, steps_ahead, n_targets)``, from ``(n, n_targets)``."""
    return gather(targets, origins, steps_ahead)


def gather(rows: np.ndarray, first: np.ndarray, length: int) -> np.ndarray:
    """``length`` rows from each first row on: ``(n, length, n_columns)`` from ``(n_rows, n_columns)``.

    Consecutive rows are adjacent in memory, so that each window is one block to copy.
    """
    columns = rows.shape[1]
    blocks = sliding_window_view(np.ascontiguousarray(rows).reshape(-1), length * columns)
    chosen: np.ndarray = blocks[first * columns]
    return chosen.reshape(len(first), length, columns)


def output_names(targets: list[str], steps_ahead: int) -> list[str]:
    """Names of the network's outputs, step-major: ``<target>`` or ``<target>_step_<k>``, k from 1."""
    if steps_ahead == 1:
        return list(targets)
    return [f"{name}_step_{k}" for k in range(1, steps_ahead + 1) for name in targets]
