"""Weights of the classes in a classifier's loss."""

from __future__ import annotations

import numpy as np

from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import DataError
from fastlstm.windows.source import WindowSource


def class_weights(hyperparameters: Hyperparameters, y: np.ndarray) -> np.ndarray | None:
    """Weight of each class, or None.

    'balanced' is ``n / (n_classes * count)`` over the train windows (King and Zeng 2001, "Logistic
    Regression in Rare Events Data"; scikit-learn's ``class_weight='balanced'``).

    Args:
        hyperparameters: ``class_weight``.
        y: labels of the train windows: ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.

    Raises:
        DataError: a class has no train window.
    """
    chosen = hyperparameters.class_weight
    if chosen is None:
        return None
    classes = y.shape[1] if y.shape[1] > 1 else 2
    if chosen != "balanced":
        return np.array([chosen[c] for c in range(classes)], np.float32)
    labels = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise DataError(
            f"class {int(np.argmin(counts))} has no train window, so class_weight 'balanced' is "
            "undefined; give more rows or raise train_size_rate"
        )
    return np.asarray(len(labels) / (classes * counts), np.float32)


def require_both_classes(dataset: WindowSource) -> None:
    """Refuse train windows in which an output is always 0, or always 1: nothing can be learned.

    Raises:
        DataError: names the target and the class that is absent.
    """
    y = dataset.read("train", columns=("y",)).y
    for number, target in enumerate(dataset.manifest["targets"]):
        for step in range(y.shape[1]):
            present = np.unique(y[:, step, number])
            if len(present) == 1:
                absent = 1 - int(present[0])
                raise DataError(
                    f"target {target!r}: class {absent} has no train window of {len(y):,}, so it "
                    "cannot be learned; give more rows, or raise train_size_rate"
                )


def class_weights_in(dataset: WindowSource, split: str, hp: Hyperparameters) -> np.ndarray | None:
    """Weight of each class by the labels of a split's windows, or None; see ``class_weights``."""
    if hp.class_weight is None:
        return None
    y = dataset.read(split, columns=("y",)).y
    return class_weights(hp, y.reshape(len(y), -1))


def weight_of_classes(class_weight: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Weight of each window by its class, float32 ``(n,)``.

    Args:
        class_weight: weight of each class, ``(n_classes,)``.
        flat: labels, ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.
    """
    labels = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0].astype(int)
    return np.asarray(class_weight[labels], np.float32)
