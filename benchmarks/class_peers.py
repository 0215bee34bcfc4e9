"""Logistic regression and LightGBM on the windows of ``benchmarks.classes``.

``python -m benchmarks.class_peers WINDOWS OUTPUT``, in the peers' environment. Both learn from the train
windows; validation chooses the penalty of the logistic regression and the number of LightGBM's trees,
which has its own defaults otherwise.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

# Inverse penalties of the logistic regression; scikit-learn's own is 1.
_INVERSE_PENALTIES = (0.01, 0.1, 1.0)
_MOST_TREES, _PATIENCE = 1_000, 50


def logistic_regression(windows: dict[str, np.ndarray], classes: int) -> np.ndarray:
    """Probabilities of the test windows, ``(n, classes)``."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    best, chosen = np.inf, None
    for penalty in _INVERSE_PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1_000))
        model.fit(windows["train_x"], windows["train_y"])
        given = _of_all(model, windows["validation_x"], classes)
        loss = log_loss(given, windows["validation_y"])
        if loss < best:
            best, chosen = loss, model
    return _of_all(chosen, windows["test_x"], classes)


def lightgbm(windows: dict[str, np.ndarray], classes: int) -> np.ndarray:
    """Probabilities of the test windows, ``(n, classes)``."""
    from lightgbm import LGBMClassifier, early_stopping  # type: ignore[import-not-found]

    model = LGBMClassifier(
        n_estimators=_MOST_TREES, verbosity=-1, random_state=0, deterministic=True, n_jobs=2
    )
    # Only labels that it has learned can stop it.
    known = np.isin(windows["validation_y"], windows["train_y"])
    model.fit(
        windows["train_x"], windows["train_y"],
        eval_set=[(windows["validation_x"][known], windows["validation_y"][known])],
        callbacks=[early_stopping(_PATIENCE, verbose=False)],
    )  # fmt: skip
    return _of_all(model, windows["test_x"], classes)


def _of_all(model: object, x: np.ndarray, classes: int) -> np.ndarray:
    """A model's probabilities with a column for every class, also those it has not seen."""
    found = np.zeros((len(x), classes))
    found[:, model.classes_] = model.predict_proba(x)  # type: ignore[attr-defined]
    return found


def log_loss(probability: np.ndarray, number: np.ndarray) -> float:
    """Mean negative logarithm of the true class' probability, of 1e-7 where that is less."""
    return float(-np.log(np.clip(probability[np.arange(len(number)), number], 1e-7, 1)).mean())


PEERS = {"logistic regression": logistic_regression, "LightGBM": lightgbm}


def main() -> None:
    """Fit both and write the probabilities."""
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    file, output = map(Path, sys.argv[1:])
    with np.load(file) as loaded:
        windows = dict(loaded)
    classes = int(windows["classes"])
    table = {}
    for name, forecast in PEERS.items():
        for number, column in enumerate(forecast(windows, classes).T):
            table[f"{name} {number}"] = column
    pd.DataFrame(table).to_parquet(output, index=False)


if __name__ == "__main__":
    main()
