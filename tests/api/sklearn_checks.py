"""What scikit-learn's own checks of the estimators share.

The checks look at parameters, attributes, messages and shapes, with some fifty fits for each estimator,
so they run with a stub in place of the network; ``test_estimators`` holds the claims about its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Each of these takes rows as exchangeable. Here a row is forecast from the rows before it, so the
# order of the rows and their neighbours are part of the question.
NOT_FOR_WINDOWS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "repeating or removing a row shifts every window after it, which weighting does not"
    ),
    "check_methods_sample_order_invariance": "the order of rows is their time",
    "check_methods_subset_invariance": "a row without the rows before it has another past",
}


@dataclass(frozen=True)
class StubTraining:
    """What the estimators take from a training."""

    model: np.ndarray
    history: pd.DataFrame


def stub_fit(windows: Any, hyperparameters: Any, **_: Any) -> StubTraining:
    """Weights ``(n_inputs, n_outputs)`` that depend on the train windows alone."""
    train = windows.read("train")
    x, y = (values.reshape(len(values), -1) for values in (train.x, train.y))
    weights = x.T @ y / len(x) / x.shape[1]
    return StubTraining(weights, pd.DataFrame({"loss": [1.0]}))


def stub_predict(model: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Outputs between 0 and 1, ``(n, n_outputs)``, as probabilities must be."""
    return (1 / (1 + np.exp(-(x.reshape(len(x), -1) @ model)))).astype(np.float32)
