"""Windows kept as the rows they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.windows.origins import gather

_ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that begins at a multiple of 64 bytes, as TensorFlow wants shared memory to."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


def as_aligned(values: np.ndarray) -> np.ndarray:
    """The array itself where TensorFlow can share its memory, else a copy that it can share."""
    if not values.ctypes.data % _ALIGNMENT and values.flags.c_contiguous and values.flags.writeable:
        return values
    copied = aligned(values.shape, values.dtype)
    copied[...] = values
    return copied


@dataclass(frozen=True)
class Folded:
    """Windows kept as the rows they share, a fraction of their size; any of them in any order.

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
    """Finds the rows that windows share, one block of windows after another.

    Args:
        limit: bytes of rows at which to give up.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: list[np.ndarray] = []
        self._first: list[np.ndarray] = []
        self._count = self._size = self._length = 0

    def add(self, block: np.ndarray) -> None:
        """Take the next windows, ``(n, length, n_columns)``.

        Raises:
            FoldedTooLargeError: the rows take more than the limit.
        """
        self._length = block.shape[1]
        # A window that is the one before, moved by one row, adds that row alone.
        new = np.ones((len(block), self._length), bool)
        new[1:, :-1] = ~(block[1:, :-1] == block[:-1, 1:]).all(axis=(1, 2))[:, None]
        self._first.append(self._count + np.cumsum(new.sum(axis=1)) - self._length)
        self._rows.append(block[new])
        self._count += len(self._rows[-1])
        self._size += self._rows[-1].nbytes
        if self._size > self._limit:
            raise FoldedTooLargeError

    def folded(self) -> Folded:
        """All windows taken, at least one block of them; takes them away from here."""
        rows = aligned((self._count, *self._rows[0].shape[1:]), self._rows[0].dtype)
        self._rows.reverse()
        start = 0
        while self._rows:  # each block is let go once it is copied, so no row is kept twice
            block = self._rows.pop()
            rows[start : start + len(block)] = block
            start += len(block)
        return Folded(rows, np.concatenate(self._first), self._length)


class FoldedTooLargeError(Exception):
    """The rows of the windows take more memory than allowed."""
