"""The series of a run from the worst to the best, by their scores on test."""

from __future__ import annotations

from typing import Any


def worst_first(metrics: dict[str, Any]) -> list[str]:
    """Labels of the series by the primary metric, those without a score last.

    Args:
        metrics: of the run; those of a run stored without scores of series give none.
    """
    primary = metrics["primary"]
    sign = 1 if primary.get("better", "lower") == "higher" else -1
    scores = {
        name: of["model"].get(primary["name"]) for name, of in metrics.get("by_series", {}).items()
    }
    return sorted(
        scores, key=lambda name: (scores[name] is None, sign * (scores[name] or 0.0), name)
    )
