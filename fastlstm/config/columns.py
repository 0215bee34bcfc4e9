"""Settings of one column: its type and rules, and targets computed from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from fastlstm.config.base import StrictSettings
from fastlstm.config.categories import bin_names

# Rules that only some columns can have.
OF_FORWARD_FILL = ("forward_fill_limit", "beyond_limit")
_OF_QUANTITIES = ("minimum", "maximum", "out_of_range")


class ColumnRules(StrictSettings):
    """Type and valid range of a column, and the treatment of missing and invalid values."""

    dtype: Literal["float", "integer", "boolean", "category"] = Field(
        "float",
        description="Type the column is read as. 'category': text, integers or booleans that are "
        "names; each category of the train rows becomes an indicator, or of a target a class. A "
        "classifier's target that is not all 0 and 1 is a category by itself.",
    )
    unit: str = Field("", description="Unit of the values, shown in figures and reports.")
    minimum: float | None = Field(None, description="Lowest valid value.")
    maximum: float | None = Field(None, description="Highest valid value.")
    out_of_range: Literal["error", "warning", "missing"] = Field(
        "error",
        description="Treatment of a value out of range. 'error': the run stops. 'warning': it is "
        "reported. 'missing': it counts as missing.",
    )
    missing: Literal["error", "drop", "forward_fill", "category", "class"] = Field(
        "error",
        description="Treatment of a missing value. 'error': the run stops. 'drop': its row is "
        "dropped, and no window crosses the gap. 'forward_fill': the last value before it in the "
        "same contiguous block is used. 'category': it is a category of its own, the default of "
        "features of dtype 'category'. 'class': of a label column, it is the class '(missing)', for "
        "labels that are left empty where nothing happened.",
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

    @model_serializer(mode="wrap")
    def _given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was set alone: a default written out would count as set when it is read again, and
        hide what '*' sets for all columns."""
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    def over(self, common: ColumnRules) -> ColumnRules:
        """These rules, and of the common ones what these leave open.

        Args:
            common: the rules of all columns.

        Raises:
            ValueError: the two contradict each other.
        """
        own, given = self.model_dump(), common.model_dump()
        if own.get("missing", "forward_fill") != "forward_fill":
            given = {key: given[key] for key in given if key not in OF_FORWARD_FILL}
        if own.get("dtype", given.get("dtype")) == "category":
            given = {key: given[key] for key in given if key not in _OF_QUANTITIES}
        elif given.get("missing") in ("category", "class"):
            del given["missing"]
        try:
            return ColumnRules.model_validate({**given, **own})
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"{message} (with what '*' sets)") from None

    @model_validator(mode="before")
    @classmethod
    def _missing_of_categories(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("dtype") == "category":
            return {"missing": "category", **given}
        return given

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
        if self.dtype == "category" and (self.minimum, self.maximum) != (None, None):
            raise ValueError("minimum, maximum: a category has no order; remove them")
        if self.missing in ("category", "class") and self.dtype != "category":
            raise ValueError(
                f"missing: {self.missing!r} needs dtype 'category'; set it, or use 'drop' or "
                "'forward_fill'"
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
        "0 or 1, by the threshold; the others give a quantity, or with bins a class."
    )
    threshold: float | None = Field(None, description="Threshold of 'any_above' and 'any_below'.")
    bins: list[float] | None = Field(
        None, min_length=1, max_length=99,
        description="Rising edges that make classes of the quantity; a value on an edge is in the "
        "class below.",
    )  # fmt: skip
    labels: list[str] | None = Field(
        None,
        description="Names of the classes, one more than bins, the lowest first. Default: "
        "'up to 1', '1 to 5', 'above 5' of the bins [1, 5].",
    )
    horizon: int = Field(
        1, ge=1, description="Label horizon: rows aggregated, from the target row on."
    )

    @property
    def is_label(self) -> bool:
        """Whether the target is a label: 0 or 1, or a class."""
        return self.operation.startswith("any_") or self.bins is not None

    @property
    def classes(self) -> list[str]:
        """Names of the classes of bins, the lowest first; none without bins."""
        if self.bins is None:
            return []
        return self.labels or bin_names(self.bins)

    @model_validator(mode="after")
    def _settings_agree(self) -> DerivedTarget:
        of_threshold = self.operation.startswith("any_")
        if of_threshold and self.threshold is None:
            raise ValueError(f"threshold: operation {self.operation!r} needs one; give a number")
        if not of_threshold and self.threshold is not None:
            raise ValueError(f"threshold: operation {self.operation!r} uses none; remove it")
        if self.bins is None:
            if self.labels is not None:
                raise ValueError("labels: name the classes of bins, which are not set; set bins")
            return self
        if of_threshold:
            raise ValueError(f"bins: operation {self.operation!r} gives 0 and 1; remove bins")
        if sorted(set(self.bins)) != self.bins:
            raise ValueError(f"bins: {self.bins} do not rise; give rising edges")
        if len(set(self.classes)) != len(self.bins) + 1:
            raise ValueError(
                f"labels: {self.classes} are not {len(self.bins) + 1} different names, one more than "
                "bins; correct them"
            )
        return self
