"""Windows that are too many for memory: what an epoch draws, and the sample that all else sees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.folders import publish
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.split import Cuts
from fastlstm.windows import parquet
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.parquet import WindowDataset, write_windows

SERIES_COUNT, ROWS = 40, 60


@pytest.fixture
def windows(tmp_path, monkeypatch):
    """Windows whose only value is the number of their row, on disk in many row groups."""
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 200)
    rows = SERIES_COUNT * ROWS
    times = pd.date_range("2024-01-01", periods=ROWS, freq="1h", tz="UTC").as_unit("us")
    number = np.arange(rows, dtype=np.float32)
    scaled = pd.DataFrame(
        {
            SERIES: np.repeat([f"s{n}" for n in range(SERIES_COUNT)], ROWS),
            TIME: np.tile(times, SERIES_COUNT),
            SEGMENT: np.repeat(np.arange(SERIES_COUNT), ROWS),
            "x.a": number,
            "y.a": number,
        }
    )
    cut = lambda row: int(times.asi8[row])  # noqa: E731
    publish(
        tmp_path / "w",
        lambda folder: write_windows(
            folder, scaled, features=["a"], targets=["a"], timesteps=3, steps_ahead=1, lookahead=0,
            cuts=Cuts(cut(40), cut(50)),
        ),
    )  # fmt: skip
    return WindowDataset(tmp_path / "w", pool_bytes=1)


def drawn_rows(windows: DrawnWindows, wanted: int, seed: int, size: int = 16) -> np.ndarray:
    batches = list(windows.draws("train", wanted, size, (seed, 0)))
    assert [len(x) for x, _, _ in batches[:-1]] == [size] * (len(batches) - 1)
    for x, y, series in batches:
        np.testing.assert_array_equal(x[:, -1, 0] + 1, y[:, 0, 0])  # each with its own target
        assert series.shape == (len(x), 0)
    return np.concatenate([y[:, 0, 0] for _, y, _ in batches])


def test_an_epoch_reads_what_it_draws(windows, monkeypatch):
    drawn, read = DrawnWindows(windows), []
    decoded = WindowDataset.decoded
    monkeypatch.setattr(
        WindowDataset, "decoded",
        lambda self, groups, **options: decoded(self, read.extend(groups) or groups, **options),
    )  # fmt: skip
    rows = drawn_rows(drawn, 50, seed=1)
    assert len(rows) == len(set(rows.tolist())) == 50
    assert 50 <= sum(group.windows for group in read) <= 50 * 8 + 20 < drawn.total("train")
    series = set((rows // ROWS).astype(int))
    assert len(series) > 10
    # Neighbours in a batch are of different series.
    assert (np.diff(rows // ROWS) != 0).mean() > 0.7


@pytest.mark.parametrize("wanted", [100, 10**6])
def test_drawn_windows_come_with_their_series_if_wanted(windows, wanted):
    batches = list(DrawnWindows(windows).draws("train", wanted, 16, (3, 0), series=True))
    y, series = (np.concatenate([batch[i] for batch in batches]) for i in (1, 2))
    assert series.tolist() == [f"s{row // ROWS:.0f}" for row in y[:, 0, 0].tolist()]


@pytest.mark.soak
def test_draws_depend_on_the_seed_alone_and_reach_every_window(windows):
    drawn = DrawnWindows(windows)
    again = DrawnWindows(WindowDataset(windows.folder, pool_bytes=1))
    np.testing.assert_array_equal(drawn_rows(drawn, 100, 7), drawn_rows(again, 100, 7))
    assert set(drawn_rows(drawn, 100, 7)) != set(drawn_rows(drawn, 100, 8))
    reached: set[float] = set()
    for seed in range(30):
        reached |= set(drawn_rows(drawn, 500, seed).tolist())
    assert len(reached) == drawn.total("train")
    everything = drawn_rows(drawn, drawn.total("train"), 3)
    assert sorted(everything) == sorted(reached)


def test_draws_beyond_the_buffer_are_still_every_window_once(windows, monkeypatch):
    monkeypatch.setattr("fastlstm.windows.drawing._BUFFER_BYTES", 500)
    rows = drawn_rows(DrawnWindows(windows), 300, 5)
    assert len(rows) == len(set(rows.tolist())) == 300


def test_all_else_sees_a_sample_spread_over_the_series(windows):
    drawn = DrawnWindows(windows, sample=200)
    assert drawn.is_drawn("train")
    count = drawn.count("train")
    assert 150 < count < 260 < drawn.total("train")
    found = drawn.read("train")
    assert len(found.x) == len(found.series) == count
    np.testing.assert_array_equal(found.series, [f"s{int(r // ROWS)}" for r in found.y[:, 0, 0]])
    assert len(set(found.series)) > SERIES_COUNT / 2
    x, y = (np.concatenate(part) for part in zip(*drawn.batches("train", 32), strict=True))
    np.testing.assert_array_equal(x, found.x)
    np.testing.assert_array_equal(y, found.y)


def test_a_split_that_fits_memory_is_read_as_before(windows):
    whole = WindowDataset(windows.folder)
    drawn = DrawnWindows(WindowDataset(windows.folder))
    assert not drawn.is_drawn("train")
    assert drawn.count("train") == whole.count("train")
    for one, other in zip(
        whole.batches("train", 32, (1, 2)), drawn.batches("train", 32, (1, 2)), strict=True
    ):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.soak
def test_more_validation_windows_than_a_sample_has_are_sampled_even_in_memory(windows):
    whole = WindowDataset(windows.folder)
    most = whole.count("validation") // 2
    drawn = DrawnWindows(WindowDataset(windows.folder), sample=most)
    assert drawn.is_drawn("validation") and not drawn.is_drawn("train")
    assert most / 2 < drawn.count("validation") < 2 * most
    found = drawn.read("validation")
    batches = list(drawn.batches("validation", 32))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), found.x)
    assert len(drawn.folded("validation")[0]) == len(found.series) == drawn.count("validation")
    every = {tuple(y.ravel()) for y in whole.read("validation").y}
    assert {tuple(y.ravel()) for y in found.y} < every
