"""Settings of one column: its type and rules, and targets computed from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings


class ColumnRules(StrictSettings):
    """Type and valid range of a column, and the treatment of missing and invalid values."""

    dtype: Literal["float", "integer", "boolean"] = Field(
        "float", description="Type the column is read as."
    )
    unit: str = Field("", description="Unit of the values, shown in figures and reports.")
    minimum: float | None = Field(None, description="Lowest valid value.")
    maximum: float | None = Field(None, description="Highest valid value.")
    out_of_range: Literal["error", "warning", "missing"] = Field(
        "error",
        description="Treatment of a value out of range. 'error': the run stops. 'warning': it is "
        "reported. 'missing': it counts as missing.",
    )
    missing: Literal["error", "drop", "forward_fill"] = Field(
        "error",
        description="Treatment of a missing value. 'error': the run stops. 'drop': its row is "
        "dropped, and no window crosses the gap. 'forward_fill': the last value before it in the "
        "same contiguous block is used.",
    )
    forward_fill_limit: int | None = Field(
        None, ge=1, description="Maximum number of consecutive rows filled by 'forward_fill'."
    )
    beyond_limit: Literal["error", "drop"] = Field(
        "error", description="Treatment of values still missing after 'forward_fill'."
    )
    max_missing_share: float = Field(
        0.1, ge=0, le=1, description="Largest accepted share of missing values."
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _no_look_ahead(cls, value: Any) -> Any:
        if value in ("interpolate", "back_fill", "backfill", "bfill", "linear"):
            raise ValueError(
                f"{value!r} fills a row from rows after it, which a forecast at that time cannot know; "
                "use 'forward_fill', 'drop' or 'error'"
            )
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> ColumnRules:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is above maximum {self.maximum}; swap or correct them"
            )
        if self.missing == "forward_fill" and self.forward_fill_limit is None:
            raise ValueError(
                "forward_fill_limit: missing 'forward_fill' needs it; give the maximum number of "
                "consecutive rows to fill"
            )
        if self.missing != "forward_fill":
            for key, unset in (("forward_fill_limit", None), ("beyond_limit", "error")):
                if getattr(self, key) != unset:
                    raise ValueError(
                        f"{key}: has no meaning with missing {self.missing!r}; remove it or set "
                        "missing to 'forward_fill'"
                    )
        return self

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Lowest and highest value that a checked row may hold, None where there is no such limit."""
        if self.out_of_range == "warning":
            return None, None
        return self.minimum, self.maximum


class DerivedTarget(StrictSettings):
    """A target computed from the next rows of a column.

    The label of row ``t`` is the operation over rows ``t .. t + horizon - 1`` of one series. There
    is no window whose label would need a row beyond its split, its series or a gap in time.
    """

    column: str = Field(description="Source column of the label.")
    operation: Literal["any_above", "any_below", "max", "min", "mean", "sum"] = Field(
        description="Aggregation over the label horizon. 'any_above' and 'any_below' give labels, "
        "0 or 1, by the threshold; the others give a quantity."
    )
    threshold: float | None = Field(None, description="Threshold of 'any_above' and 'any_below'.")
    horizon: int = Field(
        1, ge=1, description="Label horizon: rows aggregated, from the target row on."
    )

    @property
    def is_label(self) -> bool:
        """Whether the operation gives 0 or 1."""
        return self.operation.startswith("any_")

    @model_validator(mode="after")
    def _threshold_where_used(self) -> DerivedTarget:
        if self.is_label and self.threshold is None:
            raise ValueError(f"threshold: operation {self.operation!r} needs one; give a number")
        if not self.is_label and self.threshold is not None:
            raise ValueError(f"threshold: operation {self.operation!r} uses none; remove it")
        return self
