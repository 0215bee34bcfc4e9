"""The windows of a split as batches for TensorFlow."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.network.architecture import batch_size
from fastlstm.training.class_weights import weight_of_classes
from fastlstm.windows.shared_rows import Folded, as_aligned
from fastlstm.windows.source import WindowSource


class Epoch:
    """The running epoch, told to the generator of windows so that each has its own order."""

    number = 0


def tf_dataset(
    dataset: WindowSource,
    split: str,
    hp: Hyperparameters,
    class_weight: np.ndarray | None,
    epoch: Epoch | None,
) -> Any:
    import tensorflow as tf

    def seed() -> tuple[int, int] | None:
        return (hp.seed, epoch.number) if epoch is not None and hp.shuffle else None

    kept = dataset.folded(split)
    if kept is not None:
        made = _from_rows(dataset, split, hp, class_weight, kept, seed)
    else:
        made = _from_batches(dataset, split, hp, class_weight, seed)
    count = steps_of_an_epoch(dataset, split, hp)
    return untuned(made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4))


def untuned(dataset: Any) -> Any:
    """A ``tf.data`` dataset whose stages are left as they are while it runs.

    TensorFlow's tuner looks at them 10, 20, 40, ... ms apart, and the end of an epoch at times waits for
    its next look: an epoch of 5.2 s then takes 10.2 s, one of 10.3 s 20.5 s. It would have nothing to
    choose here.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _windows_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    count = dataset.count(split)
    return min(count, hp.windows_per_epoch or count)


def _batch_size(dataset: WindowSource, hp: Hyperparameters) -> int:
    return batch_size(hp, dataset.manifest["features"], dataset.manifest["targets"])


def steps_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    return math.ceil(_windows_of_an_epoch(dataset, split, hp) / _batch_size(dataset, hp))


def _order(count: int, wanted: int, seed: tuple[int, int] | None) -> np.ndarray:
    """Numbers of an epoch's windows: shuffled, or without a seed in order of time, evenly spaced."""
    if seed is None:
        return np.arange(wanted) * count // wanted
    return np.random.default_rng(seed).permutation(count)[:wanted]


def _from_rows(
    dataset: WindowSource, split: str, hp: Hyperparameters, class_weight: np.ndarray | None,
    kept: tuple[Folded, Folded], seed: Callable[[], tuple[int, int] | None],
) -> Any:  # fmt: skip
    """Batches gathered from rows in memory by TensorFlow itself; Python gives each epoch's order alone.

    Measured on 2 cores with a network that takes 20 ms a batch: 1.2 to 1.8 times the speed of batches
    made in Python, which compete with the training for the cores.
    """
    import tensorflow as tf

    y = kept[1]
    columns = [_shared(part.rows) for part in kept]
    firsts = [_shared(part.first) for part in kept]
    outputs = y.length * y.rows.shape[1]
    weight = dataset.weights(split)
    if class_weight is not None:
        of_classes = weight_of_classes(class_weight, y[np.arange(len(y))].reshape(len(y), outputs))
        weight = of_classes if weight is None else weight * of_classes
    weights = None if weight is None else tf.constant(weight, tf.float32)

    # TensorFlow keeps a generator's function as long as the process lives, so it holds no rows.
    count, wanted = dataset.count(split), _windows_of_an_epoch(dataset, split, hp)

    def orders() -> Iterator[np.ndarray]:
        yield _order(count, wanted, seed())

    def gather(number: int, chosen: Any) -> Any:
        rows = tf.gather(firsts[number], chosen)[:, None] + tf.range(
            kept[number].length, dtype=tf.int64
        )
        return tf.gather(columns[number], rows)

    def batch(chosen: Any) -> tuple[Any, ...]:
        made = (gather(0, chosen), tf.reshape(gather(1, chosen), [-1, outputs]))
        return made if weights is None else (*made, tf.gather(weights, chosen))

    whole = tf.data.Dataset.from_generator(
        orders, output_signature=tf.TensorSpec((None,), tf.int64)
    )
    return whole.unbatch().batch(_batch_size(dataset, hp)).map(batch)


def _shared(values: np.ndarray) -> Any:
    """A tensor over an array's own memory; ``tf.constant`` would keep two more copies of it.

    TensorFlow ends the process over memory that is not aligned, so such an array is copied.
    """
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(as_aligned(values).__dlpack__())


def _from_batches(
    dataset: WindowSource, split: str, hp: Hyperparameters, class_weight: np.ndarray | None,
    seed: Callable[[], tuple[int, int] | None],
) -> Any:  # fmt: skip
    """Batches made in Python, of windows that are too many for memory."""
    import tensorflow as tf

    shape, size = dataset.manifest, _batch_size(dataset, hp)
    outputs = shape["steps_ahead"] * len(shape["targets"])
    weighted = class_weight is not None or dataset.weights(split) is not None
    # TensorFlow keeps a generator's function as long as the process lives; the caller keeps the windows.
    kept = weakref.ref(dataset)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        dataset, chosen = kept(), seed()
        assert dataset is not None  # noqa: S101 (the caller trains on it)
        of_windows = dataset.weights(split, chosen)
        # Shuffled batches come in the order of the seed, whose first windows are the epoch's.
        taken = np.zeros(dataset.count(split), bool)
        wanted = _windows_of_an_epoch(dataset, split, hp)
        taken[np.arange(wanted) if chosen else _order(len(taken), wanted, None)] = True
        start = 0
        for every_x, every_y in dataset.batches(split, size, chosen):
            mine = np.flatnonzero(taken[start : start + len(every_x)])
            here, start = start + mine, start + len(every_x)
            if not len(mine):
                continue
            x, y = every_x[mine], every_y[mine]
            flat = y.reshape(len(y), outputs)
            if not weighted:
                yield x, flat
                continue
            weight = np.ones(len(x), np.float32)
            if of_windows is not None:
                weight = of_windows[here]
            if class_weight is not None:
                weight = weight * weight_of_classes(class_weight, flat)
            yield x, flat, weight

    signature: tuple[Any, ...] = (
        tf.TensorSpec((None, shape["timesteps"], len(shape["features"])), tf.float32),
        tf.TensorSpec((None, outputs), tf.float32),
    )
    if weighted:
        signature += (tf.TensorSpec((None,), tf.float32),)
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Taking evenly spaced windows leaves batches of any size.
    return made if hp.windows_per_epoch is None else made.unbatch().batch(size)
