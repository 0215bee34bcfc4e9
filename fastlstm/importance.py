"""How much each feature matters to a network, by gradients or by permutation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

_BATCH = 256


def gradient_importance(model: Any, x: np.ndarray, features: list[str]) -> pd.Series:
    """Share of each feature in the mean absolute gradient of the outputs by the scaled inputs.

    Simonyan, Vedaldi and Zisserman 2013, "Deep Inside Convolutional Networks" (saliency), summed
    over time steps and averaged over windows.

    Args:
        model: the Keras network over TensorFlow.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        features: names of the features.

    Returns:
        Shares that sum to 1, greatest first.
    """
    import tensorflow as tf

    total = np.zeros(len(features))
    for start in range(0, len(x), _BATCH):
        batch = tf.convert_to_tensor(x[start : start + _BATCH])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = tf.reduce_sum(model(batch, training=False))
        total += np.abs(tape.gradient(outputs, batch).numpy()).sum(axis=(0, 1))
    share = total / total.sum() if total.sum() > 0 else total
    return pd.Series(share, index=features, name="importance").sort_values(ascending=False)


def permutation_importance(
    score: Callable[[np.ndarray], float],
    x: np.ndarray,
    features: list[str],
    n_repeats: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """How much worse the score becomes when a feature's windows are exchanged among each other.

    Breiman 2001, "Random Forests", applied to whole windows so that the order in time within a
    window stays.

    Args:
        score: error of the network for inputs, lower is better.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        features: names of the features.
        n_repeats: permutations per feature.
        seed: of the permutations.

    Returns:
        One row per feature with ``mean`` and ``std`` of the increase in error, greatest first.
    """
    rng = np.random.default_rng(seed)
    base = score(x)
    rows = []
    for i in range(len(features)):
        worse = []
        for _ in range(n_repeats):
            changed = x.copy()
            changed[:, :, i] = x[rng.permutation(len(x)), :, i]
            worse.append(score(changed) - base)
        rows.append({"mean": np.mean(worse), "std": np.std(worse)})
    return pd.DataFrame(rows, index=features).sort_values("mean", ascending=False)
