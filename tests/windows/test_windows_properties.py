"""Alignment and split over random lengths, series, holes, timesteps and steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlstm.data.split import Cuts, cut_times, split_of_windows
from fastlstm.windows.origins import (
    Runs,
    input_windows,
    output_names,
    target_windows,
    window_origins,
)


@st.composite
def tables(draw):
    """Rows of a few series with holes: segment numbers, times, and their series."""
    segment, times, series = [], [], []
    number = 0
    for name in range(draw(st.integers(1, 4))):
        clock = draw(st.integers(0, 5))
        for _ in range(draw(st.integers(1, 3))):
            length = draw(st.integers(1, 25))
            segment += [number] * length
            times += list(range(clock, clock + length))
            series += [name] * length
            clock += length + draw(st.integers(1, 6))
            number += 1
    return np.array(segment), np.array(times), np.array(series)


shapes = {
    "timesteps": st.integers(1, 8),
    "steps": st.integers(1, 5),
    "lookahead": st.integers(0, 4),
}


@given(table=tables(), **shapes)
@settings(max_examples=200, deadline=None)
def test_every_window_and_no_other(table, timesteps, steps, lookahead):
    segment, times, series = table
    span = steps + lookahead
    origins = window_origins(segment, timesteps, span)
    expected = [
        t for t in range(timesteps, len(segment) - span + 1)
        if len(set(segment[t - timesteps : t + span])) == 1
    ]  # fmt: skip
    assert origins.tolist() == expected
    for t in origins:
        rows = slice(t - timesteps, t + span)
        assert len(set(series[rows])) == 1
        assert (np.diff(times[rows]) == 1).all()


@given(table=tables(), **shapes)
@settings(max_examples=200, deadline=None)
def test_inputs_end_before_the_origin_and_targets_begin_at_it(table, timesteps, steps, lookahead):
    segment, _, _ = table
    origins = window_origins(segment, timesteps, steps + lookahead)
    if not len(origins):
        return
    row = np.arange(len(segment), dtype=np.float32)
    features, targets = np.column_stack([row, -row]), np.column_stack([row, row + 0.5])
    x = input_windows(features, origins, timesteps)
    y = target_windows(targets, origins, steps)
    assert x.shape == (len(origins), timesteps, 2) and y.shape == (len(origins), steps, 2)
    np.testing.assert_array_equal(x[:, :, 0], origins[:, None] + np.arange(-timesteps, 0))
    np.testing.assert_array_equal(x[:, :, 1], -x[:, :, 0])
    np.testing.assert_array_equal(y[:, :, 0], origins[:, None] + np.arange(steps))
    flat = y.reshape(len(y), -1)
    names = output_names(["p", "q"], steps)
    for k in range(steps):
        column = names.index("q" if steps == 1 else f"q_step_{k + 1}")
        np.testing.assert_array_equal(flat[:, column], origins + k + 0.5)


@given(table=tables(), train=st.floats(0.1, 0.8), validation=st.floats(0.05, 0.5), **shapes)
@settings(max_examples=200, deadline=None)
def test_a_window_belongs_to_the_split_that_holds_all_its_targets(
    table, train, validation, timesteps, steps, lookahead
):
    segment, times, _ = table
    span = steps + lookahead
    distinct = np.unique(times)
    a, b = int(len(distinct) * train + 1e-9), int(len(distinct) * (train + validation) + 1e-9)
    if not 0 < a < b < len(distinct):
        return
    cuts = cut_times(times, train, validation)
    assert cuts == Cuts(distinct[a], distinct[b])
    origins = window_origins(segment, timesteps, span)
    if not len(origins):
        return
    chosen = split_of_windows(times[origins], times[origins + span - 1], cuts)
    part = np.digitize(times, [cuts.validation, cuts.test])
    seen: set[int] = set()
    for number, name in enumerate(("train", "validation", "test")):
        for position in chosen[name]:
            t = origins[position]
            assert set(part[t : t + span]) == {number}
            assert position not in seen
            seen.add(int(position))
    for position in set(range(len(origins))) - seen:
        t = origins[position]
        assert len(set(part[t : t + span])) > 1


def test_shares_are_exact_where_binary_fractions_are_not():
    assert cut_times(np.arange(10), 0.7, 0.1) == Cuts(7, 8)


@pytest.mark.soak
@given(st.lists(st.integers(0, 60), unique=True), st.integers(1, 20))
def test_runs_give_their_rows_back(rows, block):
    rows = np.array(sorted(rows), np.int64)
    parts = [rows[(rows >= start) & (rows < start + block)] for start in range(0, 61, block)]
    runs = Runs(parts)
    starts, ends = np.arange(0, len(rows) + 2), np.arange(0, len(rows) + 2) + 2
    there = [any(a <= row < b for row in runs.all()) for a, b in zip(starts, ends, strict=True)]
    assert runs.any_between(starts, ends).tolist() == there
    assert len(runs) == len(rows)
    np.testing.assert_array_equal(runs.all(), rows)
    for start in range(0, len(rows) + 1, block):
        np.testing.assert_array_equal(
            runs.between(start, start + block), rows[start : start + block]
        )
