"""How much each feature, and each stretch of past rows, matters to a network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.network.inference import predict_point

_BATCH = 256


_STRETCHES = 12


# Gauss-Legendre points on the way from the baseline to a window; exact for smooth networks.
_POINTS = 16


def scaled_error(model: Any, x: np.ndarray, truth: np.ndarray, is_regressor: bool) -> float:
    """Mean absolute error in scaled units; for probabilities the Brier score.

    Args:
        model: the Keras network.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        truth: ``(n, n_outputs)``, as the network learns them.
        is_regressor: which of the two.
    """
    error = predict_point(model, x, truth.shape[1]) - truth
    return float(np.abs(error).mean() if is_regressor else (error**2).mean())


def stretches(timesteps: int) -> list[tuple[int, int]]:
    """Up to twelve stretches of input rows as nearly equal as may be: first row and end, from 0."""
    count = min(_STRETCHES, timesteps)
    bounds = np.linspace(0, timesteps, count + 1).round().astype(int).tolist()
    return list(pairwise(bounds))


def integrated_gradients(model: Any, x: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """What each input adds to the sum of a network's outputs, compared with a baseline's outputs.

    Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks": the attributions of a
    window sum to the difference between its outputs and the baseline's.

    Args:
        model: the Keras network over TensorFlow.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        baseline: the window compared with, ``(timesteps, n_features)``.

    Returns:
        Attributions, shaped as ``x``.
    """
    import tensorflow as tf

    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    share = ((points + 1) / 2).astype(np.float32)[:, None, None, None]
    weight = (weights / 2).astype(np.float32)[:, None, None, None]
    out = np.empty_like(x)
    at_once = max(1, _BATCH * 4 // _POINTS)
    for start in range(0, len(x), at_once):
        away = x[start : start + at_once] - baseline
        on_the_way = (baseline + share * away).reshape(-1, *baseline.shape)
        batch = tf.convert_to_tensor(on_the_way)
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = tf.reduce_sum(model(batch, training=False))
        gradient = tape.gradient(outputs, batch).numpy().reshape(_POINTS, *away.shape)
        out[start : start + at_once] = away * (weight * gradient).sum(axis=0)
    return out


def lag_importance(
    model: Any,
    score: Callable[[np.ndarray], float],
    x: np.ndarray,
    features: list[str],
    seed: int = 0,
) -> pd.DataFrame:
    """Both importances of each feature in each stretch of past rows.

    Args:
        model: the Keras network over TensorFlow.
        score: error of the network for inputs, lower is better.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        features: names of the features.
        seed: of the permutations.

    Returns:
        One line per feature and stretch: ``feature``; ``from`` and ``to``, the rows before the origin
        (1: the last one), both included; ``permutation``, the increase of the error when the stretch is
        exchanged among the windows (Breiman 2001); ``integrated_gradients``, the mean absolute
        attribution of the stretch as a whole, with the mean window as the baseline.
    """
    rng, base = np.random.default_rng(seed), score(x)
    attributed = integrated_gradients(model, x, x.mean(axis=0))
    timesteps = x.shape[1]
    lines = []
    for number, feature in enumerate(features):
        for first, end in stretches(timesteps):
            changed = x.copy()
            changed[:, first:end, number] = x[rng.permutation(len(x)), first:end, number]
            whole = attributed[:, first:end, number].sum(axis=1)
            lines.append(
                {
                    "feature": feature,
                    "from": timesteps - first,
                    "to": timesteps - end + 1,
                    "permutation": score(changed) - base,
                    "integrated_gradients": float(np.abs(whole).mean()),
                }
            )
    return pd.DataFrame(lines)


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
