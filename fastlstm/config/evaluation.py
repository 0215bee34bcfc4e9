"""Settings of the evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fastlstm.config.base import StrictSettings


class EvaluationConfig(StrictSettings):
    """Settings of the evaluation on test and of prediction intervals."""

    primary_metric: Literal[
        "auto", "mae", "rmse", "mase", "rmsse", "log_loss", "average_precision", "balanced_accuracy",
        "accuracy", "brier", "roc_auc",
    ] = Field(
        "auto",
        description="Metric that decides promotion. Of a regressor it also decides search, backtest and "
        "monitoring. 'mase', 'rmsse': mean over series of errors scaled by each series' seasonal naive "
        "error on train rows, so that every series counts alike. 'mae', 'rmse': pooled, so that large "
        "series dominate. Of a classifier: 'log_loss', 'brier', or 'average_precision', 'roc_auc', "
        "'accuracy', 'balanced_accuracy', means over classes. 'auto': 'mae' with one series and one "
        "target, otherwise 'mase'; 'log_loss' for a classifier.",
    )  # fmt: skip
    season_length: int | None = Field(
        None, ge=1,
        description="Rows per season of the seasonal naive baseline; 1: no season. Default: the season "
        "of the frequency (hours: day or week, days: week or year, …) that the train rows show.",
    )  # fmt: skip
    threshold_metric: Literal["f1", "balanced_accuracy"] = Field(
        "f1", description="Metric maximized on validation to choose the decision threshold."
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict,
        description="Decision threshold of an output, or of a class by its name, in place of the one "
        "that validation chooses.",
    )
    explain_windows: int = Field(
        256, ge=0, le=100_000,
        description="Validation windows, evenly spaced, for feature importance; 0: no feature "
        "importance. Of more than 30 features only those with the greatest integrated gradients are "
        "permuted too.",
    )  # fmt: skip
    interval_levels: list[float] = Field(
        [0.8, 0.95], max_length=10,
        description="Nominal coverage of a regressor's prediction intervals, each between 0.01 and "
        "0.99. An empty list: no intervals.",
    )  # fmt: skip
    interval_rate: float = Field(
        0.005, ge=0, le=1,
        description="Step size of adaptive conformal intervals (Gibbs and Candès 2021, whose "
        "value is the default). 0: intervals from validation alone.",
    )  # fmt: skip

    @field_validator("thresholds")
    @classmethod
    def _probabilities(cls, value: dict[str, float]) -> dict[str, float]:
        for name, threshold in value.items():
            if not 0 < threshold < 1:
                raise ValueError(f"{name!r} has {threshold}; give a probability between 0 and 1")
        return value

    @field_validator("interval_levels")
    @classmethod
    def _levels(cls, value: list[float]) -> list[float]:
        for level in value:
            if not 0.01 <= level <= 0.99:
                raise ValueError(f"{level} is not between 0.01 and 0.99; give e.g. 0.8")
        if len(set(value)) < len(value):
            raise ValueError(f"a level is listed twice in {value}; list each once")
        return sorted(value)
