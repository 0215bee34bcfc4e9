"""Settings of a backtest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fastlstm.config.base import StrictSettings


class BacktestConfig(StrictSettings):
    """Folds of a backtest and how they are trained."""

    folds: int = Field(5, ge=1, le=1000, description="Number of folds: consecutive test periods.")
    test_size_rate: float = Field(
        0.3, gt=0, lt=1,
        description="Last share of the time span that the test periods of all folds divide evenly.",
    )  # fmt: skip
    window: Literal["expanding", "sliding"] = Field(
        "expanding",
        description="Training rows of a fold. 'expanding': all rows before its test period. "
        "'sliding': as many of the last rows before it as the first fold has.",
    )
    gap: int = Field(
        0, ge=0,
        description="Rows before each test period that are left out of training, e.g. where labels "
        "arrive late. Forecasts still read them as inputs.",
    )  # fmt: skip
    decides: bool = Field(
        False,
        description="Promote a network only if the backtest shows its settings to be significantly "
        "better (5%) than every baseline; 'retrain' then runs the backtest too.",
    )
    refit_every: int = Field(
        1,
        ge=1,
        description="Retrain every so many folds; the folds between use the last network.",
    )
    warm_start: bool = Field(
        False,
        description="Start each training after the first from the weights of the previous fold, "
        "with the scalers of the first. The folds then run one after the other.",
    )
