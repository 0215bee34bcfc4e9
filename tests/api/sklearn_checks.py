"""Checks of scikit-learn that do not apply to windowed estimators, and why.

Each of these takes rows as exchangeable. Here a row is forecast from the rows before it, so what
stands beside a row, and in which order, is part of the question.
"""

from __future__ import annotations

NOT_FOR_WINDOWS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "repeating or removing a row shifts every window after it, which weighting does not"
    ),
    "check_methods_sample_order_invariance": "the order of rows is their time",
    "check_methods_subset_invariance": "a row without the rows before it has another past",
}
