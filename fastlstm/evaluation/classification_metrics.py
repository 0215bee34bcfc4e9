"""Scores of probability forecasts: per output, at a threshold that validation chose.

scikit-learn takes seconds to import, so here and in the modules beside it, what needs it imports it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_CURVE_POINTS = 51


_BINS = 15


def choose_threshold(truth: np.ndarray, probability: np.ndarray, metric: str) -> float | None:
    """The probability from which on a row counts as positive, by validation windows.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        metric: ``'f1'`` or ``'balanced_accuracy'``, to be highest; the lowest such threshold.

    Returns:
        The threshold, or None where one class is absent and none can be chosen.
    """
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        return None
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(truth[order])
    count = np.arange(1, len(truth) + 1)
    if metric == "f1":
        score = 2 * hits / (count + positives)
    else:
        score = (hits / positives + 1 - (count - hits) / negatives) / 2
    last_of_value = np.append(ranked[1:] != ranked[:-1], True)
    candidates = np.flatnonzero(last_of_value)
    best = candidates[score[candidates] == np.max(score[candidates])][-1]
    return float(ranked[best])


def binary_scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, float | None]:
    """ROC AUC, average precision and Brier score (Brier 1950); None where a class is absent.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    both = 0 < truth.sum() < len(truth)
    return {
        "roc_auc": float(roc_auc_score(truth, probability)) if both else None,
        "average_precision": float(average_precision_score(truth, probability)) if both else None,
        "brier": float(np.mean((probability - truth) ** 2)) if len(truth) else None,
    }


def reliability(
    truth: np.ndarray, probability: np.ndarray
) -> tuple[float | None, list[dict[str, Any]]]:
    """Expected calibration error, and the bins it comes from.

    The mean distance between forecast probability and share of positives over 15 bins of equal width,
    weighted by their windows (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2).

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.

    Returns:
        The error, None without windows; and for each bin that holds any ``probability`` (their mean),
        ``positives`` (their share) and ``windows``.
    """
    if not len(truth):
        return None, []
    number = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(number, minlength=_BINS)
    used = np.flatnonzero(counts)
    forecast = np.bincount(number, weights=probability, minlength=_BINS)[used] / counts[used]
    positives = np.bincount(number, weights=truth, minlength=_BINS)[used] / counts[used]
    error = float((np.abs(forecast - positives) * counts[used]).sum() / len(truth))
    bins = [
        {"probability": float(p), "positives": float(share), "windows": int(count)}
        for p, share, count in zip(forecast, positives, counts[used], strict=True)
    ]
    return error, bins


def output_report(truth: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, Any]:
    """All scores of one output.

    Args:
        truth: labels 0 and 1, ``(n,)``.
        probability: ``(n,)``.
        threshold: decision threshold; at or above it a row counts as positive.

    Returns:
        Scores of ``binary_scores``; ``calibration_error`` and the bins of ``reliability``;
        scikit-learn's report dict and confusion matrix (rows: truth 0, 1; columns: prediction 0, 1) at
        the threshold; and precision and recall against threshold.
    """
    from sklearn.metrics import classification_report, confusion_matrix, precision_recall_curve

    decided = (probability >= threshold).astype(int)
    labels = truth.astype(int)
    curve: list[dict[str, float]] = []
    if labels.any():
        precision, recall, thresholds = precision_recall_curve(labels, probability)
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
    calibration_error, bins = reliability(truth, probability)
    return {
        **binary_scores(truth, probability),
        "calibration_error": calibration_error,
        "reliability": bins,
        "threshold": threshold,
        "positives": int(labels.sum()),
        "windows": len(labels),
        "report": classification_report(
            labels, decided, labels=[0, 1], output_dict=True, zero_division=0
        ),
        "confusion_matrix": confusion_matrix(labels, decided, labels=[0, 1]).tolist(),
        "precision_recall": curve,
    }


def mean_scores(
    truth: np.ndarray, probability: np.ndarray, rows: np.ndarray | None = None
) -> dict[str, float | None]:
    """Scores of ``binary_scores`` averaged over outputs, None where any is undefined.

    Args:
        truth: labels ``(n, n_outputs)``.
        probability: same shape.
        rows: which windows count; without it all.
    """
    if rows is not None:
        truth, probability = truth[rows], probability[rows]
    each = [binary_scores(truth[:, i], probability[:, i]) for i in range(truth.shape[1])]
    mean: dict[str, float | None] = {}
    for name in ("roc_auc", "average_precision", "brier"):
        values = [value for e in each if (value := e[name]) is not None]
        mean[name] = float(np.mean(values)) if len(values) == len(each) else None
    return mean
