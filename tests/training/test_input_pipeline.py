"""Which windows an epoch has, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from fastlstm.training.input_pipeline import Epoch, tf_dataset
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
