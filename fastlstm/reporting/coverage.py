"""Sentences about the series of a panel that a network has not learned from, or is not scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = 5


def coverage_lines(manifest: Mapping[str, Any], split: str) -> list[str]:
    """What is said of series without train or test windows, and of those lost in the table's scale.

    Args:
        manifest: of a dataset of windows, or the metrics of a run; see
            ``fastlstm.windows.coverage.series_without``.
        split: the hyperparameter ``split``.
    """
    found, lines = manifest.get("series_without", {}), []
    at_time = split == "at_time"
    if train := found.get("train"):
        why = "their rows begin too late or are too few" if at_time else "they have too few rows"
        remedy = "; set hyperparameters.split to 'by_series' to learn from them" if at_time else ""
        lines.append(
            f"{_counted(train)} no train window, as {why}, so the scored network has not learned from "
            f"them{remedy}"
        )
    if lost := manifest.get("lost_in_scale"):
        lines.append(
            f"{_counted(lost)} values that vary by less than a ten-thousandth of the table's scale, so "
            "the network cannot tell them apart; set hyperparameters.scaler_scope to 'series'"
        )
    if test := found.get("test"):
        why = (
            "they end before the test period or have gaps" if at_time else "they have too few rows"
        )
        lines.append(f"{_counted(test)} no test window, as {why}, so they are not scored")
    return lines


def _counted(found: Mapping[str, Any]) -> str:
    """How many series, the first by name, up to the verb."""
    return f"{found['count']:,} of {found['of']:,} series ({named(found['names'], found['count'])}) have"


def named(names: Sequence[str], count: int) -> str:
    """The first of some names, and how many more there are.

    Args:
        names: all of them, or the first ones.
        count: how many there are.
    """
    shown = names[:_NAMED]
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
