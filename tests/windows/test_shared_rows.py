"""Windows are kept as the rows they share, found from the numbers of their first rows."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.windows import table, write_into
from fastlstm.artifacts.folders import write_manifest
from fastlstm.data.column_names import SEGMENT
from fastlstm.data.split import LEARNED
from fastlstm.windows.in_memory import RowWindows
from fastlstm.windows.origins import gather
from fastlstm.windows.parquet import WindowDataset
from fastlstm.windows.shared_rows import FoldedTooLargeError, Folding

TIMESTEPS, FEATURES = 12, 3


@pytest.mark.parametrize("length", [1, 7])
def test_windows_that_overlap_are_kept_as_the_rows_they_share(length):
    rows = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    rows[40:60] = np.nan  # equal to nothing, not even to itself
    # Three contiguous blocks; in the second, every fifth window is absent.
    second = np.array([row for row in range(150, 300) if row % 5])
    first = np.r_[0:100, second, 320 : 500 - length]
    windows = gather(rows, first, length)
    folding = Folding(1 << 20)
    for part in (slice(70), slice(70, 71), slice(71, None)):
        folding.add(windows[part], first[part])
    folded = folding.folded()
    assert len(folded) == len(first)
    order = np.random.default_rng(1).permutation(len(first))
    np.testing.assert_array_equal(folded[order], windows[order])
    needed = np.unique(first[:, None] + np.arange(length))
    assert len(folded.rows) == len(needed)  # each row once


def test_equal_windows_of_other_rows_are_not_mixed_up():
    """Windows that go back in the table, as those of a second split do, share no row with the last."""
    first = np.array([0, 1, 2, 9, 10, 1, 2])
    windows = gather(np.arange(20, dtype=np.float32)[:, None], first, 4)
    folding = Folding(1 << 20)
    folding.add(windows, first)
    np.testing.assert_array_equal(folding.folded()[np.arange(7)], windows)
    with pytest.raises(FoldedTooLargeError):
        Folding(8).add(windows, first)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A table of three series with a hole in the first, and its windows on disk."""
    folder = tmp_path_factory.mktemp("windows")
    frame, cuts = table(3_000, 3, FEATURES)
    frame[SEGMENT] = 10 * frame[SEGMENT] + (np.arange(len(frame)) % 1_000 > 300)
    write_manifest(folder, write_into(folder, frame, cuts, TIMESTEPS, FEATURES))
    x = frame[[f"x.f{i}" for i in range(FEATURES)]].to_numpy(np.float32)
    in_memory = RowWindows(
        frame, x, frame[["y.f0"]].to_numpy(np.float32), features=["f0", "f1", "f2"],
        targets=["f0"], timesteps=TIMESTEPS, steps_ahead=1, cuts=cuts,
    )  # fmt: skip
    return folder, x, in_memory


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_windows_on_disk_know_the_row_they_begin_with(dataset, split):
    folder, x, in_memory = dataset
    stored = pq.read_table(folder / split)
    assert stored.column_names == ["series", "origin", "first_row", "x", "y"]
    first = stored["first_row"].to_numpy()
    np.testing.assert_array_equal(first, in_memory.origin_rows(split) - TIMESTEPS)
    tensors = stored["x"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_array_equal(tensors, gather(x, first, TIMESTEPS))


@pytest.mark.parametrize("split", ["train", LEARNED])
def test_shared_rows_give_the_windows_bit_by_bit(dataset, split):
    folder, _, in_memory = dataset
    inputs, targets = WindowDataset(folder).folded(split)
    whole = np.arange(in_memory.count(split))
    for folded, own in zip((inputs, targets), in_memory.folded(split), strict=True):
        assert folded[whole].tobytes() == own[whole].tobytes()
    first = in_memory.folded(split)[0].first
    assert len(inputs.rows) <= len(np.unique(first[:, None] + np.arange(TIMESTEPS))) + 3 * TIMESTEPS
