"""A feature that is the target of later rows is suspected; one that is its past is not."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.data.leakage import suspected_leaks

RNG = np.random.default_rng(0)
Y = RNG.normal(size=400)
SERIES = np.repeat(["a", "b"], 200)


def found(x, y=Y):
    return [(leak.feature, leak.ahead) for leak in suspected_leaks({"x": x}, {"y": y}, SERIES)]


@pytest.mark.parametrize("ahead", [1, 7, 48])
def test_a_copy_from_later_rows_is_suspected(ahead):
    x = np.concatenate([np.roll(part, -ahead) for part in (Y[:200], Y[200:])])
    assert found(x) == [("x", ahead)]
    x[RNG.random(400) < 0.01] = np.nan  # some of it missing
    assert found(x) == [("x", ahead)]


def test_labels_of_later_rows_are_suspected():
    labels = (Y > 1).astype(float)
    assert found(np.roll(labels, -2), labels) == [("x", 2)]


@pytest.mark.parametrize(
    "x",
    [Y, np.roll(Y, 3), Y + RNG.normal(0, 0.1, 400), np.zeros(400), np.arange(400.0) % 24],
    ids=["itself", "its past", "alike", "constant", "a clock"],
)
def test_what_knows_no_future_is_not(x):
    assert found(x) == []


def test_a_target_that_hardly_changes_says_nothing():
    steady = np.where(np.arange(400) > 395, 1.0, 0.0)
    assert found(np.roll(steady, -1), steady) == []
