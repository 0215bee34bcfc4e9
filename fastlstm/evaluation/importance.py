"""How much each feature, and each block of past rows, matters to a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fastlstm.config.retrain import RetrainConfig
from fastlstm.evaluation.networks import EvaluatedNetworks
from fastlstm.network.fused_lstm import fused
from fastlstm.network.inference import predict_point, windows_at_once
from fastlstm.windows.source import WindowSource

# Windows whose gradient is computed at once, and how many values they may hold: what a network keeps
# of a window for its gradient is many times as large as the window.
_GRADIENT_WINDOWS, _GRADIENT_VALUES = 256, 4_000_000

_LAG_BLOCKS = 12

# Most permutations of a feature's block, and most input values that all of them may forecast from: some
# 20 s on two cores. One feature is permuted whatever it takes.
_PERMUTATIONS, _PERMUTED_VALUES = 360, 400_000_000

# Gauss-Legendre points on the way from the baseline to a window; exact for smooth networks.
_POINTS = 16


def scaled_error(model: Any, x: np.ndarray, truth: np.ndarray, is_regressor: bool) -> float:
    """Mean absolute error in scaled units; for probabilities the Brier score.

    Args:
        model: the Keras network.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        truth: scaled targets or labels, ``(n, n_outputs)``.
        is_regressor: which of the two.
    """
    error = predict_point(model, x, truth.shape[1]) - truth
    return float((np.abs(error) if is_regressor else error**2).mean())


def lag_blocks(timesteps: int) -> list[tuple[int, int]]:
    """Up to twelve blocks of input rows of nearly equal length: first row and end, from 0."""
    count = min(_LAG_BLOCKS, timesteps)
    bounds = np.linspace(0, timesteps, count + 1).round().astype(int).tolist()
    return list(pairwise(bounds))


def explain(
    networks: EvaluatedNetworks, dataset: WindowSource, settings: RetrainConfig
) -> list[dict[str, Any]]:
    """Feature importance on validation windows, evenly spaced, as ``metrics.json`` keeps it.

    Args:
        networks: the chosen network is explained: it has not learned from these windows.
        dataset: the windows; validation alone is read.
        settings: how many windows to take.

    Returns:
        The rows of ``lag_importance``, with None where a feature was not permuted.
    """
    hp = settings.hyperparameters
    x, y = _evenly_spaced(dataset, settings.evaluation.explain_windows)
    truth = y.reshape(len(y), -1)

    def score(inputs: np.ndarray) -> float:
        return scaled_error(networks.chosen, inputs, truth, hp.is_regressor)

    table = lag_importance(networks.chosen, score, x, settings.data.features, hp.seed)
    without_nan = table.astype(object).where(table.notna(), None)
    return [
        {str(key): value for key, value in row.items()} for row in without_nan.to_dict("records")
    ]


def _evenly_spaced(dataset: WindowSource, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of some validation windows; read in batches, since all may exceed memory."""
    count = dataset.count("validation")
    chosen = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int))
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    for x, y in dataset.batches("validation", windows_at_once(dataset.manifest)):
        in_batch = chosen[(chosen >= start) & (chosen < start + len(x))] - start
        parts.append((x[in_batch], y[in_batch]))
        start += len(x)
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return inputs, targets


def _gradients(model: Any, x: np.ndarray, most: int) -> np.ndarray:
    """Gradients of the sum of a network's outputs by its inputs, shaped as ``x``.

    Args:
        model: the Keras network over TensorFlow.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        most: windows to take at once, fewer where they hold many values.
    """
    import tensorflow as tf

    size = max(1, min(most, _GRADIENT_VALUES // math.prod(x.shape[1:])))
    parts = []
    # Not compiled: tracing a network and its gradient takes longer than the few batches there are.
    with fused(model):
        for start in range(0, len(x), size):
            batch = tf.convert_to_tensor(x[start : start + size])
            with tf.GradientTape() as tape:
                tape.watch(batch)
                outputs = tf.reduce_sum(model(batch, training=False))
            parts.append(tape.gradient(outputs, batch).numpy())
    return np.concatenate(parts)


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
    nodes, node_weights = np.polynomial.legendre.leggauss(_POINTS)
    position = ((nodes + 1) / 2).astype(np.float32)[:, None, None, None]
    weight = (node_weights / 2).astype(np.float32)[:, None, None, None]
    attributions = np.empty_like(x)
    most = 4 * _GRADIENT_WINDOWS
    size = max(1, min(most, _GRADIENT_VALUES // math.prod(x.shape[1:])) // _POINTS)
    for start in range(0, len(x), size):
        difference = x[start : start + size] - baseline
        path = (baseline + position * difference).reshape(-1, *baseline.shape)
        gradient = _gradients(model, path, most).reshape(_POINTS, *difference.shape)
        attributions[start : start + size] = difference * (weight * gradient).sum(axis=0)
    return attributions


def lag_importance(
    model: Any,
    score: Callable[[np.ndarray], float],
    x: np.ndarray,
    features: list[str],
    seed: int = 0,
) -> pd.DataFrame:
    """Both importances of each feature in each block of past rows.

    Args:
        model: the Keras network over TensorFlow.
        score: error of the network for inputs, lower is better.
        x: scaled inputs, ``(n, timesteps, n_features)``.
        features: names of the features.
        seed: of the permutations.

    Returns:
        One row per feature and block: ``feature``; ``from`` and ``to``, the rows before the first target
        row (1: the last one), both included; ``permutation``, the increase of the error when the block
        is permuted among the windows (Breiman 2001); ``integrated_gradients``, the mean absolute
        attribution of the block as a whole, with the mean window as the baseline. Of many features only
        those with the greatest attributions are permuted; the others have NaN.
    """
    rng, base = np.random.default_rng(seed), score(x)
    attributions = integrated_gradients(model, x, x.mean(axis=0))
    timesteps = x.shape[1]
    blocks = lag_blocks(timesteps)
    of_blocks = np.stack(
        [np.abs(attributions[:, a:b].sum(axis=1)).mean(axis=0) for a, b in blocks], axis=1
    )
    chosen = _permuted_features(of_blocks.sum(axis=1), len(blocks), x.size)
    permuted, rows = x.copy(), []
    for number, feature in enumerate(features):
        for block, (first, end) in enumerate(blocks):
            increase = float("nan")
            if number in chosen:
                permuted[:, first:end, number] = x[rng.permutation(len(x)), first:end, number]
                increase = score(permuted) - base
                permuted[:, first:end, number] = x[:, first:end, number]
            rows.append(
                {
                    "feature": feature,
                    "from": timesteps - first,
                    "to": timesteps - end + 1,
                    "permutation": increase,
                    "integrated_gradients": float(of_blocks[number, block]),
                }
            )
    return pd.DataFrame(rows)


def _permuted_features(attributions: np.ndarray, blocks: int, values: int) -> frozenset[int]:
    """Numbers of the features to permute: all of few, otherwise those with the greatest attributions.

    Args:
        attributions: of each feature, ``(n_features,)``.
        blocks: blocks of past rows, each of which is permuted.
        values: input values of all windows, from which every permutation forecasts.
    """
    permutations = min(_PERMUTATIONS, _PERMUTED_VALUES // max(1, values))
    most = max(1, permutations // blocks)
    return frozenset(np.argsort(-attributions, kind="stable")[:most].tolist())


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
    total = np.zeros(len(features))
    for start in range(0, len(x), _GRADIENT_WINDOWS):
        gradients = _gradients(model, x[start : start + _GRADIENT_WINDOWS], _GRADIENT_WINDOWS)
        total += np.abs(gradients).sum(axis=(0, 1))
    share = total / total.sum() if total.sum() > 0 else total
    return pd.Series(share, index=features, name="importance").sort_values(ascending=False)


def permutation_importance(
    score: Callable[[np.ndarray], float],
    x: np.ndarray,
    features: list[str],
    n_repeats: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Increase of the error when a feature's windows are permuted among each other.

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
        increases = []
        for _ in range(n_repeats):
            permuted = x.copy()
            permuted[:, :, i] = x[rng.permutation(len(x)), :, i]
            increases.append(score(permuted) - base)
        rows.append({"mean": np.mean(increases), "std": np.std(increases)})
    return pd.DataFrame(rows, index=features).sort_values("mean", ascending=False)
