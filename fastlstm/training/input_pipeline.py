"""The windows of a split as batches for TensorFlow."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError
from fastlstm.network.architecture import batch_size
from fastlstm.training.class_weights import weight_of_classes
from fastlstm.training.epoch_size import windows_of_epoch
from fastlstm.windows.drawing import DrawnWindows
from fastlstm.windows.shared_rows import Folded, as_aligned
from fastlstm.windows.source import WindowSource

# From the series of some windows, ``(n,)``, to the weight of each in the loss.
Weigh = Callable[[np.ndarray], np.ndarray]
# Gives the seed of the running epoch's order, or None for the order of time.
_Seed = Callable[[], tuple[int, int] | None]


class Epoch:
    """The running epoch, which decides the order of its windows.

    Attributes:
        number: of the epoch, from 0.
    """

    number = 0


@dataclass(frozen=True)
class Part:
    """The part of each batch that the replicas of one process compute.

    A replica takes as many windows as any other; where they do not divide evenly, the last window of the
    batch is repeated, with weight 0.

    Attributes:
        first: number of the process' first replica, from 0.
        here: replicas of the process.
        replicas: of all processes.
    """

    first: int
    here: int
    replicas: int

    def of(self, count: Any) -> tuple[Any, Any]:
        """Positions in a batch of ``count`` windows, and 0 for a repeated window, otherwise 1."""
        import tensorflow as tf

        each = (count + self.replicas - 1) // self.replicas
        positions = self.first * each + tf.range(self.here * each)
        return tf.minimum(positions, count - 1), tf.cast(positions < count, tf.float32)


def tf_dataset(
    dataset: WindowSource,
    split: str,
    hp: Hyperparameters,
    *,
    weights: np.ndarray | None = None,
    weigh: Weigh | None = None,
    class_weight: np.ndarray | None = None,
    epoch: Epoch | None = None,
    part: Part | None = None,
) -> Any:
    """A ``tf.data.Dataset`` of batches: inputs, targets step-major and, where there are any, weights.

    With a part of each batch: its inputs, targets, weights, and the number of windows of the batch.

    Args:
        dataset: the windows.
        split: which of them.
        hp: ``batch_size``, ``shuffle``, ``windows_per_epoch`` and ``seed``.
        weights: weight of each window in the loss, ``(n,)``; None where all weigh alike.
        weigh: the same for windows that an epoch draws from disk, by their series.
        class_weight: weight of each class in the loss, by which ``weights`` are multiplied, or None.
        epoch: the running epoch, whose windows come shuffled; None for the order of time.
        part: the part of each batch to give; None for all of it.

    Raises:
        ConfigError: ``loss_scaling`` is set, and the windows are too many for memory.
    """
    import tensorflow as tf

    def seed() -> tuple[int, int] | None:
        return (hp.seed, epoch.number) if epoch is not None and hp.shuffle else None

    folded = dataset.folded(split)
    drawn = isinstance(dataset, DrawnWindows) and dataset.is_drawn(split)
    if hp.loss_scaling == "mase" and folded is None and not drawn:
        # In a shuffled stream from disk it is not known which series a window is of.
        raise ConfigError(
            f"loss_scaling: {hp.loss_scaling!r} needs the {split} windows in memory, and their rows "
            "are too many; use 'none', or fewer rows or features"
        )
    draws = drawn and epoch is not None
    if folded is not None and not draws:
        batches = _from_rows(dataset, split, hp, weights, class_weight, folded, seed, part)
    elif isinstance(dataset, DrawnWindows) and draws and epoch is not None:
        batches = _from_draws(dataset, split, hp, weigh, class_weight, epoch, part)
    else:
        batches = _from_stream(dataset, split, hp, class_weight, seed, part)
    count = steps_of_an_epoch(dataset, split, hp)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4))


def untuned(dataset: Any) -> Any:
    """A ``tf.data`` dataset without TensorFlow's autotuning.

    The tuner wakes 10, 20, 40, ... ms apart, and the end of an epoch at times waits for it: an epoch of
    5.2 s then takes 10.2 s, one of 10.3 s 20.5 s. There is nothing to tune here.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _windows_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    """Windows of a split in an epoch: all, or as ``windows_per_epoch`` says.

    More than there are where they are learned from, lie in memory and are too few for the gradient steps
    of an epoch.
    """
    manifest = dataset.manifest
    return windows_of_epoch(
        _windows_to_learn_from(dataset, split), hp, manifest["features"], manifest["targets"],
        may_repeat=split != "validation" and dataset.folded(split) is not None,
    )  # fmt: skip


def _windows_to_learn_from(dataset: WindowSource, split: str) -> int:
    """Windows in a split that epochs have; of validation, where they are too many, those of a sample."""
    if isinstance(dataset, DrawnWindows) and split != "validation":
        return dataset.total(split)
    return dataset.count(split)


def _batch_size(dataset: WindowSource, hp: Hyperparameters) -> int:
    """Windows in a batch of this dataset."""
    return batch_size(hp, dataset.manifest["features"], dataset.manifest["targets"])


def steps_of_an_epoch(dataset: WindowSource, split: str, hp: Hyperparameters) -> int:
    """Batches of a split in an epoch."""
    return math.ceil(_windows_of_an_epoch(dataset, split, hp) / _batch_size(dataset, hp))


def _order(count: int, wanted: int, seed: tuple[int, int] | None) -> np.ndarray:
    """Numbers of an epoch's windows: shuffled, or without a seed in order of time, evenly spaced.

    Where more are wanted than there are, each is drawn again only after all others were.
    """
    if seed is None:
        return np.arange(wanted) * count // wanted
    generator = np.random.default_rng(seed)
    passes = -(-wanted // count)
    return np.concatenate([generator.permutation(count) for _ in range(passes)])[:wanted]


def _from_rows(
    dataset: WindowSource, split: str, hp: Hyperparameters, weights: np.ndarray | None,
    class_weight: np.ndarray | None, folded: tuple[Folded, Folded], seed: _Seed, part: Part | None,
) -> Any:  # fmt: skip
    """Batches gathered by TensorFlow from rows in memory; Python gives only each epoch's order.

    Measured on 2 cores with a network that takes 20 ms a batch: 1.2 to 1.8 times the speed of batches
    made in Python, which compete with the training for the cores.
    """
    import tensorflow as tf

    y = folded[1]
    columns = [_shared(part.rows) for part in folded]
    firsts = [_shared(part.first) for part in folded]
    lengths = [part.length for part in folded]
    outputs = y.length * y.rows.shape[1]
    if class_weight is not None:
        of_classes = weight_of_classes(class_weight, y[np.arange(len(y))].reshape(len(y), outputs))
        weights = of_classes if weights is None else weights * of_classes
    weight_of = None if weights is None else tf.constant(weights, tf.float32)

    # TensorFlow keeps a generator's function as long as the process lives, so it holds no rows.
    count, wanted = dataset.count(split), _windows_of_an_epoch(dataset, split, hp)

    def orders() -> Iterator[np.ndarray]:
        yield _order(count, wanted, seed())

    def gather(number: int, chosen: Any) -> Any:
        rows = tf.gather(firsts[number], chosen)[:, None] + tf.range(
            lengths[number], dtype=tf.int64
        )
        return tf.gather(columns[number], rows)

    def batch(chosen: Any) -> tuple[Any, ...]:
        x_and_y = (gather(0, chosen), tf.reshape(gather(1, chosen), [-1, outputs]))
        return x_and_y if weight_of is None else (*x_and_y, tf.gather(weight_of, chosen))

    def own(chosen: Any) -> tuple[Any, ...]:
        assert part is not None  # noqa: S101 (it is called for a part)
        count = tf.shape(chosen)[0]
        positions, real = part.of(count)
        x, y, *weight = batch(tf.gather(chosen, positions))
        return x, y, (real * weight[0] if weight else real), count

    whole = tf.data.Dataset.from_generator(
        orders, output_signature=tf.TensorSpec((None,), tf.int64)
    )
    return whole.unbatch().batch(_batch_size(dataset, hp)).map(batch if part is None else own)


def _of_part(batches: Any, part: Part | None) -> Any:
    """Of each batch a part, with weights, and the number of windows of the batch."""
    import tensorflow as tf

    if part is None:
        return batches

    def own(x: Any, y: Any, weight: Any = None) -> tuple[Any, ...]:
        count = tf.shape(y)[0]
        positions, real = part.of(count)
        if weight is not None:
            real = real * tf.gather(weight, positions)
        return tf.gather(x, positions), tf.gather(y, positions), real, count

    return batches.map(own)


def _shared(values: np.ndarray) -> Any:
    """A tensor over an array's own memory; ``tf.constant`` would keep two more copies of it.

    TensorFlow ends the process over memory that is not aligned, so such an array is copied.
    """
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(as_aligned(values).__dlpack__())


def _from_draws(
    dataset: DrawnWindows, split: str, hp: Hyperparameters, weigh: Weigh | None,
    class_weight: np.ndarray | None, epoch: Epoch, part: Part | None,
) -> Any:  # fmt: skip
    """Batches of windows that each epoch draws from those on disk, or of all of them.

    They come shuffled, whatever ``shuffle`` says: the windows of a row group are of few series.
    """
    import tensorflow as tf

    size, wanted = _batch_size(dataset, hp), _windows_of_an_epoch(dataset, split, hp)
    outputs = dataset.manifest["steps_ahead"] * len(dataset.manifest["targets"])
    weighted = weigh is not None or class_weight is not None
    # TensorFlow keeps a generator's function as long as the process lives; the caller keeps the windows.
    reference = weakref.ref(dataset)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        dataset, seed = reference(), (hp.seed, epoch.number)
        assert dataset is not None  # noqa: S101 (the caller trains on it)
        drawn = dataset.draws(split, wanted, size, seed, series=weigh is not None)
        for x, y, series in drawn:
            flat = y.reshape(len(y), outputs)
            if not weighted:
                yield x, flat
                continue
            weight = np.ones(len(x), np.float32) if weigh is None else weigh(series)
            if class_weight is not None:
                weight = weight * weight_of_classes(class_weight, flat)
            yield x, flat, weight

    signature = _signature(dataset, weighted=weighted)
    return _of_part(tf.data.Dataset.from_generator(batches, output_signature=signature), part)


def _signature(dataset: WindowSource, *, weighted: bool) -> tuple[Any, ...]:
    """Shapes and types of a batch."""
    import tensorflow as tf

    shape = dataset.manifest
    outputs = shape["steps_ahead"] * len(shape["targets"])
    signature: tuple[Any, ...] = (
        tf.TensorSpec((None, shape["timesteps"], len(shape["features"])), tf.float32),
        tf.TensorSpec((None, outputs), tf.float32),
    )
    return (*signature, tf.TensorSpec((None,), tf.float32)) if weighted else signature


def _from_stream(
    dataset: WindowSource, split: str, hp: Hyperparameters, class_weight: np.ndarray | None,
    seed: _Seed, part: Part | None,
) -> Any:  # fmt: skip
    """Batches made in Python, of windows that are too many for memory.

    They come in an order of the dataset's own, and so do the weights that it gives.
    """
    import tensorflow as tf

    shape, size = dataset.manifest, _batch_size(dataset, hp)
    outputs = shape["steps_ahead"] * len(shape["targets"])
    weighted = class_weight is not None or dataset.weights(split) is not None
    # TensorFlow keeps a generator's function as long as the process lives; the caller keeps the windows.
    reference = weakref.ref(dataset)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        dataset, epoch_seed = reference(), seed()
        assert dataset is not None  # noqa: S101 (the caller trains on it)
        of_windows = dataset.weights(split, epoch_seed)
        # Shuffled batches come in the order of the seed, whose first windows are the epoch's.
        taken = np.zeros(dataset.count(split), bool)
        wanted = min(_windows_of_an_epoch(dataset, split, hp), len(taken))
        taken[np.arange(wanted) if epoch_seed else _order(len(taken), wanted, None)] = True
        start = 0
        for every_x, every_y in dataset.batches(split, size, epoch_seed):
            in_batch = np.flatnonzero(taken[start : start + len(every_x)])
            in_split, start = start + in_batch, start + len(every_x)
            if not len(in_batch):
                continue
            x, y = every_x[in_batch], every_y[in_batch]
            flat = y.reshape(len(y), outputs)
            if not weighted:
                yield x, flat
                continue
            weight = np.ones(len(x), np.float32)
            if of_windows is not None:
                weight = of_windows[in_split]
            if class_weight is not None:
                weight = weight * weight_of_classes(class_weight, flat)
            yield x, flat, weight

    signature = _signature(dataset, weighted=weighted)
    streamed = tf.data.Dataset.from_generator(batches, output_signature=signature)
    # Taking evenly spaced windows leaves batches of any size.
    whole = streamed if hp.windows_per_epoch is None else streamed.unbatch().batch(size)
    return _of_part(whole, part)
