"""Weights of the classes in a classifier's loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastlstm.config.class_weights import weights_of_columns
from fastlstm.config.hyperparameters import Hyperparameters
from fastlstm.errors import ConfigError, DataError
from fastlstm.evaluation.labels import class_numbers, label_columns
from fastlstm.windows.source import WindowSource


def class_weights(hyperparameters: Hyperparameters, y: np.ndarray) -> np.ndarray | None:
    """Weight of each class, or None.

    'balanced' is ``n / (n_classes * count)`` over the train windows (King and Zeng 2001, "Logistic
    Regression in Rare Events Data"; scikit-learn's ``class_weight='balanced'``).

    Args:
        hyperparameters: ``class_weight``.
        y: labels of the train windows: ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.

    Raises:
        ConfigError: the weights are of other classes.
        DataError: a class has no train window.
    """
    chosen = hyperparameters.class_weight
    if chosen is None:
        return None
    classes = y.shape[1] if y.shape[1] > 1 else 2
    named = {"class": [str(number) for number in range(classes)]}
    if hyperparameters.classes is not None:
        named = hyperparameters.classes
    (names,), (weights,) = named.values(), weights_of_columns(chosen, named)
    if weights != "balanced":
        return np.array([*weights.values()], np.float32)
    labels = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
    return _balanced(labels, names, named=hyperparameters.classes is not None)


def _balanced(number: np.ndarray, names: Sequence[str], *, named: bool) -> np.ndarray:
    """``n / (n_classes * count)`` of each class, from the number of each label's class.

    Raises:
        DataError: a class has none.
    """
    counts = np.bincount(number, minlength=len(names))
    if (counts == 0).any():
        first = names[int(np.argmin(counts))]
        raise DataError(
            f"class {repr(first) if named else first} has no train window, so class_weight 'balanced' "
            "is undefined; give more rows or raise train_size_rate"
        )
    return np.asarray(len(number) / (len(names) * counts), np.float32)


def label_class_weights(dataset: WindowSource, hp: Hyperparameters) -> list[np.ndarray] | None:
    """Weight of each class of each label column, where windows have several labels.

    'balanced' is of the labels of all steps of the train windows.

    Args:
        dataset: the windows.
        hp: ``class_weight`` and the label columns.

    Returns:
        None where labels have no weights, or windows have one label; see ``class_weights_in``.

    Raises:
        ConfigError: the weights are of other classes.
        DataError: a class has no train window.
    """
    chosen = hp.class_weight
    if chosen is None or not hp.weighs_each_label:
        return None
    columns = label_columns(hp, dataset.manifest["targets"])
    given = weights_of_columns(chosen, {column.name: column.classes for column in columns})
    y = dataset.read("train", columns=("y",)).y if "balanced" in given else None
    found = []
    for column, weights in zip(columns, given, strict=True):
        if weights == "balanced":
            assert y is not None  # noqa: S101 (read above)
            number = class_numbers(y, column).reshape(-1)
            found.append(_balanced(number, column.classes, named=True))
        else:
            found.append(np.array([*weights.values()], np.float32))
    return found


def require_both_classes(dataset: WindowSource, hyperparameters: Hyperparameters) -> None:
    """Refuse train windows in which a label is always the same: nothing can be learned.

    Args:
        dataset: the windows.
        hyperparameters: the label columns; without them each output is a label of its own.

    Raises:
        DataError: names the target and the class that is absent.
    """
    y = dataset.read("train", columns=("y",)).y
    if hyperparameters.classes is not None:
        _require_two_classes(y, hyperparameters, dataset.manifest["targets"])
        return
    for number, target in enumerate(dataset.manifest["targets"]):
        for step in range(y.shape[1]):
            present = np.unique(y[:, step, number])
            if len(present) == 1:
                absent = 1 - int(present[0])
                raise DataError(
                    f"target {target!r}: class {absent} has no train window of {len(y):,}, so it "
                    "cannot be learned; give more rows, or raise train_size_rate"
                )


def _require_two_classes(y: np.ndarray, hp: Hyperparameters, targets: list[str]) -> None:
    """Refuse labels ``(n, steps, n_targets)`` of which a column is always of the same class."""
    for column in label_columns(hp, targets):
        for step in range(y.shape[1]):
            present = np.unique(class_numbers(y[:, step], column))
            if len(present) == 1:
                raise DataError(
                    f"target {column.name!r}: all {len(y):,} train windows are of class "
                    f"{column.classes[present[0]]!r}, so no other can be learned; give more rows, or "
                    "raise train_size_rate"
                )


def class_weights_in(dataset: WindowSource, split: str, hp: Hyperparameters) -> np.ndarray | None:
    """Weight of each class by the labels of a split's windows, or None; see ``class_weights``.

    None too where windows have several labels; see ``label_class_weights``.

    Raises:
        ConfigError: windows have several labels without names of classes.
    """
    if hp.class_weight is None or hp.weighs_each_label:
        return None
    y = dataset.read(split, columns=("y",)).y
    outputs = y.shape[1] * y.shape[2]
    if hp.classes is None and outputs > 1 and hp.last_layer_activation != "softmax":
        raise ConfigError(
            f"hyperparameters.class_weight: {outputs} outputs have no common class; remove it, or train "
            "one model per output"
        )
    return class_weights(hp, y.reshape(len(y), -1))


def weight_of_classes(class_weight: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Weight of each window by its class, float32 ``(n,)``.

    Args:
        class_weight: weight of each class, ``(n_classes,)``.
        flat: labels, ``(n, 1)`` of 0 and 1, or ``(n, n_classes)`` one-hot.
    """
    labels = flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0].astype(int)
    return np.asarray(class_weight[labels], np.float32)
