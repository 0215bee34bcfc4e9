"""Settings of a search for hyperparameters."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.locations import DatabaseLocation


class Range(StrictSettings):
    """Search space of one hyperparameter: an interval or a list of choices."""

    low: int | float | None = Field(None, description="Lowest value.")
    high: int | float | None = Field(None, description="Highest value.")
    step: int | float | None = Field(
        None,
        gt=0,
        description="Step between values. Default: 1 for integers, continuous for floats.",
    )
    log: bool = Field(False, description="Sample on a logarithmic scale.")
    choices: list[Any] | None = Field(
        None, min_length=1, max_length=100, description="List of values, in place of low and high."
    )

    @model_validator(mode="after")
    def _ends_or_choices(self) -> Range:
        if self.choices is not None:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError(
                    "choices: excludes low, high, step and log; remove them, or choices"
                )
            return self
        if self.low is None or self.high is None:
            raise ValueError("low: a range has low and high, or choices; give them")
        if self.low >= self.high:
            raise ValueError(f"low: {self.low} is not below high {self.high}; swap or correct them")
        if self.log and self.step is not None:
            raise ValueError("step: has no meaning with log; remove one of them")
        if self.log and self.low <= 0:
            raise ValueError(f"low: {self.low} has no logarithm; give a value above 0")
        return self

    @property
    def ends(self) -> list[Any]:
        """The values by which a range is checked: its ends, or all choices."""
        return list(self.choices) if self.choices is not None else [self.low, self.high]


# Settings that make validation scores of two trials incomparable, or do not affect training.
NOT_SEARCHED = (
    "model_name", "LSTM_type", "steps_ahead", "loss", "metrics", "scaler_type", "scale_targets",
    "train_size_rate", "validation_size_rate", "split", "checkpoint_monitor_metric", "checkpoint_mode",
    "early_stop_monitor_metric", "early_stop_mode", "save_X_Y_data", "calibration",
    "naive_unless_better", "linear_component", "lstm_implementation",
)  # fmt: skip


class TuneConfig(StrictSettings):
    """Hyperparameter search with Optuna."""

    ranges: dict[str, Range] = Field(
        default_factory=dict, description="Search space: a range per hyperparameter."
    )
    trials: int = Field(20, ge=1, le=100_000, description="Number of trials, pruned ones included.")
    prune: bool = Field(
        True,
        description="Prune a trial whose validation score is worse than the median of earlier "
        "trials at the same epoch.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Random seed of the search.")
    storage: DatabaseLocation | None = Field(
        None,
        description="Optuna storage of the trials: a SQLAlchemy URL without password, or "
        "'env:NAME' for an environment variable that holds one. Default: a file in the work "
        "folder.",
    )
