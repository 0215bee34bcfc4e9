"""Settings of the evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fastlstm.config.base import StrictSettings


class EvaluationConfig(StrictSettings):
    """How a trained network is judged."""

    season_length: int | None = Field(
        None, ge=1,
        description="Rows in one season of the last-season baseline; without it by frequency "
        "(24 for hourly, 7 for daily, …).",
    )  # fmt: skip
    threshold_metric: Literal["f1", "balanced_accuracy"] = Field(
        "f1", description="Score whose maximum on validation chooses the decision threshold."
    )
    explain_windows: int = Field(
        256, ge=0, le=100_000,
        description="Validation windows, evenly spaced, that tell how much each feature and stretch of "
        "past rows matters; 0: none.",
    )  # fmt: skip
    interval_levels: list[float] = Field(
        [0.8, 0.95], max_length=10,
        description="Coverage of a regressor's prediction intervals, each between 0.01 and 0.99; an "
        "empty list makes none.",
    )  # fmt: skip
    interval_rate: float = Field(
        0.005, ge=0, le=1,
        description="How fast intervals adapt to the errors of the forecasts before (Gibbs and Candès "
        "2021, whose value it is); 0: validation alone decides.",
    )  # fmt: skip

    @field_validator("interval_levels")
    @classmethod
    def _levels(cls, value: list[float]) -> list[float]:
        for level in value:
            if not 0.01 <= level <= 0.99:
                raise ValueError(f"{level} is no coverage between 0.01 and 0.99; give e.g. 0.8")
        if len(set(value)) < len(value):
            raise ValueError("a level is listed twice; list it once")
        return sorted(value)
