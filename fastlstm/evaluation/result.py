"""What an evaluation found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fastlstm.evaluation.intervals import HalfWidths, Pair


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: on test, as JSON-like values.
        predictions: one line per test window, step and target. Their intervals, columns
            ``lower_<level>`` and ``upper_<level>``, are as they would have been given at the time:
            adapted to what was known before each origin.
        radii: of a regressor's intervals, from validation, by the quantiles they are built around; None
            where none are made.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    half_widths: dict[Pair, HalfWidths] | None = None
