"""Scores of probability forecasts, output by output, at a decision threshold.

scikit-learn takes seconds to import, so the functions that need it import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.evaluation.calibration_error import calibration_report
from fastlstm.evaluation.label_tally import ColumnTally
from fastlstm.evaluation.metrics import classification_scores

_CURVE_POINTS = 51


def choose_threshold(
    truth: np.ndarray, probability: np.ndarray, metric: str, windows: np.ndarray | None = None
) -> float | None:
    """The probability at or above which a row counts as positive, from validation windows.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        metric: ``'f1'`` or ``'balanced_accuracy'``, which the threshold maximises.
        windows: how many windows each of them stands for, ``(n,)``; None: one.

    Returns:
        The lowest such threshold; None where a class is absent.
    """
    windows = _each_one(truth, windows)
    positives = int((truth * windows).sum())
    negatives = int(windows.sum()) - positives
    if positives == 0 or negatives == 0:
        return None
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum((truth * windows)[order])
    count = np.cumsum(windows[order])
    if metric == "f1":
        score = 2 * hits / (count + positives)
    else:
        score = (hits / positives + 1 - (count - hits) / negatives) / 2
    last_of_value = np.append(ranked[1:] != ranked[:-1], True)
    candidates = np.flatnonzero(last_of_value)
    best = candidates[score[candidates] == np.max(score[candidates])][-1]
    return float(ranked[best])


def _each_one(truth: np.ndarray, windows: np.ndarray | None) -> np.ndarray:
    """How many windows each label stands for, ``(n,)``."""
    return np.ones(len(truth), np.int64) if windows is None else windows


def output_report(
    truth: np.ndarray, probability: np.ndarray, threshold: float, windows: np.ndarray | None = None
) -> dict[str, Any]:
    """All scores of one output.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        threshold: decision threshold; at or above it a row counts as positive.
        windows: how many windows each of them stands for, ``(n,)``; None: one.

    Returns:
        Scores of ``classification_scores`` and of ``calibration_report``;
        scikit-learn's report dict and confusion matrix (rows: truth 0, 1; columns: prediction 0, 1) at
        the threshold; and precision and recall against threshold.
    """
    from sklearn.metrics import classification_report, confusion_matrix, precision_recall_curve

    decided = (probability >= threshold).astype(int)
    labels, windows = truth.astype(int), _each_one(truth, windows)
    curve: list[dict[str, float]] = []
    if labels.any():
        precision, recall, thresholds = precision_recall_curve(
            labels, probability, sample_weight=windows
        )
        chosen = np.unique(
            np.linspace(0, len(thresholds) - 1, min(_CURVE_POINTS, len(thresholds))).astype(int)
        )
        curve = [
            {
                "threshold": float(thresholds[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
            }
            for i in chosen
        ]
    return {
        **classification_scores(truth, probability, windows),
        **calibration_report(truth, probability, windows),
        "threshold": threshold,
        "positives": int((labels * windows).sum()),
        "windows": int(windows.sum()),
        "report": classification_report(
            labels, decided, labels=[0, 1], sample_weight=windows, output_dict=True, zero_division=0
        ),
        "confusion_matrix": confusion_matrix(
            labels, decided, labels=[0, 1], sample_weight=windows
        ).tolist(),
        "precision_recall": curve,
    }


def label_report(counted: ColumnTally, classes: Sequence[str]) -> dict[str, Any]:
    """Scores of one label column, of which the likeliest class is forecast, over all steps.

    Args:
        counted: the labels.
        classes: names of the classes, in order.

    Returns:
        ``classes``; ``confusion_matrix`` (rows: true class, columns: forecast class, in that order);
        ``accuracy``; ``by_class``: precision, recall, F1 and support of each class, None where it is
        undefined; and what ``calibration_report`` gives of the forecast class' probability.
    """
    from sklearn.metrics import precision_recall_fscore_support

    numbers, confusion = np.arange(len(classes)), counted.confusion
    actual, forecast = (pair.reshape(-1) for pair in np.meshgrid(numbers, numbers, indexing="ij"))
    scores = precision_recall_fscore_support(
        actual, forecast, labels=numbers, sample_weight=confusion.reshape(-1), zero_division=np.nan
    )
    by_class = {
        name: {
            **{
                key: None if np.isnan(value) else float(value)
                for key, value in zip(("precision", "recall", "f1"), values, strict=True)
            },
            "support": int(support),
        }
        for name, *values, support in zip(classes, *scores, strict=True)
    }
    return {
        "classes": list(classes),
        "confusion_matrix": confusion.tolist(),
        "accuracy": counted.scores()["accuracy"],
        "by_class": by_class,
        **calibration_report(*counted.confidence.weighted),
    }
