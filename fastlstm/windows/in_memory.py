"""Windows over rows in memory: copied batch by batch, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.data.column_names import SERIES, TIME
from fastlstm.data.seasons import FoundSeasons
from fastlstm.data.split import SPLITS, SplitCuts, parts_of
from fastlstm.data.time_grid import microseconds
from fastlstm.errors import DataError
from fastlstm.windows.coverage import facts_of_absence, series_without
from fastlstm.windows.origins import input_windows, target_windows
from fastlstm.windows.planning import (
    Blocks,
    all_steps_defined,
    plan_windows,
    require_windows,
)
from fastlstm.windows.shared_rows import Folded
from fastlstm.windows.source import Windows


class RowWindows:
    """The windows of a scaled table, with the interface of a window dataset on disk.

    Batches come in the same order as from ``fastlstm.windows.parquet.WindowDataset`` with the same
    seed, so a network trained here and in the pipeline is the same.

    Args:
        frame: ``__series``, ``__time`` and ``__segment`` of each row, sorted by series and time.
        x: scaled features, float32 ``(n, n_features)``.
        y: targets as the network learns them, float32 ``(n, n_targets)``.
        features: names of the columns of ``x``.
        targets: names of the columns of ``y``.
        timesteps: input rows of a window.
        steps_ahead: target rows of a window.
        lookahead: label horizon, the rows after its own that a target's value depends on.
        cuts: the cut times.
        usable: whether a row may be the first target row of a window, ``(n,)``; None: every row.
        sample_weight: weight of each row, ``(n,)``; a window's is the mean over its target rows.
        time_unit: ``'row'`` where the times are row numbers.
        seasons: those that the train rows show; None where nobody has looked.
        needed: the splits that must hold windows.

    Raises:
        DataError: a needed split would hold no window, or train or validation none that has a weight
            above 0.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        x: np.ndarray,
        y: np.ndarray,
        *,
        features: list[str],
        targets: list[str],
        timesteps: int,
        steps_ahead: int,
        cuts: SplitCuts,
        lookahead: int = 0,
        usable: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        time_unit: str = "us",
        seasons: FoundSeasons | None = None,
        needed: tuple[str, ...] = SPLITS,
    ) -> None:
        self._series = frame[SERIES].to_numpy()
        self._times = microseconds(frame[TIME])
        # Windows are gathered as blocks of rows; any other memory order is copied for each batch.
        self._x, self._y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        defined = all_steps_defined(~np.isnan(y).any(axis=1), steps_ahead)
        if usable is not None:
            defined &= usable
        planned = plan_windows(frame, defined, timesteps, steps_ahead + lookahead, cuts)
        self._origins = {name: runs.all() for name, runs in planned.items()}
        wanted = {name: self._origins[name] for name in needed}
        require_windows(wanted, timesteps, steps_ahead + lookahead, Blocks.of(frame))
        self._sample_weight = sample_weight
        self.manifest: dict[str, Any] = {
            "features": features,
            "targets": targets,
            "timesteps": timesteps,
            "steps_ahead": steps_ahead,
            "lookahead": lookahead,
            "cuts": cuts.facts(),
            "windows": {name: len(rows) for name, rows in self._origins.items()},
            "series": len(set(self._series)),
            "series_without": facts_of_absence(
                series_without(self._series, {name: planned[name] for name in needed}),
                len(set(self._series)),
            ),
            "time_unit": time_unit,
            **({} if seasons is None else seasons.facts()),
        }
        self._require_weight([split for split in needed if split != "test"])

    def _require_weight(self, splits: list[str]) -> None:
        """Refuse splits of which no window counts in the loss."""
        for split in splits:
            weights = self.weights(split)
            if weights is not None and not (weights > 0).any():
                role = "learn from" if split == "train" else "choose the epoch by"
                raise DataError(
                    f"sample_weight: is 0 for every {split} window, so there is nothing to {role}; give "
                    "weights above 0 to some of its rows, or move the split"
                )

    def count(self, split: str) -> int:
        """Windows in a split."""
        return sum(len(self._origins[name]) for name in parts_of(split))

    def origin_rows(self, split: str) -> np.ndarray:
        """Row numbers, in the sorted table, of the windows' first target rows."""
        parts = [self._origins[name] for name in parts_of(split)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _inputs(self, origins: np.ndarray) -> np.ndarray:
        return input_windows(self._x, origins, self.manifest["timesteps"])

    def _targets(self, origins: np.ndarray) -> np.ndarray:
        return target_windows(self._y, origins, self.manifest["steps_ahead"])

    def read(self, split: str, columns: tuple[str, ...] = ("x", "y")) -> Windows:
        """All windows of a split in memory; ``x`` or ``y`` not in ``columns`` stays empty."""
        origins = self.origin_rows(split)
        empty = np.zeros((0, 0, 0), np.float32)
        return Windows(
            self._series[origins],
            self._times[origins].astype("datetime64[us]"),
            self._inputs(origins) if "x" in columns else empty,
            self._targets(origins) if "y" in columns else empty,
        )

    def _order(self, split: str, seed: tuple[int, ...] | None) -> np.ndarray:
        """The order of the windows: shuffled by a seed, or as they are."""
        count = self.count(split)
        return np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)

    def folded(self, split: str) -> tuple[Folded, Folded]:
        """Inputs and targets as the rows they share: those of the table."""
        origins, steps = self.origin_rows(split), self.manifest["steps_ahead"]
        timesteps = self.manifest["timesteps"]
        return Folded(self._x, origins - timesteps, timesteps), Folded(self._y, origins, steps)

    def batches(
        self, split: str, batch_size: int, seed: tuple[int, ...] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches, every window once; only the last may be smaller."""
        origins = self.origin_rows(split)[self._order(split, seed)]
        for start in range(0, len(origins), batch_size):
            rows = origins[start : start + batch_size]
            yield self._inputs(rows), self._targets(rows)

    def weights(self, split: str, seed: tuple[int, ...] | None = None) -> np.ndarray | None:
        """Weight of each window in the order ``batches`` gives them, or None."""
        if self._sample_weight is None:
            return None
        origins = self.origin_rows(split)[self._order(split, seed)]
        steps = self.manifest["steps_ahead"]
        of_rows = target_windows(self._sample_weight[:, None], origins, steps)
        return np.asarray(of_rows.mean(axis=(1, 2)), np.float32)
