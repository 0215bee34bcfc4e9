"""Which windows an epoch has, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.data.split import Cuts
from fastlstm.training.input_pipeline import Epoch, Part, steps_of_an_epoch, tf_dataset
from tests.training.test_combination import COUNT, hyperparameters, windows


@pytest.mark.parametrize("in_memory", [True, False])
def test_validation_windows_are_evenly_spaced_in_an_epoch(in_memory):
    hp = hyperparameters(windows_per_epoch=50, batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    if not in_memory:
        dataset.folded = lambda split: None
    batches = [y[:, 0] for _, y in tf_dataset(dataset, "validation", hp)]
    assert [len(b) for b in batches] == [32, 18]
    rows = dataset.origin_rows("validation")
    np.testing.assert_array_equal(np.concatenate(batches), rows[np.arange(50) * len(rows) // 50])


@pytest.mark.parametrize("in_memory", [True, False])
def test_windows_per_epoch_are_the_first_of_each_epochs_own_order(in_memory):
    hp = hyperparameters(windows_per_epoch=50, batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    if not in_memory:
        dataset.folded = lambda split: None
    epoch, drawn = Epoch(), []
    for number in range(3):
        epoch.number = number
        rows = np.concatenate([y[:, 0] for _, y in tf_dataset(dataset, "train", hp, epoch=epoch)])
        assert len(set(rows)) == 50
        drawn.append(set(rows))
        order = np.random.default_rng((hp.seed, number)).permutation(dataset.count("train"))[:50]
        np.testing.assert_array_equal(rows, dataset.origin_rows("train")[order])
    assert drawn[0] != drawn[1] != drawn[2]


@pytest.mark.recipe
@pytest.mark.parametrize(
    ("rows", "columns", "steps"),
    [(COUNT, 1, 50), (4_000, 1, 87), (30_000, 1, 512), (30_000, 40, 100)],
)
def test_an_epoch_has_enough_gradient_steps_and_not_too_many(rows, columns, steps):
    """600, 2,800 and 21,000 train windows, of one column or of 40, five windows at a time."""
    hp = hyperparameters(windows_per_epoch="auto", batch_size=None)
    dataset = windows(np.zeros((rows, columns)), hp, cuts=Cuts(int(rows * 0.7), int(rows * 0.85)))
    assert steps_of_an_epoch(dataset, "train", hp) == steps
    assert steps_of_an_epoch(dataset, "validation", hp) <= steps


@pytest.mark.recipe
def test_few_windows_are_drawn_again_only_after_all_others():
    hp = hyperparameters(windows_per_epoch="auto", batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    drawn = np.concatenate([y[:, 0] for _, y in tf_dataset(dataset, "train", hp, epoch=Epoch())])
    count = dataset.count("train")
    assert len(drawn) == 50 * 32 > 2 * count
    for start in (0, count):
        assert len(set(drawn[start : start + count].tolist())) == count


@pytest.mark.recipe
def test_windows_that_are_streamed_from_disk_come_once_in_an_epoch():
    hp = hyperparameters(windows_per_epoch="auto", batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    dataset.folded = lambda split: None
    drawn = np.concatenate([y[:, 0] for _, y in tf_dataset(dataset, "train", hp, epoch=Epoch())])
    assert len(drawn) == len(set(drawn.tolist())) == dataset.count("train")


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_parts_of_all_processes_are_the_batches_of_one(in_memory):
    """Batches of 32 and 18 windows for five replicas in two processes: each computes as many."""
    hp = hyperparameters(windows_per_epoch=50, batch_size=32)
    dataset = windows(np.arange(COUNT, dtype=float), hp)
    if not in_memory:
        dataset.folded = lambda split: None
    weights = None if not in_memory else np.arange(dataset.count("train"), dtype=np.float32)
    given = {"epoch": Epoch(), "weights": weights}
    whole = list(tf_dataset(dataset, "train", hp, **given).as_numpy_iterator())
    parts = [
        list(tf_dataset(dataset, "train", hp, **given, part=part).as_numpy_iterator())
        for part in (Part(0, 3, 5), Part(3, 2, 5))
    ]
    for batch, *of_processes in zip(whole, *parts, strict=True):
        x, y, weight, counts = (list(arrays) for arrays in zip(*of_processes, strict=True))
        assert len(y[0]) % 3 == len(y[1]) % 2 == 0 and len(y[0]) / 3 == len(y[1]) / 2
        x, y, weight, count = *map(np.concatenate, (x, y, weight)), len(batch[0])
        assert counts == [count, count]
        np.testing.assert_array_equal(x[:count], batch[0])
        np.testing.assert_array_equal(y[:count], batch[1])
        np.testing.assert_array_equal(weight[:count], batch[2] if in_memory else np.ones(count))
        assert not weight[count:].any() and (x[count:] == x[count - 1]).all()
