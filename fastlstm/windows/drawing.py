"""Windows that are too many for memory: an epoch draws some, everything else sees a sample.

What is read from disk depends on the number of windows drawn and not on how many there are. An epoch's
draw depends on its seed alone: row groups are chosen at random, eight times as many windows as needed,
and of these windows the epoch's at random. Row groups are small, so that a draw has windows of many
series. Where a training needs all windows of a split for sums (naive forecasts, the linear component,
class weights, what validation decides), it gets a sample: row groups at even distances, up to a million
windows. Of more validation windows than that it always gets a sample, for each of them costs a forecast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlstm.windows.parquet import RowGroup, WindowDataset, shuffled
from fastlstm.windows.shared_rows import Folded, Folding
from fastlstm.windows.source import Windows

# Windows that are decoded for each one drawn, and of a sample.
_DECODED, _SAMPLE = 8, 1 << 20
# Memory for drawn windows before they are shuffled.
_BUFFER_BYTES = 256 << 20


class DrawnWindows:
    """A window dataset of which splits too large for memory are drawn from and sampled.

    Args:
        dataset: the windows on disk.
        sample: windows of a sample, about.
        always: draw from every split, even one that fits memory.

    Attributes:
        manifest: of the windows on disk.
    """

    def __init__(
        self, dataset: WindowDataset, sample: int = _SAMPLE, *, always: bool = False
    ) -> None:
        self.manifest: dict[str, Any] = dataset.manifest
        self._dataset, self._most, self._always = dataset, sample, always
        self._sampled: dict[str, tuple[Folded, Folded]] = {}

    def is_drawn(self, split: str) -> bool:
        """Whether a split is too large for memory, or for forecasts of all its validation windows; so
        that epochs draw from it, and others see a sample."""
        is_long = split == "validation" and self._dataset.count(split) > self._most
        return self._always or is_long or self._dataset.folded(split) is None

    def total(self, split: str) -> int:
        """Windows on disk in a split."""
        return self._dataset.count(split)

    def count(self, split: str) -> int:
        """Windows in a split, or in its sample."""
        if not self.is_drawn(split):
            return self._dataset.count(split)
        return sum(group.windows for group in self._sample_groups(split))

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split, or of its sample, in memory; see ``WindowDataset.read``."""
        if not self.is_drawn(split):
            return self._dataset.read(split, columns)
        series, origin = self._dataset.labels(self._sample_groups(split))
        every, empty = np.arange(len(series)), np.zeros((0, 0, 0), np.float32)
        x, y = self.folded(split)
        return Windows(
            series, origin, x[every] if "x" in columns else empty,
            y[every] if "y" in columns else empty,
        )  # fmt: skip

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """None, because windows on disk carry no weights."""
        return None

    def folded(self, split: str) -> tuple[Folded, Folded]:
        """Inputs and targets of a split, or of its sample, as the rows they share."""
        kept = None if self.is_drawn(split) else self._dataset.folded(split)
        if kept is not None:
            return kept
        if split not in self._sampled:
            x, y = Folding(_BUFFER_BYTES << 4), Folding(_BUFFER_BYTES << 4)
            for first_row, inputs, targets, _ in self._dataset.decoded(self._sample_groups(split)):
                x.add(inputs, first_row)
                y.add(targets, first_row)
            self._sampled[split] = x.folded(), y.folded()
        return self._sampled[split]

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of a split or of its sample; of all windows where they are shuffled by a seed."""
        if seed is not None or not self.is_drawn(split):
            yield from self._dataset.batches(split, batch_size, seed)
            return
        x, y = self.folded(split)
        for start in range(0, len(x), batch_size):
            rows = np.arange(start, min(start + batch_size, len(x)))
            yield x[rows], y[rows]

    def read_parts(self, split: str, columns: tuple[str, ...]) -> Iterator[Windows]:
        """All windows of a split in order, some at a time; see ``WindowDataset.read_parts``."""
        return self._dataset.read_parts(split, columns)

    def draws(
        self,
        split: str,
        wanted: int,
        batch_size: int,
        seed: tuple[int, ...],
        *,
        series: bool = False,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Windows drawn from a split, in batches; only the last may be smaller.

        Args:
            split: which windows.
            wanted: number of windows; all of them are streamed where there are no more.
            batch_size: windows in a batch.
            seed: seed of the draw, e.g. ``(seed, epoch)``.
            series: whether to read the series of the windows.

        Yields:
            Inputs, targets and the series of each window; empty where they are not read.
        """
        rng = np.random.default_rng(seed)
        if wanted >= self.total(split):
            yield from self._dataset.streamed(split, batch_size, rng, series=series)
            return
        groups = self._dataset.row_groups(split)
        order = rng.permutation(len(groups))
        ends = np.cumsum([groups[number].windows for number in order.tolist()])
        needed = int(np.searchsorted(ends, min(wanted * _DECODED, ends[-1]))) + 1
        chosen, ends = [groups[number] for number in order[:needed].tolist()], ends[:needed]
        positions = np.sort(rng.choice(ends[-1], wanted, replace=False))
        cuts = np.searchsorted(positions, ends)
        taken = np.split(positions, cuts[:-1])
        starts = np.concatenate([[0], ends[:-1]])
        wanted_of = [(g, t - s) for g, t, s in zip(chosen, taken, starts, strict=True) if len(t)]
        decoded = self._dataset.decoded([group for group, _ in wanted_of], series=series)
        blocks = (
            tuple(array[rows] for array in block[1:])
            for (_, rows), block in zip(wanted_of, decoded, strict=True)
        )
        yield from shuffled(blocks, batch_size, rng, _BUFFER_BYTES)

    def _sample_groups(self, split: str) -> list[RowGroup]:
        """Row groups at even distances with about as many windows as a sample has."""
        groups = self._dataset.row_groups(split)
        share = min(1.0, self._most / max(1, self._dataset.count(split)))
        number = max(1, round(share * len(groups)))
        return [groups[position] for position in np.arange(number) * len(groups) // number]
