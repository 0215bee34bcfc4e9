"""Settings of a backtest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from fastlstm.config.base import StrictSettings


class BacktestConfig(StrictSettings):
    """How a backtest rolls its origin through the table."""

    folds: int = Field(5, ge=1, le=1000, description="Test periods, one after the other.")
    test_size_rate: float = Field(
        0.3, gt=0, lt=1,
        description="Share of the time span, the last, that the folds divide evenly among them.",
    )  # fmt: skip
    window: Literal["expanding", "sliding"] = Field(
        "expanding",
        description="What a fold learns from: all rows before its test period, or the last ones, as "
        "many as the first fold has.",
    )
    gap: int = Field(
        0, ge=0,
        description="Rows just before a test period that nothing is learned from, as where labels come "
        "late; forecasts see them as inputs.",
    )  # fmt: skip
    decides: bool = Field(
        False,
        description="Promote only where the backtest shows the settings to beat each baseline beyond "
        "chance (5%); 'retrain' then runs it too.",
    )
    refit_every: int = Field(
        1,
        ge=1,
        description="Train anew at every so many folds; those between use the last network.",
    )
    warm_start: bool = Field(
        False,
        description="Begin each training after the first from the weights of the one before; scalers "
        "are then those of the first. The folds then wait for each other.",
    )
    task_runner: Literal["threads", "dask", "ray"] = Field(
        "threads",
        description="What runs the folds of the flow at the same time: threads of this machine, each "
        "training in a process of its own, or a cluster through prefect-dask or prefect-ray, whose "
        "machines find the table and 'work' at the same paths.",
    )
    cluster: str | None = Field(
        None,
        description="Address of a running Dask or Ray cluster, such as tcp://10.0.0.5:8786 or "
        "ray://10.0.0.5:10001; without it one is started on this machine.",
    )
    parallel: int = Field(
        2, ge=1, le=1024, description="Folds at the same time where 'threads' run them."
    )

    @model_validator(mode="after")
    def _cluster_is_used(self) -> BacktestConfig:
        if self.cluster is not None and self.task_runner == "threads":
            raise ValueError("cluster: 'threads' use none; set task_runner to 'dask' or 'ray'")
        return self
