"""The result of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fastlstm.evaluation.intervals import HalfWidths, Pair


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        metrics: on test, as JSON-like values.
        predictions: one row per test window, step and target. The bounds of intervals, columns
            ``lower_<level>`` and ``upper_<level>``, are those that could have been given at the time:
            adapted to what was known before each window's targets.
        half_widths: of a regressor's intervals, from validation, by the quantiles of the base interval;
            None where the settings ask for no intervals.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    half_widths: dict[Pair, HalfWidths] | None = None
