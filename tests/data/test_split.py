"""Where splits begin: at one time for all series, or in each series at its own share."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.data.split import (
    Cuts,
    SeriesCuts,
    cuts_of,
    part_of_rows,
    series_cuts,
    split_of_windows,
)

# Ten rows of a, four of b long before them, one of c.
TIMES = np.array([*range(100, 110), 0, 7, 8, 9, 500])
SERIES = np.array(["a"] * 10 + ["b"] * 4 + ["c"])


def test_each_series_is_cut_at_its_own_share_of_its_own_rows():
    cuts = series_cuts(TIMES, SERIES, 0.5, 0.25)
    # Half of ten rows and of four; three quarters of them: seven and three.
    assert cuts.validation.tolist() == [105] * 10 + [8] * 4 + [500]
    assert cuts.test.tolist() == [107] * 10 + [9] * 4 + [500]
    part = part_of_rows(TIMES, cuts)
    assert part.tolist() == [0] * 5 + [1] * 2 + [2] * 3 + [0, 0, 1, 2] + [2]
    assert cuts.facts() == {"validation": 500, "test": 500}
    # 0.7 x 10 is seven rows, not six.
    assert series_cuts(TIMES[:10], SERIES[:10], 0.7, 0.2).validation[0] == 107
    # The share of a series does not depend on the others, nor on their order.
    alone = series_cuts(TIMES[10:14], SERIES[10:14], 0.5, 0.25)
    assert alone.test.tolist() == [9] * 4


def test_a_window_belongs_to_the_split_of_its_own_series():
    cuts = series_cuts(TIMES, SERIES, 0.5, 0.25)
    first, last = np.array([3, 4, 5, 7, 10, 12, 13]), np.array([4, 5, 6, 8, 11, 12, 13])
    found = split_of_windows(TIMES[first], TIMES[last], cuts.of_rows(first))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "train": [0, 4], "validation": [2, 5], "test": [3, 6],
    }  # fmt: skip


@pytest.mark.parametrize(("split", "kind"), [("at_time", Cuts), ("by_series", SeriesCuts)])
def test_the_setting_chooses_the_rule(split, kind):
    hp = Hyperparameters(split=split, train_size_rate=0.5, validation_size_rate=0.25)
    cuts = cuts_of(TIMES, SERIES, hp)
    assert isinstance(cuts, kind)
    if split == "at_time":
        assert cuts == Cuts(103, 107) and cuts.of_rows(np.array([2])) is cuts
    assert isinstance(cuts_of(TIMES[:10], None, hp), Cuts)  # one series
