"""Windows kept in memory as the rows they share, each row once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.windows.origins import gather

_ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that begins at a multiple of 64 bytes, as TensorFlow needs to share memory."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


def as_aligned(values: np.ndarray) -> np.ndarray:
    """The array itself where TensorFlow can share its memory, otherwise an aligned copy."""
    if not values.ctypes.data % _ALIGNMENT and values.flags.c_contiguous and values.flags.writeable:
        return values
    copied = aligned(values.shape, values.dtype)
    copied[...] = values
    return copied


@dataclass(frozen=True)
class Folded:
    """Windows kept as the rows they share, a fraction of their size, in random access.

    Attributes:
        rows: the rows, ``(n_rows, n_columns)``.
        first: first row of each window, int64 ``(n_windows,)``.
        length: rows of a window.
    """

    rows: np.ndarray
    first: np.ndarray
    length: int

    def __len__(self) -> int:
        """How many windows."""
        return len(self.first)

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        """The windows at these positions, ``(n, length, n_columns)``."""
        return gather(self.rows, self.first[chosen], self.length)


class Folding:
    """Keeps the rows that windows share once, one block of windows after another.

    Args:
        limit: most bytes of rows to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: list[np.ndarray] = []
        self._first: list[np.ndarray] = []
        self._count = self._size = self._length = 0
        self._last: int | None = None

    def add(self, block: np.ndarray, first_row: np.ndarray) -> None:
        """Take the next windows.

        Args:
            block: the windows, ``(n, length, n_columns)``.
            first_row: number, in the table they were cut from, of each window's first row, ``(n,)``.

        Raises:
            FoldedTooLargeError: the rows take more than the limit.
        """
        self._length = length = block.shape[1]
        before = np.empty_like(first_row)
        before[0] = first_row[0] - length if self._last is None else self._last
        before[1:] = first_row[:-1]
        moved = first_row - before
        # A window that overlaps the one before adds only the rows after that one's last.
        added = np.where((moved >= 0) & (moved < length), moved, length)
        ends = np.cumsum(added)
        positions = np.repeat((np.arange(len(block)) + 1) * length - ends, added)
        positions += np.arange(ends[-1])
        self._first.append(self._count + ends - length)
        self._rows.append(block.reshape(-1, block.shape[2])[positions])
        self._last = int(first_row[-1])
        self._count += len(self._rows[-1])
        self._size += self._rows[-1].nbytes
        if self._size > self._limit:
            raise FoldedTooLargeError

    def folded(self) -> Folded:
        """All windows added, at least one block of them; the rows are moved out of this object."""
        rows = aligned((self._count, *self._rows[0].shape[1:]), self._rows[0].dtype)
        self._rows.reverse()
        start = 0
        while self._rows:  # a block is released once it is copied, so that no row is kept twice
            block = self._rows.pop()
            rows[start : start + len(block)] = block
            start += len(block)
        return Folded(rows, np.concatenate(self._first), self._length)


class FoldedTooLargeError(Exception):
    """The rows of the windows take more memory than allowed."""
