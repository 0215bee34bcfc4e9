"""A feature that is the target of later rows is suspected; one that is its past is not."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.data.leakage import comparable, suspected_leaks

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


def exclusive_classes(rng, rows=400):
    """Indicators of the classes of a chain that stays in a class for some time."""
    count = rng.integers(2, 6)
    stay = rng.uniform(0, 0.99)
    shares = rng.dirichlet(np.ones(count))
    changes = rng.random(rows) > stay
    drawn = rng.choice(count, rows, p=shares)
    last = np.maximum.accumulate(np.where(changes, np.arange(rows), 0))
    return np.eye(count)[drawn[last]]


def test_indicators_of_exclusive_classes_are_seldom_suspected():
    rng, pairs, false_alarms = np.random.default_rng(0), 0, 0
    for _ in range(30):
        indicators = exclusive_classes(rng)
        columns = {f"class {i}": column for i, column in enumerate(indicators.T)}
        leaks = suspected_leaks(columns, columns, np.zeros(len(indicators)))
        pairs += len(columns) ** 2
        false_alarms += len(leaks)
    assert false_alarms / pairs < 0.01


def test_an_indicator_of_the_future_class_is_suspected():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(10):
        target = exclusive_classes(rng)[:, 0]
        changes = int((target[3:] != target[:-3]).sum())
        leaks = suspected_leaks(
            {"x": np.append(target[3:], np.zeros(3))}, {"y": target}, np.zeros(len(target))
        )
        found += bool(leaks) == (changes >= 20)
    assert found == 10


def test_a_strict_period_is_no_leak():
    hour = np.arange(24 * 30) % 24
    morning, evening = ((hour // 8 == number).astype(float) for number in (0, 2))
    one_series = np.zeros(len(hour))
    assert suspected_leaks({"x": evening}, {"y": morning}, one_series) == []
    assert suspected_leaks({"x": np.roll(Y, -1)}, {"y": Y}, SERIES) != []  # but that is


@pytest.mark.parametrize("later", [2, 6])
def test_a_label_with_a_horizon_is_suspected_unless_it_is_old_enough(later):
    level = RNG.normal(size=600)
    label = np.array([(level[i : i + later + 1] > 1).any() for i in range(600)], float)
    label[-later:] = np.nan
    none = np.zeros(600)

    def of(shift):
        x = np.concatenate([np.full(shift, np.nan), label[: 600 - shift]])
        leaks = suspected_leaks({"x": x}, {"y": label}, none, {"y": later})
        return [leak.ahead for leak in leaks]

    # The label of the same row, and of one before, tells of later rows; that of ``later`` rows before
    # is known by then.
    assert (of(0), of(1), of(later - 1), of(later), of(later + 3)) == (
        [0],
        [-1],
        [1 - later],
        [],
        [],
    )
    raining = (level > 1).astype(float)
    assert suspected_leaks({"x": raining}, {"y": label}, none, {"y": later}) == []


def test_names_are_compared_whatever_their_numbers():
    names = np.array(["fog", "rain", "sun"])
    sky = RNG.integers(0, 3, 600)
    given = comparable(sky.astype(float), names.tolist())
    other = comparable((2 - np.roll(sky, -1)).astype(float), names[::-1].tolist())
    (leak,) = suspected_leaks({"x": other}, {"y": given}, np.zeros(600))
    assert leak.ahead == 1
    assert comparable(np.array([0.0, 1, -1, np.nan]), ["2", "True"]).tolist()[:2] == [2, 1]
    assert np.isnan(comparable(np.array([-1.0, np.nan]), ["2"])).all()
